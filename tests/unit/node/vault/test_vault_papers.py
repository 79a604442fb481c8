"""Sheets are kept only while they are the ledger's; packages stand in line for their readers."""

import os
from typing import TYPE_CHECKING

import pytest

from salus.base.errors import Problem
from salus.modules.consent import queries as consent
from salus.node.vault.messages import PackagePut, SheetAsked, SlotAsked
from salus.sealed.days import day_slot
from salus.sealed.sheet import check_extract
from tests.support.network import DAY, HOUR_MS

if TYPE_CHECKING:
    from tests.unit.node.vault.conftest import Held


def test_sheet_and_one_key_of_it(held: "Held") -> None:
    """A writer gets the whole sheet, or one slot's key that leads to the root on the ledger."""
    vault = held.network.node(1).vault
    sheet = held.patient.sheets[3]
    tag = held.patient.tag(3)
    vault.put_sheet(sheet)
    found = vault.sheet(SheetAsked(tag=tag, slot=SlotAsked(level=0, index=DAY)))

    assert sheet == vault.sheet(SheetAsked(tag=tag)).sheet
    assert found.extract is not None
    record = consent.tag(held.network.ledger.view(), tag)
    assert record is not None
    check_extract(
        found.extract,
        day_slot(DAY),
        chain=held.network.ledger.network,
        tag=tag,
        generation=0,
        root=record.sheet_root,
    )


def test_forged_sheet_is_refused(held: "Held") -> None:
    """A sheet of another person's keys under this tag has another root."""
    stranger = held.network.patient((3,)).tags[3]
    forged = stranger.sheet(0, held.patient.sheets[3].first_day)
    own = type(forged)(
        tag=held.patient.tag(3),
        generation=0,
        owner_key=forged.owner_key,
        first_day=forged.first_day,
        keys=forged.keys,
    )
    with pytest.raises(Problem, match="SheetNotCurrent"):
        held.network.node(1).vault.put_sheet(own)


def test_old_sheet_is_not_served(held: "Held") -> None:
    """After a bump the old generation's sheet is gone for writers."""
    vault = held.network.node(1).vault
    vault.put_sheet(held.patient.sheets[3])
    held.network.update_tag(held.patient.tags[3], generation=1, sheet_root=bytes(32), first_day=0)
    with pytest.raises(Problem, match="SheetUnknown"):
        vault.sheet(SheetAsked(tag=held.patient.tag(3)))


def test_package_needs_a_grant_in_force(held: "Held") -> None:
    """No grant on the ledger, no room in the vault."""
    with pytest.raises(Problem, match="GrantNotActive"):
        held.network.node(1).vault.put_package(bytes(16), PackagePut(grant=bytes(16), sealed=b"x"))


def test_packages_stand_in_line(held: "Held") -> None:
    """A gateway sees each new package once, in order, whoever's it is."""
    network = held.network
    vault = network.node(1).vault
    grants = [network.grant(held.patient, 1).grant for _ in range(3)]
    for grant in grants:
        vault.put_package(network.members[0].id, PackagePut(grant=grant, sealed=grant))
    found = vault.packages_after(0).packages[-3:]

    assert grants == [one.grant for one in found]
    assert grants[1:] == [one.grant for one in vault.packages_after(found[0].number).packages]
    assert [grants[1]] == [one.sealed for one in vault.packages_of(grants[1]).packages]


def test_same_package_again_is_one(held: "Held") -> None:
    """A relay that sends twice leaves one package."""
    network = held.network
    vault = network.node(1).vault
    grant = network.grant(held.patient, 1).grant
    for _ in range(2):
        vault.put_package(network.members[0].id, PackagePut(grant=grant, sealed=b"p"))

    assert 1 == len(vault.packages_of(grant).packages)


def test_rubbish_of_one_member_keeps_nobody_out(held: "Held") -> None:
    """A member that sends more than its 16 places loses its own oldest, and nobody else's."""
    network = held.network
    vault = network.node(1).vault
    grant = network.grant(held.patient, 1).grant
    hostile, relay = network.members[3].id, network.members[0].id
    vault.put_package(relay, PackagePut(grant=grant, sealed=b"true"))
    rubbish = [os.urandom(16) for _ in range(20)]
    for sealed in rubbish:
        vault.put_package(hostile, PackagePut(grant=grant, sealed=sealed))
    kept = [one.sealed for one in vault.packages_of(grant).packages]

    assert b"true" in kept
    assert rubbish[-16:] == [sealed for sealed in kept if sealed in rubbish]


def test_packages_page(held: "Held") -> None:
    """An answer ends before 8 MiB and says that more follows."""
    network = held.network
    vault = network.node(1).vault
    before = max((one.number for one in vault.packages_after(0).packages), default=0)
    grants = [network.grant(held.patient, 1).grant for _ in range(9)]
    size = 64 * 1024 + 48
    for grant in grants:
        for number in range(15):
            sealed = bytes([number]) * size
            vault.put_package(network.members[0].id, PackagePut(grant=grant, sealed=sealed))
    first = vault.packages_after(before)
    second = vault.packages_after(first.packages[-1].number)

    assert (True, False) == (first.more, second.more)
    assert 135 == len(first.packages) + len(second.packages)


def test_packages_go_with_their_grant(held: "Held") -> None:
    """When a grant has ended its packages go."""
    network = held.network
    vault = network.node(1).vault
    grant = network.grant(held.patient, 1).grant
    vault.put_package(network.members[0].id, PackagePut(grant=grant, sealed=b"p"))
    network.wait(25 * HOUR_MS)
    vault.tidy()

    assert [] == vault.packages_of(grant).packages
