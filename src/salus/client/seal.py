"""
Seal records into a batch: validated records in, a signed container out (`patient-control.md` §5.2).

    plan         cut a list of records into batches within the limits
    seal_batch   group by tag and slot; two locks a group; one key a record; build, sign

Every batch draws its own id and secrets, and they are never used for another container: a mask
used twice would show what it hides (correction 13). What was refused is sealed anew.
"""

import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from salus.base import codec, shamir
from salus.base.errors import Category, Problem
from salus.base.limits import CONTAINER_BYTES_MAX, CONTAINER_ENTRIES_MAX, CONTAINER_GROUPS_MAX
from salus.base.sealing import SUITE, padme_bytes
from salus.base.signing import SigningKey
from salus.sealed import container, locks
from salus.sealed.checks import SEATS_MAX
from salus.sealed.days import Node
from salus.sealed.items import KIND_RECORDS, Entry, Group, Head, OwnerPacket, SeatPacket
from salus.sealed.locks import SHARE_BYTES, Masks, Place, RecordPlace
from salus.sealed.record import Meta, pack_record

_GROUP_BYTES_MAX = 4_096
"""A group of 16 seats, its owner packet with the longest link, and its part of the seat packets."""

_ENTRY_BYTES_MAX = 256
"""An entry's item and the tag of its blob."""

_PLAIN_HEAD_BYTES = 13
"""Method and lengths before a record's meta and body."""


@dataclass(frozen=True, slots=True)
class RecordToSeal:
    """One record, validated and labelled."""

    tag: bytes
    """16 B; names a `TagToSeal`."""

    slot: Node
    """By `sheet.writer_slot`; for a partial date the block."""

    record: bytes
    """16 B, random; the same for all versions."""

    version: int
    """u32."""

    meta: Meta
    body: bytes
    """The document's exact bytes; ≤ 10 MiB with meta."""

    kind: int = KIND_RECORDS
    """Kind of its group: 0 records, 1 record keys, 3 genome."""


@dataclass(frozen=True, slots=True)
class TagToSeal:
    """What a writer knows of a tag, checked against the tag's state."""

    generation: int
    owner_key: bytes
    """33 B; from the checked sheet."""

    slot_keys: Mapping[Node, bytes]
    """32 B each; of every slot that a record of this tag names."""

    link: bytes
    link_signature: bytes
    """The tag's leave to write, and its signature; 65 B."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who seals."""

    member: bytes
    """16 B."""

    service: SigningKey
    retention_key: bytes
    """32 random bytes that never leave the member."""

    retention_version: int
    """u16 on the ledger, u32 in the head."""


@dataclass(frozen=True, slots=True)
class Seats:
    """The witnesses of the day."""

    version: int
    threshold: int
    """⌊2n/3⌋ + 1."""

    holders: tuple[tuple[int, bytes], ...]
    """(x, sealing key of 33 B); x 1–255, each once."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A batch ready to be stored and committed."""

    container: bytes
    batch: bytes
    root: bytes
    padded_bytes: int
    """The container's size as CommitBatch states it: padded, so that it says less."""

    places: tuple[tuple[int, int], ...]
    """(group, index) of each record, in the order given."""


@dataclass(slots=True)
class _Draft:
    """A group while it is built."""

    place: Place
    kind: int
    records: list[tuple[int, RecordToSeal]]
    """With their positions in the list given."""

    tag: TagToSeal


def plan(records: Sequence[RecordToSeal]) -> list[list[RecordToSeal]]:
    """
    Cut records into lists that each fit one batch, groups kept together where they fit.

    The cut is safe for records that do not compress. It sorts by tag and slot, so that the order
    in which one person's records came does not show.
    """
    batches: list[list[RecordToSeal]] = []
    groups = used_bytes = 0
    for _, members in itertools.groupby(sorted(records, key=_group_of), key=_group_of):
        for part, part_bytes in _parts(members):
            if (
                not batches
                or groups == CONTAINER_GROUPS_MAX
                or len(batches[-1]) + len(part) > CONTAINER_ENTRIES_MAX
                or used_bytes + part_bytes > CONTAINER_BYTES_MAX
            ):
                batches.append([])
                groups = used_bytes = 0
            batches[-1] += part
            groups += 1
            used_bytes += part_bytes
    return batches


