"""CometBFT's numbered requirements (v0.39.4, `abci++_app_requirements.md`), one by one."""

import time
from typing import Any

import pytest

from salus.base import codec
from salus.base.envelope import Envelope
from salus.base.limits import BLOCK_TRANSACTIONS_MAX
from salus.machine.block import Block
from salus.modules.audit.messages import DefineTerm
from salus.node.ledger import Executed
from tests.conformance.abci.chain import NetworkChain
from tests.conformance.abci.conftest import Hosts
from tests.conformance.abci.driver import CometSide
from tests.support.ledgers import term
from tests.support.machine import GENESIS_MS

TIMEOUT_PROPOSE_S = 1.0


def other_side(chain: NetworkChain, hosts: Hosts, comet: CometSide) -> CometSide:
    """A second member's CometBFT with the same blocks, its App new."""
    side = CometSide(chain, seed=2)
    side.blocks = list(comet.blocks)
    side.connect(hosts("other"))
    side.handshake()
    return side


def forged(envelope: bytes) -> bytes:
    """The same with a signature that does not hold."""
    parts = codec.decode(envelope, Envelope)
    sig = parts.sig[:-1] + bytes([parts.sig[-1] ^ 1])
    return codec.encode(Envelope(body=parts.body, key=parts.key, sig=sig))


def test_requirement_01_a_block_is_prepared_before_others_stop_waiting(
    chain: NetworkChain, comet: CometSide
) -> None:
    """1,000 transactions that nobody checked before, well within timeout_propose."""
    offered = [chain.sign(n % 4, term(n + 1)) for n in range(1_000)]
    start_s = time.monotonic()
    prepared = comet.prepare(offered)

    assert offered == prepared
    assert time.monotonic() - start_s < TIMEOUT_PROPOSE_S


