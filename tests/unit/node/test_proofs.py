"""Proof files of a running network verify offline, for each claim, at any member."""

from collections.abc import Callable, Iterator

import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.base.hashing import sha256
from salus.base.proof_file import AbsentClaim, EventClaim, MessageClaim, RowClaim, TransactionClaim
from salus.client.verify import Unverified, Verified, verify
from salus.machine.execute import Refused
from salus.machine.tables import KEY
from salus.modules.audit.events import TermDefined
from salus.modules.audit.state import TERM
from tests.support.ledgers import VIEW, Nodes, add_block, term


class World:
    """Four members; one transaction of three messages, one refused, one unreadable."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.trust = nodes.chain.trust
        self.three = nodes.do([VIEW, term(2), term(3)], nonce=0)
        ordering = nodes[0].ordering
        until_ms = nodes.clock.now_ms() + 60_000
        again = nodes.chain.sign(1, term(4), VIEW, nonce=0, until_ms=until_ms)
        done = ordering.submit(again)
        self.refused = done.id
        nodes[2].ledger.wait_above(done.height - 1, 10)

    def check(self, data: bytes) -> Verified:
        """As an auditor does, with a trust file alone."""
        return verify(data, self.trust, self.nodes.clock.now_ms())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One network for all tests here; they only read."""
    with Nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        yield World(nodes)


@pytest.mark.parametrize("member", [0, 2])
def test_each_claim_verifies(world: World, member: int) -> None:
    """Transaction, each message, each event, a row, a missing row: cosigned by at least three."""
    proofs = world.nodes[member].proofs
    network = world.nodes.chain.network

    found = world.check(proofs.transaction(world.three))
    assert isinstance(found.claim, TransactionClaim)
    assert (world.three, 1, (3, 4)) == (found.tx_id, found.index, found.quorum)
    assert len(found.cosigners) >= 3

    for at, message in enumerate((VIEW, term(2), term(3))):
        claim = world.check(proofs.message(world.three, at)).claim
        assert isinstance(claim, MessageClaim)
        assert (codec.encode(message), at) == (claim.data, claim.position)
        told = world.check(proofs.event(world.three, at)).claim
        assert isinstance(told, EventClaim)
        assert codec.encode(TermDefined(kind=1, number=at + 1)) == told.data

    row = world.check(proofs.row(TERM.key(1, 2))).claim
    assert isinstance(row, RowClaim)
    assert "X" == TERM.decode(row.value).text
    absent = world.check(proofs.row(TERM.key(1, 77))).claim
    assert isinstance(absent, AbsentClaim)
    assert "9/1" == absent.table
    assert network.hex() == world.trust.network.hex()


def test_a_refused_transaction_can_be_proved_refused(world: World) -> None:
    """Its code stands in the entry, its one event says at which message."""
    proofs = world.nodes[0].proofs
    found = world.check(proofs.transaction(world.refused))
    told = world.check(proofs.event(world.refused, 0)).claim

    assert 9_002 == getattr(found.entry, "code", None)
    assert isinstance(told, EventClaim)
    assert Refused(code=9_002, at=1) == codec.decode(told.data, Refused)
    assert isinstance(world.check(proofs.message(world.refused, 1)).claim, MessageClaim)


def test_a_proof_of_another_network_does_not_verify(world: World) -> None:
    """Nor does one whose bytes were changed: the trust file decides, not the node."""
    data = world.nodes[0].proofs.row(TERM.key(1, 2))

    with pytest.raises(Unverified):
        verify(data.replace(world.nodes.chain.network.hex().encode(), b"0" * 64), world.trust)
    with pytest.raises(Unverified):
        verify(data[:-2] + b"\n", world.trust)


def test_rows_are_proved_though_empty_blocks_follow(world: World) -> None:
    """The newest block entry holds the root; the blocks after it left none."""
    for _ in range(3):
        world.nodes.renew()

    assert isinstance(world.check(world.nodes[0].proofs.row(TERM.key(1, 2))).claim, RowClaim)
    key = KEY.key(world.nodes.chain.members[0].transaction.key_id)
    assert isinstance(world.check(world.nodes[0].proofs.row(key)).claim, RowClaim)


def test_what_there_is_not_is_told_by_name(world: World) -> None:
    """No such transaction, message, event."""
    proofs = world.nodes[0].proofs
    asked: dict[str, Callable[[], bytes]] = {
        "TransactionUnknown": lambda: proofs.transaction(bytes(32)),
        "MessageUnknown": lambda: proofs.message(world.three, 3),
        "EventUnknown": lambda: proofs.event(world.refused, -1),
    }
    for name, ask in asked.items():
        with pytest.raises(Problem) as problem:
            ask()
        assert name == problem.value.name


def test_before_the_first_block_no_row_can_be_proved(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The genesis entry is no block entry; the caller is told to wait."""
    with Nodes(tmp_path_factory.mktemp("fresh"), members=1) as nodes:
        with pytest.raises(Problem, match="NoBlockYet"):
            nodes[0].proofs.row(TERM.key(1, 1))
        nodes.renew()
        with pytest.raises(Problem, match="NoBlockYet"):
            nodes[0].proofs.row(TERM.key(1, 1))


def test_an_unreadable_transaction_has_no_messages(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It can be proved by its hash, nothing inside it can."""
    with Nodes(tmp_path_factory.mktemp("garbage"), members=1) as nodes:
        ledger = nodes[0].ledger
        nodes[0].engine.close()  # type: ignore[union-attr]  # the first one has an engine
        add_block(ledger, b"garbage")
        garbage = sha256(b"garbage")

        data = nodes[0].proofs.transaction(garbage)

        assert garbage == verify(data, nodes.chain.trust).tx_id
        with pytest.raises(Problem, match="unreadable"):
            nodes[0].proofs.message(garbage, 0)
