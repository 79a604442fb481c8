"""Sealing: every way in opens the same records, within the limits, under one signed root."""

import dataclasses
import itertools
import os
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.base import codec
from salus.base.errors import Problem
from salus.base.limits import CONTAINER_BYTES_MAX, CONTAINER_ENTRIES_MAX
from salus.base.sealing import padme_bytes
from salus.base.signing import KeyRefused
from salus.client.seal import RecordToSeal, Seats, plan, seal_batch
from salus.client.unseal import Owner, Record, open_as_author, open_as_reader, open_record
from salus.sealed import checks, container, locks
from salus.sealed.days import Node, block_slot, day_slot
from salus.sealed.shares import shares_of
from tests.unit.sealed.world import (
    AUTHOR,
    CHAIN,
    DAY,
    HOLDERS,
    LABS,
    NOTES,
    SEATS,
    batch,
    reader_keys,
    record,
    released,
    sealed,
    tag_to_seal,
)

SLOTS = st.sampled_from([day_slot(DAY), day_slot(DAY + 1), block_slot(DAY)])


@st.composite
def lists_of_records(draw: st.DrawFn) -> list[RecordToSeal]:
    """Some records of two compartments, three slots."""
    count = draw(st.integers(1, 12))
    return [
        dataclasses.replace(
            record(draw(st.sampled_from([LABS, NOTES])), DAY, number, slot=draw(SLOTS)),
            body=draw(st.binary(max_size=800)),
        )
        for number in range(count)
    ]


def by_id(records: Sequence[Record] | Sequence[RecordToSeal]) -> dict[bytes, bytes]:
    """Bodies by record id."""
    return {each.record: each.body for each in records}


@given(lists_of_records())
@settings(max_examples=25, deadline=None)
def test_every_way_in_opens_the_same(records: list[RecordToSeal]) -> None:
    """Reader, owner and author open every record; the members' checks pass; V13 at every seat."""
    made = sealed(records)
    parsed = container.parse(made.container)
    checks.check_complete(parsed)
    checks.check_author(parsed, AUTHOR.service.public)
    checks.check_blobs(parsed)
    checks.check_form(parsed)
    numbers = range(len(parsed.groups))
    shares = {x: shares_of(parsed, x, key) for x, key in HOLDERS.items()}
    keys = reader_keys(DAY, DAY + 1)
    of_reader = [
        each
        for number in numbers
        for each in open_as_reader(
            parsed, number, shares={x: shares[x][number] for x in (2, 5, 255)}, keys=keys
        ).records()
    ]
    of_author = [
        each for group in open_as_author(parsed, AUTHOR.retention_key) for each in group.records()
    ]
    of_owner = [
        each
        for compartment in (LABS, NOTES)
        if any(group and group.tag == compartment.tag for group in parsed.groups)
        for group in Owner(parsed, compartment.tag, 0, compartment.owner(0)).groups()
        for each in group.records()
    ]

    assert by_id(records) == by_id(of_reader) == by_id(of_owner) == by_id(of_author)
    assert records[0].meta in [each.meta for each in of_reader]


def test_groups_are_one_tag_and_slot() -> None:
    """Records share a group just if they share tag and slot; places are told in the given order."""
    records = [
        record(LABS, DAY, 0), record(NOTES, DAY, 1), record(LABS, DAY, 2),
        record(LABS, DAY, 3, slot=block_slot(DAY)),
    ]  # fmt: skip
    made = sealed(records)
    parsed = container.parse(made.container)
    groups = [parsed.group(group) for group, _ in made.places]

    assert [(each.tag, each.slot) for each in records] == [(each.tag, each.slot) for each in groups]
    assert made.places[0][0] == made.places[2][0]
    assert (0, 1) == (made.places[0][1], made.places[2][1])
    for each, (group, index) in zip(records, made.places, strict=True):
        assert each.record == parsed.entries_of(group)[index].record


def test_the_head_says_what_was_given() -> None:
    """Author, versions, threshold and counts stand in the head; the size told is padded."""
    made = sealed([record()])
    parsed = container.parse(made.container)
    head = parsed.head

    assert (CHAIN, made.batch, AUTHOR.member) == (head.chain, head.batch, head.author)
    assert (7, 3, 3, 1, 1) == (
        head.retention_version, head.seats, head.threshold, head.groups, head.entries
    )  # fmt: skip
    assert tuple(HOLDERS) == parsed.seats
    assert padme_bytes(len(made.container)) == made.padded_bytes
    assert b"a link" == parsed.owner_packet(LABS.tag, 0).link


def test_two_batches_share_no_secret() -> None:
    """The same records sealed twice have another id, root, locks, shares and blobs."""
    first, second = batch([record()]), batch([record()])
    one, other = first.group(0), second.group(0)

    assert first.head.batch != second.head.batch
    assert first.root != second.root
    assert bytes(first.blobs[0, 0]) != bytes(second.blobs[0, 0])
    for field in ("check", "p", "shares", "digests", "owner", "author"):
        assert getattr(one, field) != getattr(other, field)


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (3, 3), (5, 7), (11, 16)])
def test_networks_of_other_sizes(threshold: int, count: int) -> None:
    """1 of 1, 3 of 3, 5 of 7 and 11 of 16 seats open."""
    holder = HOLDERS[1]
    seats = Seats(1, threshold, tuple((x, holder.public) for x in range(1, count + 1)))
    parsed = batch([record()], seats)
    checks.check_form(parsed)
    shares = {x: shares_of(parsed, x, holder)[0] for x in range(1, threshold + 1)}
    opened = open_as_reader(parsed, 0, shares=shares, keys=reader_keys())

    assert record().body == next(opened.records()).body