def seal_batch(
    records: Sequence[RecordToSeal],
    *,
    chain: bytes,
    author: Author,
    seats: Seats,
    tags: Mapping[bytes, TagToSeal],
) -> Sealed:
    """
    Seal records into one new batch; 200 µs for a group, 50 µs for each record.

    Raises Problem TagNotGiven, SlotKeyNotGiven, RecordTooLarge, SeatsWrong, BatchTooLarge;
    KeyRefused for a key to which one cannot seal.
    """
    if not records or len(records) > CONTAINER_ENTRIES_MAX:
        raise _too_large(f"{len(records)} records", f"1 to {CONTAINER_ENTRIES_MAX}")
    batch = os.urandom(16)
    drafts = _drafts(records, chain, batch, tags)
    if len(drafts) > CONTAINER_GROUPS_MAX:
        raise _too_large(f"{len(drafts)} groups", f"at most {CONTAINER_GROUPS_MAX}")

    group_keys, groups, packets = _lock(drafts, chain, batch, author, seats)
    entries, blobs = _encrypt(drafts, group_keys)
    head = Head(
        v=container.VERSION,
        suite=SUITE,
        chain=chain,
        batch=batch,
        author=author.member,
        retention_version=author.retention_version,
        seats=seats.version,
        threshold=seats.threshold,
        groups=len(groups),
        entries=len(entries),
        blobs_bytes=sum(map(len, blobs)),
    )
    items = [codec.encode(item) for item in (head, *groups, *packets, *entries)]
    root = container.root_of(items)
    signature = author.service.sign(container.bytes_to_sign(chain, root))
    data = container.pack(items, blobs, signature)
    if len(data) > CONTAINER_BYTES_MAX:
        raise _too_large(f"{len(data)} bytes", f"at most {CONTAINER_BYTES_MAX}")
    return Sealed(data, batch, root, padme_bytes(len(data)), _places(drafts, len(records)))


def _parts(group: Iterable[RecordToSeal]) -> Iterator[tuple[list[RecordToSeal], int]]:
    """Cut a group where it would not fit a batch of its own; with a bound of its bytes."""
    part: list[RecordToSeal] = []
    part_bytes = _GROUP_BYTES_MAX
    for record in group:
        plain_bytes = len(codec.encode(record.meta)) + len(record.body)
        record_bytes = padme_bytes(plain_bytes + _PLAIN_HEAD_BYTES) + _ENTRY_BYTES_MAX
        if part and (
            len(part) == CONTAINER_ENTRIES_MAX or part_bytes + record_bytes > CONTAINER_BYTES_MAX
        ):
            yield part, part_bytes
            part, part_bytes = [], _GROUP_BYTES_MAX
        part.append(record)
        part_bytes += record_bytes
    yield part, part_bytes


def _drafts(
    records: Sequence[RecordToSeal], chain: bytes, batch: bytes, tags: Mapping[bytes, TagToSeal]
) -> list[_Draft]:
    """Group the records by kind, tag and slot, in this order; records keep theirs."""
    positions = sorted(range(len(records)), key=lambda at: _group_of(records[at]))
    drafts = []
    for number, ((kind, name, level, index), members) in enumerate(
        itertools.groupby(positions, key=lambda at: _group_of(records[at]))
    ):
        tag = tags.get(name)
        if tag is None:
            raise Problem(Category.NOT_FOUND, "TagNotGiven", "expected the tag of every record")
        if Node(level, index) not in tag.slot_keys:
            raise Problem(
                Category.NOT_FOUND, "SlotKeyNotGiven", "expected the slot key of every record"
            )
        place = Place(chain, batch, number, name, tag.generation, level, index)
        drafts.append(_Draft(place, kind, [(at, records[at]) for at in members], tag))
    return drafts