def test_requirement_01_a_slow_machine_prepares_a_smaller_block(
    chain: NetworkChain, comet: CometSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 2 ms a message, 250 fit half a second; what is left out waits for the next block."""
    host = comet.host
    execute = host.ledger.execute

    def slowly(block: Block, **rest: Any) -> Executed:
        host.clock.pass_ms(2 * len(block.txs))
        return execute(block, **rest)

    monkeypatch.setattr(host.ledger, "execute", slowly)
    offered = [chain.sign(n % 4, term(n + 1)) for n in range(400)]

    assert offered == comet.prepare(offered)
    assert offered[:250] == comet.prepare(offered)


@pytest.mark.parametrize("missing_bytes", [0, 1])
def test_requirement_02_a_proposal_keeps_to_max_tx_bytes(
    chain: NetworkChain, comet: CometSide, missing_bytes: int
) -> None:
    """Counted as CometBFT counts, with a tag and a length each: one byte short leaves one out."""
    offered = [chain.sign(0, term(n + 1)) for n in range(5)]
    needed = sum(len(one) + 1 + 2 for one in offered)

    assert offered[: 5 - missing_bytes] == comet.prepare(offered, needed - missing_bytes)


def test_requirement_03_what_one_prepares_all_accept(
    chain: NetworkChain, hosts: Hosts, comet: CometSide
) -> None:
    """Rubbish is left out, and a member that never saw the transactions agrees."""
    good = [chain.sign(n, term(n + 1)) for n in range(4)]
    twice = chain.sign(0, term(9), nonce=0)
    late = chain.sign(1, term(8), until_ms=GENESIS_MS)
    offered = [b"", b"\x00" * 300, good[0], forged(good[1]), twice, late, *good[1:], good[2]]
    prepared = comet.prepare(offered)
    other = other_side(chain, hosts, comet)

    assert good == prepared
    assert comet.process(prepared)
    assert other.process(prepared)
    other.disconnect()


def test_requirement_03_a_transaction_with_a_bug_is_not_proposed_again(
    monkeypatch: pytest.MonkeyPatch, chain: NetworkChain, comet: CometSide
) -> None:
    """It is kept aside, told at recheck, and the others go on."""

    def divide(_ctx: object, message: DefineTerm) -> None:
        if message.number == 13:
            raise ZeroDivisionError

    monkeypatch.setitem(comet.host.ledger.machine._handlers, DefineTerm, divide)
    bad, good = chain.sign(0, term(13)), chain.sign(1, term(1))

    assert [0, 0] == [one.code for one in comet.check(bad, good)]
    assert [good] == comet.prepare([bad, good])
    assert [bad] == [one.read_bytes() for one in comet.host.quarantine.iterdir()]
    assert [31_999] == [one.code for one in comet.check(bad, recheck=True)]
    assert not comet.process([bad, good])
    assert comet.process([good])


BAD = {
    "no envelope": lambda _chain: [b"\x00"],
    "an envelope with a byte more": lambda chain: [chain.sign(0, term(1)) + b"\x00"],
    "a signature that does not hold": lambda chain: [forged(chain.sign(0, term(1)))],
    "another network's": lambda chain: [chain.sign(0, term(1), network=bytes(32))],
    "one bad among good": lambda chain: [chain.sign(0, term(1)), b"", chain.sign(1, term(2))],
    "too many": lambda chain: [chain.sign(0, term(1))] * (BLOCK_TRANSACTIONS_MAX + 1),
    "too large": lambda _chain: [bytes(512 * 1024)] * 8,
}

ACCEPTED = {
    "nothing": lambda _chain: [],
    "one that is refused by its nonce": lambda chain: [chain.sign(0, term(1), nonce=0)] * 2,
    "one that has expired": lambda chain: [chain.sign(0, term(1), until_ms=GENESIS_MS)],
    "one whose message is refused": lambda chain: [
        chain.sign(0, term(1)), chain.sign(1, term(1)),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", [*BAD, *ACCEPTED])
def test_requirements_04_and_05_acceptance_rests_on_block_and_state_alone(
    chain: NetworkChain, hosts: Hosts, comet: CometSide, name: str
) -> None:
    """The same answer twice, after CheckTx of its parts, and by a member that saw nothing."""
    other = other_side(chain, hosts, comet)
    txs = {**BAD, **ACCEPTED}[name](chain)
    expected = name in ACCEPTED

    assert expected == other.process(txs)
    comet.check(*txs[:50])
    assert expected == comet.process(txs)
    assert expected == comet.process(txs)
    other.disconnect()


def test_requirements_04_and_05_a_block_from_the_past_is_rejected(comet: CometSide) -> None:
    """Its time may equal the tip's in milliseconds, not precede it."""
    comet.decide([])
    tip_ms = comet.host.ledger.tip.time_ms

    assert comet.process([], time_ms=tip_ms)
    assert not comet.process([], time_ms=tip_ms - 1)


def test_requirements_06_to_08_votes_carry_nothing_and_all_are_accepted(comet: CometSide) -> None:
    """Vote extensions are switched off: ours is empty, and no vote is lost over another's."""
    comet.extend()
    comet.verify_extension(b"")
    comet.verify_extension(b"whatever")


def test_requirement_09_proposals_leave_the_state_as_it_was(
    chain: NetworkChain, comet: CometSide
) -> None:
    """Prepare, process, extend: neither tip nor store nor the next block's hash notice."""
    comet.decide([chain.sign(0, term(1))])
    before = comet.host.ledger.tip
    offered = [chain.sign(1, term(2)), chain.sign(2, term(2))]
    for part in (offered, offered[:1], []):
        comet.process(comet.prepare(part))
        comet.extend()

    assert before == comet.host.ledger.tip
    assert [0] == comet.decide([chain.sign(3, term(2))])


def test_requirement_10_what_votes_carry_does_not_enter_the_state(
    chain: NetworkChain, hosts: Hosts, comet: CometSide
) -> None:
    """One member saw extensions, the other none: equal hashes."""
    other = other_side(chain, hosts, comet)
    block = [chain.sign(0, term(1))]
    comet.verify_extension(b"something")

    assert comet.decide(block) == other.decide(block)
    assert comet.app_hashes == other.app_hashes
    other.disconnect()


def test_requirements_11_and_12_blocks_and_nothing_else_make_state_and_results(
    chain: NetworkChain, hosts: Hosts, comet: CometSide
) -> None:
    """A member with proposals, checks and refused rounds, one that only got blocks: equal."""
    other = other_side(chain, hosts, comet)
    blocks = [
        [chain.sign(0, term(1)), b"\x00rubbish", chain.sign(1, term(1))],
        [],
        [chain.sign(0, term(1), nonce=0), forged(chain.sign(2, term(2))), chain.sign(3, term(3))],
    ]
    for block in blocks:
        comet.check(*block)
        comet.any_height(block)
        other.decide(block)

    assert [[0, 2, 9002], [], [14, 8, 0]] == comet.codes
    assert (comet.app_hashes, comet.codes) == (other.app_hashes, other.codes)
    other.disconnect()


def test_requirement_13_check_tx_comes_to_rest(chain: NetworkChain, comet: CometSide) -> None:
    """A good one stays good until its block, and is refused ever after; a bad one stays bad."""
    good, bad = chain.sign(0, term(1)), forged(chain.sign(1, term(2)))

    assert [0, 8] == [one.code for one in comet.check(good, bad)]
    assert [0, 8] == [one.code for one in comet.check(good, bad)]
    comet.decide([])
    assert [0] == [one.code for one in comet.check(good, recheck=True)]
    comet.decide([good])
    for recheck in (True, False, False):
        assert [14, 8] == [one.code for one in comet.check(good, bad, recheck=recheck)]