def test_seats_may_come_in_any_order() -> None:
    """Shares stand by seat number, however the list was given."""
    seats = Seats(3, 3, tuple(reversed(SEATS.holders)))
    parsed = batch([record()], seats)

    assert tuple(HOLDERS) == parsed.seats
    assert 4 == len({shares_of(parsed, x, key)[0] for x, key in HOLDERS.items()})


def test_one_record_key_opens_one_record() -> None:
    """A share of exactly one record opens that record, and not its neighbour."""
    made = sealed([record(number=0), record(number=1)])
    parsed = container.parse(made.container)
    (opened,) = open_as_author(parsed, AUTHOR.retention_key)
    first, second = parsed.entries_of(0)
    key = locks.record_key(opened.key, 0)
    shown = open_record(parsed, first, key)

    assert record(number=0).body == shown.body
    with pytest.raises(Problem, match="RecordAltered"):
        open_record(parsed, second, key)


def test_content_proves_a_record_without_a_key() -> None:
    """Salt, meta and body give the entry's commitment, so one record can be shown to anybody."""
    parsed = batch([record()])
    (opened,) = open_as_author(parsed, AUTHOR.retention_key)
    shown = next(opened.records())
    (entry,) = parsed.entries_of(0)

    assert entry.content == locks.content_of(shown.salt, codec.encode(shown.meta), shown.body)


NOT_SEALED = {
    "an unknown tag": ("TagNotGiven", [dataclasses.replace(record(), tag=bytes(16))], SEATS),
    "no records": ("BatchTooLarge", [], SEATS),
    "too many records": ("BatchTooLarge", [record()] * (CONTAINER_ENTRIES_MAX + 1), SEATS),
    "a threshold above the seats": ("SeatsWrong", [record()], Seats(1, 5, SEATS.holders)),
    "a seat twice": ("SeatsWrong", [record()], Seats(1, 1, (SEATS.holders[0],) * 2)),
    "17 seats": ("SeatsWrong", [record()], Seats(1, 1, tuple((x, b"") for x in range(1, 18)))),
    "seat 0": ("SeatsWrong", [record()], Seats(1, 1, ((0, HOLDERS[1].public),))),
}


@pytest.mark.parametrize(("name", "records", "seats"), NOT_SEALED.values(), ids=NOT_SEALED.keys())
def test_what_cannot_be_sealed_is_named(
    name: str, records: list[RecordToSeal], seats: Seats
) -> None:
    """Bad input gets its one answer, before anything leaves."""
    with pytest.raises(Problem, match=name):
        sealed(records, seats)


def test_a_slot_without_key_is_named() -> None:
    """The writer must have fetched and checked the key of every slot."""
    tags = {LABS.tag: tag_to_seal(LABS, [day_slot(DAY + 1)])}
    with pytest.raises(Problem, match="SlotKeyNotGiven"):
        seal_batch([record()], chain=CHAIN, author=AUTHOR, seats=SEATS, tags=tags)


def test_a_bad_slot_key_is_refused() -> None:
    """A key of small order would open to everybody."""
    tag = dataclasses.replace(tag_to_seal(LABS, []), slot_keys={day_slot(DAY): bytes(32)})
    with pytest.raises(KeyRefused):
        seal_batch([record()], chain=CHAIN, author=AUTHOR, seats=SEATS, tags={LABS.tag: tag})


def test_too_many_groups_are_named() -> None:
    """1,025 slots do not fit a batch; the plan cuts them."""
    records = [record(day=day) for day in range(1_025)]
    tag = dataclasses.replace(
        tag_to_seal(LABS, []), slot_keys={each.slot: bytes(32) for each in records}
    )
    with pytest.raises(Problem, match="BatchTooLarge"):
        seal_batch(records, chain=CHAIN, author=AUTHOR, seats=SEATS, tags={LABS.tag: tag})

    assert [1_024, 1] == [len(each) for each in plan(records)]


def slots_of(records: Sequence[RecordToSeal]) -> set[tuple[bytes, Node]]:
    """The groups that records make."""
    return {(each.tag, each.slot) for each in records}


def test_plan_keeps_every_record_within_the_limits() -> None:
    """9,000 records of 2,600 groups: no batch above 4,096 records or 1,024 groups; none lost."""
    records = [record(LABS, number % 2_600, number) for number in range(9_000)]
    batches = plan(records)

    assert sorted(each.record for each in records) == sorted(
        each.record for each in itertools.chain(*batches)
    )
    assert all(len(each) <= CONTAINER_ENTRIES_MAX for each in batches)
    assert all(len(slots_of(each)) <= 1_024 for each in batches)
    assert 3 == len(batches)


def test_plan_cuts_by_bytes() -> None:
    """Records that do not compress still make containers below 32 MiB."""
    body = bytes(9_000_000)
    records = [dataclasses.replace(record(number=number), body=body) for number in range(7)]

    assert [3, 3, 1] == [len(each) for each in plan(records)]


def test_a_planned_batch_seals() -> None:
    """What the plan says fits does fit, even incompressible."""
    bodies = [os.urandom(9_000_000) for _ in range(4)]
    records = [
        dataclasses.replace(record(number=number), body=body) for number, body in enumerate(bodies)
    ]
    first, second = plan(records)

    assert (3, 1) == (len(first), len(second))
    assert len(sealed(first).container) <= CONTAINER_BYTES_MAX
    with pytest.raises(Problem, match="BatchTooLarge"):
        sealed(records)


def test_plan_of_nothing_is_nothing() -> None:
    """No records, no batches."""
    assert [] == plan([])


def test_released_shares_are_enough() -> None:
    """The helper that stands for seats opens a group, so that the attacks start from what works."""
    parsed = batch([record()])
    opened = open_as_reader(parsed, 0, shares=released(parsed, 0), keys=reader_keys())

    assert () == opened.blamed
