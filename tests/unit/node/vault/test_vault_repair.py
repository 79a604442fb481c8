"""Repair brings back what was lost or damaged, from whoever has it whole, and names who lied."""

from typing import TYPE_CHECKING

import pytest

from salus.base import codec
from salus.node.vault.messages import ContainerFound
from salus.node.vault.placement import holders
from tests.support.network import DAY, Network

if TYPE_CHECKING:
    from tests.unit.node.vault.conftest import Held


def others(network: Network, me: int) -> list[int]:
    """All members but one."""
    return [number for number in range(len(network.members)) if number != me]


def placed(network: Network, batch: bytes) -> list[int]:
    """Numbers of the members that should hold member 0's batch, the author first."""
    ids = [actor.id for actor in network.members]
    return [ids.index(one) for one in holders(batch, ids[0], sorted(ids), 3)]


def test_lost_container_and_shares_come_back(held: "Held") -> None:
    """A member whose disk was emptied fetches container and shares, and then lacks nothing."""
    network = held.network
    lost = placed(network, held.sealed.batch)[1]
    node = network.node(lost)
    node.vault._holdings.objects.delete(held.sealed.batch.hex())
    node.shares.drop(held.sealed.batch)

    assert ["ContainerLost", "SharesLost"] == [one.name for one in node.vault.verify_all()]
    report = node.vault.repair([network.peer(lost, other) for other in others(network, lost)])
    assert ([held.sealed.batch], [held.sealed.batch], []) == (
        report.fetched,
        report.shares,
        report.missing,
    )
    assert [] == list(node.vault.verify_all())


def test_damage_is_found_by_reading_all(held: "Held") -> None:
    """A flipped byte shows only in a deep repair, which replaces the container."""
    network = held.network
    lost = placed(network, held.sealed.batch)[1]
    vault = network.node(lost).vault
    data = bytearray(held.sealed.container)
    data[-100] ^= 1
    vault._holdings.objects.put(held.sealed.batch.hex(), bytes(data))
    peers = [network.peer(lost, other) for other in others(network, lost)]

    assert [] == vault.repair(peers).fetched
    assert [held.sealed.batch] == vault.repair(peers, deep=True).fetched
    assert held.sealed.container == vault.get(held.sealed.batch)


def test_seat_without_container_fetches_its_shares(held: "Held") -> None:
    """A seat that was down at the write gets its shares later, and need not keep the container."""
    network = held.network
    sealed = network.seal(held.patient, [DAY])
    absent = next(number for number in range(4) if number not in placed(network, sealed.batch))
    network.store(sealed, *others(network, absent))
    node = network.node(absent)
    report = node.vault.repair([network.peer(absent, other) for other in others(network, absent)])

    assert ([], [sealed.batch]) == (report.fetched, report.shares)
    assert [] == list(node.vault.verify_all())


def test_false_copy_is_not_believed(held: "Held", monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that sends another container is named, and the next one is asked."""
    network = held.network
    first, lost, *_ = placed(network, held.sealed.batch)
    other = network.seal(held.patient, [DAY])
    liar = network.members[first].id
    true_way = network.node(first).vault.get
    monkeypatch.setattr(network.node(first).vault, "get", lambda _batch: other.container)
    network.node(lost).vault._holdings.objects.delete(held.sealed.batch.hex())
    peers = [network.peer(lost, number) for number in others(network, lost)]
    report = network.node(lost).vault.repair(peers, deep=True)

    assert held.sealed.container == true_way(held.sealed.batch)
    assert [(liar, held.sealed.batch)] == report.blamed
    assert [held.sealed.batch] == report.fetched


def test_nobody_left_is_told(held: "Held") -> None:
    """Without any sound copy the batch is reported missing."""
    network = held.network
    lost = placed(network, held.sealed.batch)[1]
    network.node(lost).vault._holdings.objects.delete(held.sealed.batch.hex())

    assert [held.sealed.batch] == network.node(lost).vault.repair([], deep=True).missing


def test_whole_fleet_passes_probes(held: "Held") -> None:
    """Members that hold what they gave receipts for answer every probe."""
    network = held.network
    peers = [network.peer(2, other) for other in others(network, 2)]

    assert [] == network.node(2).vault.probe(peers, 100)


def test_member_that_is_down_is_not_blamed(held: "Held") -> None:
    """A probe that nobody answers says nothing about the copy."""
    network = held.network

    def down(_call: bytes) -> bytes:
        return codec.encode(ContainerFound(container=b""))

    assert [] == network.node(2).vault.probe([network.peer(2, 1, down)], 1)
