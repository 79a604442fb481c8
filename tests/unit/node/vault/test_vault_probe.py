"""Probes name who signed a receipt over nothing; rereading finds what a disk lost in silence."""

from typing import TYPE_CHECKING

import pytest

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.node.peers import Peer
from salus.node.vault.index import Row
from salus.node.vault.messages import HOLDS, HoldsAsked
from salus.node.vault.probe import Unproven
from salus.sealed import container as containers
from tests.support.network import DAY, Network

if TYPE_CHECKING:
    from tests.unit.node.vault.conftest import Held

ME, LOSER = 2, 1
"""Who probes, and who lost a container."""

DAY_ROUNDS = 24 * 60


def peers(network: Network) -> list[Peer]:
    """The others, as the prober calls them."""
    return [network.peer(ME, other) for other in range(len(network.members)) if other != ME]


def lose(held: "Held") -> None:
    """The loser's disk loses the container."""
    held.network.node(LOSER).vault._holdings.objects.delete(held.sealed.batch.hex())


def test_an_empty_receipt_stays_named_until_it_is_good_again(held: "Held") -> None:
    """Since the first failed probe, by which the loser notices too: its next repair mends it."""
    network = held.network
    vault, loser = network.node(ME).vault, network.members[LOSER].id
    lose(held)
    first_ms = network.clock.time_ms
    vault.probe(peers(network), 1_000)
    network.wait(60_000)
    vault.probe(peers(network), 1_000)

    assert [Unproven(loser, held.sealed.batch, first_ms)] == vault.unproven()
    assert vault.unproven() == vault.standing().unproven

    back = [network.peer(LOSER, other) for other in (0, 2, 3)]
    fetched = network.node(LOSER).vault.repair(back).fetched
    assert [held.sealed.batch] == fetched
    assert [] == vault.probe(peers(network), 1_000)
    assert [] == vault.unproven()


def test_who_is_named_is_asked_again_whatever_else_is_drawn(held: "Held") -> None:
    """One batch a round: the failed one comes on top of the drawn one, each round."""
    network = held.network
    other = network.seal(held.patient, [DAY])
    network.store(other)
    lose(held)
    vault = network.node(ME).vault
    vault.probe(peers(network), 1_000)
    failed = {pair for _ in range(5) for pair in vault.probe(peers(network), 1)}

    assert {(network.members[LOSER].id, held.sealed.batch)} == failed


def test_who_kept_the_items_and_threw_away_the_blobs_is_found(held: "Held") -> None:
    """Blobs are asked for as well: what is behind the last of them is no part."""
    network = held.network
    container = containers.parse(held.sealed.container)
    count = len(container.items) + len(container.blobs)
    last = HoldsAsked(batch=held.sealed.batch, part=count - 1, salt=bytes(32))
    behind = HoldsAsked(batch=held.sealed.batch, part=count, salt=bytes(32))

    assert container.blobs
    assert network.peer(ME, LOSER).call(HOLDS, codec.encode(last))
    with pytest.raises(Problem, match="PartUnknown"):
        network.peer(ME, LOSER).call(HOLDS, codec.encode(behind))


def test_a_prober_whose_clock_is_wrong_blames_nobody(
    held: "Held", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody refuses its calls; their copies are where they were."""
    network = held.network

    class Late:
        """Two minutes behind."""

        def now_ms(self) -> int:
            return network.clock.now_ms() - 120_000

        def monotonic(self) -> float:
            return network.clock.monotonic()

    late = peers(network)
    for peer in late:
        monkeypatch.setattr(peer, "_clock", Late())
    asked = HoldsAsked(batch=held.sealed.batch, part=0, salt=bytes(32))
    with pytest.raises(Problem) as caught:
        late[0].call(HOLDS, codec.encode(asked))

    assert Category.UNAUTHENTICATED is caught.value.category
    assert [] == network.node(ME).vault.probe(late, 1_000)


def test_a_receipt_binds_who_is_not_placed_too(held: "Held") -> None:
    """Whoever signed fetches it back after a loss, by placement a holder or not."""
    network = held.network
    for number in range(len(network.members)):
        node = network.node(number)
        node.vault._holdings.objects.delete(held.sealed.batch.hex())
        others = [one for one in range(len(network.members)) if one != number]
        ways = [network.peer(number, other) for other in others]

        assert [held.sealed.batch] == node.vault.repair(ways, deep=True).fetched


def test_every_container_is_read_once_a_round_of_rounds(held: "Held") -> None:
    """A share at a time, from anywhere, each as often as the others; one flipped bit is found."""
    network = held.network
    for _ in range(4):
        network.store(network.seal(held.patient, [DAY]))
    vault = network.node(ME).vault
    count = vault.standing().held
    data = bytearray(held.sealed.container)
    data[-100] ^= 1
    vault._holdings.objects.put(held.sealed.batch.hex(), bytes(data))
    found = [vault.reread(count) for _ in range(count)]

    assert [held.sealed.batch] == [one.batch for step in found for one in step]
    assert [held.sealed.batch] == vault.standing().lacking
    assert [held.sealed.batch] == vault.repair(peers(network)).fetched
    assert [] == vault.standing().lacking


def test_a_share_is_rounded_up(held: "Held", monkeypatch: pytest.MonkeyPatch) -> None:
    """A small vault reads one container a round; a large one all of them in a day."""
    vault = held.network.node(ME).vault
    index = vault._holdings.index
    asked: list[int] = []

    def after(_batch: bytes, count: int) -> list[Row]:
        asked.append(count)
        return [row for row in index.held() if row.batch == held.sealed.batch]

    monkeypatch.setattr(index, "held_after", after)
    for held_count in (1, DAY_ROUNDS, DAY_ROUNDS + 1):
        monkeypatch.setattr(index, "held_count", lambda count=held_count: count)
        vault.reread(DAY_ROUNDS)

    assert [1, 1, 2] == asked
