"""Nonces: one an envelope among threads, and above what the ledger knows as spent."""

from concurrent.futures import ThreadPoolExecutor

from salus.base.codec import decode
from salus.base.envelope import Envelope, check_envelope
from salus.client.submit import LIFETIME_MS, Submitter
from tests.support.ledgers import MACHINE, VIEW, Chain
from tests.support.machine import GENESIS_MS

CHAIN = Chain(members=1)


def submitter(known: list[int]) -> Submitter:
    """The first member's; `known`: the nonce the ledger gives out next."""
    return Submitter(
        CHAIN.network,
        CHAIN.members[0].transaction,
        next_nonce=lambda: known[0],
        now_ms=lambda: GENESIS_MS,
    )


def nonce_of(envelope: bytes) -> int:
    """The nonce under the signature."""
    return MACHINE.form.read(envelope).nonce


def test_threads_do_not_share_a_nonce() -> None:
    """A hundred at once; signed for this network, alive for two minutes."""
    one = submitter([0])
    with ThreadPoolExecutor(8) as threads:
        envelopes = list(threads.map(lambda _: one.sign([VIEW]), range(100)))

    assert list(range(100)) == sorted(map(nonce_of, envelopes))
    check_envelope(CHAIN.network, decode(envelopes[0], Envelope))
    assert GENESIS_MS + LIFETIME_MS == MACHINE.form.read(envelopes[0]).until_ms


def test_nonces_go_on_above_what_the_ledger_knows() -> None:
    """Another process used the key meanwhile; an older view of the ledger does not take it back."""
    known = [7]
    one = submitter(known)
    assert [7, 8] == [nonce_of(one.sign([VIEW])) for _ in range(2)]
    known[0] = 20
    assert 20 == nonce_of(one.sign([VIEW]))
    known[0] = 3
    assert 21 == nonce_of(one.sign([VIEW]))