def _lock(
    drafts: Sequence[_Draft], chain: bytes, batch: bytes, author: Author, seats: Seats
) -> tuple[list[bytes], list[Group], list[OwnerPacket | SeatPacket]]:
    """Draw the secrets; give each group's key and item, and the packets."""
    holders = sorted(seats.holders)
    if len(holders) > SEATS_MAX:
        raise Problem(Category.INVALID, "SeatsWrong", f"expected at most {SEATS_MAX} seats")
    seat_secrets = {x: os.urandom(32) for x, _ in holders}
    owner_secrets = {_owner_of(draft): os.urandom(32) for draft in drafts}
    retention = locks.author_secret(author.retention_key, chain, batch)
    seat_masks = [(x, Masks(secret, batch)) for x, secret in seat_secrets.items()]
    owner_masks = {owner: Masks(secret, batch) for owner, secret in owner_secrets.items()}
    author_mask = Masks(retention, batch)
    network = os.urandom(SHARE_BYTES * len(drafts))
    shares = shamir.split(network, seats.threshold, [x for x, _ in holders])

    keys = []
    groups = []
    for draft in drafts:
        place = draft.place
        number = place.group
        at = slice(number * SHARE_BYTES, (number + 1) * SHARE_BYTES)
        p = os.urandom(32)
        key = locks.group_key(p, network[at], place)
        own = [(x, masks, shares[x][at]) for x, masks in seat_masks]
        slot = Node(place.level, place.index)
        group = Group(
            kind=draft.kind,
            tag=place.tag,
            generation=place.generation,
            level=place.level,
            index=place.index,
            check=locks.check_of(key),
            p=locks.seal_patient_lock(draft.tag.slot_keys[slot], p, place),
            shares=b"".join(masks.apply(share, number) for _, masks, share in own),
            digests=b"".join(locks.share_digest(batch, number, x, share) for x, _, share in own),
            owner=owner_masks[_owner_of(draft)].apply(key, number),
            author=author_mask.apply(key, number),
        )
        keys.append(key)
        groups.append(group)
    owners = _owner_packets(drafts, owner_secrets)
    packets = (
        SeatPacket(x=x, sealed=locks.seal_seat_packet(key, seat_secrets[x], chain, batch, x))
        for x, key in holders
    )
    return keys, groups, [*owners, *packets]


def _owner_packets(
    drafts: Sequence[_Draft], secrets: Mapping[tuple[bytes, int], bytes]
) -> Iterator[OwnerPacket]:
    """One packet for each tag and generation, in their order."""
    firsts = {_owner_of(draft): draft for draft in reversed(drafts)}
    for owner, draft in sorted(firsts.items(), key=lambda item: item[0]):
        tag, generation = owner
        place = draft.place
        yield OwnerPacket(
            tag=tag,
            generation=generation,
            sealed=locks.seal_owner_packet(
                draft.tag.owner_key, secrets[owner], place.chain, place.batch, tag, generation
            ),
            link=draft.tag.link,
            link_signature=draft.tag.link_signature,
        )


def _encrypt(
    drafts: Sequence[_Draft], group_keys: Sequence[bytes]
) -> tuple[list[Entry], list[bytes]]:
    """Encrypt every record by its own key."""
    entries = []
    blobs = []
    offset = 0
    for draft, group_key in zip(drafts, group_keys, strict=True):
        chain, batch, group = draft.place.chain, draft.place.batch, draft.place.group
        for index, (_, record) in enumerate(draft.records):
            meta = codec.encode(record.meta)
            key = locks.record_key(group_key, index)
            place = RecordPlace(group, index, record.record, record.version)
            padded = pack_record(meta, record.body)
            blob = locks.encrypt_record(key, padded, chain, batch, place)
            entry = Entry(
                group=group,
                index=index,
                record=record.record,
                version=record.version,
                offset=offset,
                blob_bytes=len(blob),
                sha256=hashlib.sha256(blob).digest(),
                content=locks.content_of(locks.salt_of(key), meta, record.body),
            )
            entries.append(entry)
            blobs.append(blob)
            offset += len(blob)
    return entries, blobs


def _places(drafts: Sequence[_Draft], count: int) -> tuple[tuple[int, int], ...]:
    places = [(0, 0)] * count
    for draft in drafts:
        for index, (at, _) in enumerate(draft.records):
            places[at] = (draft.place.group, index)
    return tuple(places)


def _owner_of(draft: _Draft) -> tuple[bytes, int]:
    return draft.place.tag, draft.place.generation


def _group_of(record: RecordToSeal) -> tuple[int, bytes, int, int]:
    """Kind, tag, level and index: what a group's records share; groups stand in this order."""
    return record.kind, record.tag, record.slot.level, record.slot.index


def _too_large(found: str, expected: str) -> Problem:
    return Problem(
        Category.TOO_LARGE, "BatchTooLarge", f"{found}; expected {expected}: cut the list by `plan`"
    )
