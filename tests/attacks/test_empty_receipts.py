"""A vault that signs receipts and stores nothing: what the ledger sees, what the others do."""

import os
from collections.abc import Iterator

import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.modules.records import queries as records
from salus.node.vault.holdings import Holdings
from salus.node.vault.messages import GET, HOLDS, BatchAsked, HoldsAsked, HoldsFound
from tests.support.network import Network, make_network

LIAR = 1


@pytest.fixture
def network(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Network]:
    """Member 1 keeps the shares, which are its seat's, and throws every container away."""
    made = make_network(tmp_path_factory.mktemp("network"))
    liar = made.node(LIAR).vault._holdings
    keep = Holdings.keep

    def lying_keep(self: Holdings, *given: object) -> None:
        if self is not liar:
            keep(self, *given)  # type: ignore[arg-type]  # handed on as it came

    monkeypatch.setattr(Holdings, "keep", lying_keep)
    yield made
    made.close()


def test_a_batch_with_an_empty_receipt_commits_opens_and_names_the_liar(network: Network) -> None:
    """The receipt says held; the others have it; every honest member's probe names the liar."""
    patient = network.patient()
    sealed = network.seal(patient)
    network.store(sealed)
    view = network.ledger.view()
    row = records.batch(view, sealed.batch)
    named = {
        number: network.node(number).vault.probe(
            [network.peer(number, other) for other in range(4) if other != number], 100
        )
        for number in (0, 2, 3)
    }

    assert row is not None
    assert [0, 1, 2, 3] == row.stored
    assert [sealed.container] * 3 == [
        network.node(number).vault.get(sealed.batch) for number in (0, 2, 3)
    ]
    assert [[(network.members[LIAR].id, sealed.batch)]] * 3 == list(named.values())
    assert records.copies_needed(view) <= 3


def test_a_liar_among_the_holders_hides_nothing_from_repair(network: Network) -> None:
    """A member that lost its copy gets it from the others, though the liar is asked first."""
    sealed = network.seal(network.patient())
    network.store(sealed)
    network.node(3).vault._holdings.objects.delete(sealed.batch.hex())
    ways = [network.peer(3, other) for other in (LIAR, 2, 0)]
    report = network.node(3).vault.repair(ways, deep=True)

    assert ([sealed.batch], []) == (report.fetched, report.missing)
    with pytest.raises(Problem, match="BatchUnknown"):
        network.peer(3, LIAR).call(GET, codec.encode(BatchAsked(batch=sealed.batch)))


def test_two_receipts_of_three_are_not_enough_whatever_the_liar_signs(network: Network) -> None:
    """With the liar's empty one three stand on the ledger: one honest copy may be lost, not two."""
    sealed = network.seal(network.patient())
    network.store(sealed, 0, LIAR, 2)
    network.node(0).vault._holdings.objects.delete(sealed.batch.hex())
    report = network.node(0).vault.repair([network.peer(0, LIAR), network.peer(0, 2)], deep=True)

    assert [sealed.batch] == report.fetched


@pytest.mark.parametrize("what", ["a digest made up", "another batch's answer"])
def test_no_made_up_answer_passes_a_probe(
    network: Network, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A liar that answers anyhow is named as one that does not."""
    sealed = network.seal(network.patient())
    network.store(sealed)
    vault = network.node(LIAR).vault
    honest = network.node(0).vault

    def holds(asked: HoldsAsked) -> bytes:
        if what == "a digest made up":
            return os.urandom(32)
        return honest.holds(HoldsAsked(batch=asked.batch, part=asked.part, salt=bytes(32)))

    monkeypatch.setattr(vault, "holds", holds)
    asked = HoldsAsked(batch=sealed.batch, part=0, salt=bytes([1]) * 32)
    answer = network.peer(2, LIAR).call(HOLDS, codec.encode(asked))

    assert 32 == len(codec.decode(answer, HoldsFound).digest)
    failed = network.node(2).vault.probe([network.peer(2, LIAR)], 100)
    assert (network.members[LIAR].id, sealed.batch) in failed
