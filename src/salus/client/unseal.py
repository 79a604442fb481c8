"""
Open a batch: three ways to a group's key, one way from there to its records.

    as reader   t released shares give N, the grant's seeds give P          (two locks)
    as owner    the owner key opens the tag's packet, its mask shows GK     (no witness)
    as author   the retention key's mask shows GK                           (no witness)

Every way is held to the group's `check`, and every record to its `content`. The caller has
compared `container.root` with the ledger: only then are the items the ones that were committed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from salus.base.errors import Category, Problem
from salus.base.sealing import SealingKey
from salus.sealed import locks
from salus.sealed.container import Container
from salus.sealed.days import Node, SlotSecrets, WindowSeeds
from salus.sealed.items import Entry
from salus.sealed.locks import Masks
from salus.sealed.record import Meta, meta_of, unpack_record
from salus.sealed.shares import join_shares


@dataclass(frozen=True, slots=True)
class Record:
    """One opened record."""

    record: bytes
    version: int
    meta: Meta
    body: bytes
    """The document's exact bytes."""

    salt: bytes
    """With meta and body it proves the entry's `content` to anybody; 16 B."""


@dataclass(frozen=True, slots=True)
class GroupOpened:
    """A group whose key is known; its records are opened when asked for."""

    container: Container
    number: int
    key: bytes

    blamed: tuple[int, ...] = ()
    """Seats that sent something else than their share; empty for owner and author."""

    def records(self) -> Iterator[Record]:
        """Open all records present, by index; raises as `open_record`."""
        for entry in self.container.entries_of(self.number):
            yield self.open(entry)

    def open(self, entry: Entry) -> Record:
        """Open one record of this group; raises as `open_record`."""
        return open_record(self.container, entry, locks.record_key(self.key, entry.index))


class SlotKeys:
    """The slot keys that a grant's seeds give; each is derived once, when first needed."""

    def __init__(self, seeds: Mapping[tuple[bytes, int], WindowSeeds]) -> None:
        """`seeds`: by (tag, generation)."""
        self._secrets = {place: SlotSecrets(each) for place, each in seeds.items()}
        self._keys: dict[tuple[bytes, int, Node], SealingKey] = {}

    def key(self, tag: bytes, generation: int, slot: Node) -> SealingKey:
        """The key of one slot; raises Problem TagNotCovered, SlotNotCovered."""
        place = (tag, generation, slot)
        if place not in self._keys:
            secrets = self._secrets.get((tag, generation))
            if secrets is None:
                raise Problem(
                    Category.FORBIDDEN,
                    "TagNotCovered",
                    "no seeds for this tag and generation; ask the patient for a new package",
                )
            self._keys[place] = SealingKey(secrets.secret(slot))
        return self._keys[place]


def open_as_reader(
    container: Container, number: int, *, shares: Mapping[int, bytes], keys: SlotKeys
) -> GroupOpened:
    """
    Open a group by both locks; `shares`: seat number -> released share.

    Raises Problem GroupUnknown, GroupBlanked, TooFewShares, TagNotCovered, SlotNotCovered,
    SealNotYours, LocksDiffer.
    """
    group = container.group(number)
    place = container.place(number)
    joined = join_shares(container, number, shares)
    slot_key = keys.key(group.tag, group.generation, group.slot)
    p = locks.open_patient_lock(slot_key, group.p, place)
    key = locks.checked(locks.group_key(p, joined.n, place), group.check)
    return GroupOpened(container, number, key, joined.blamed)


class Owner:
    """A tag's owner key of one generation at one container: the packet is opened once."""

    def __init__(self, container: Container, tag: bytes, generation: int, key: SealingKey) -> None:
        """Open the tag's packet; raises Problem OwnerPacketUnknown, SealNotYours."""
        head = container.head
        packet = container.owner_packet(tag, generation)
        secret = locks.open_owner_packet(
            key, packet.sealed, head.chain, head.batch, tag, generation
        )
        self._container = container
        self._owned = (tag, generation)
        self._masks = Masks(secret, head.batch)

    def groups(self) -> Iterator[GroupOpened]:
        """Open all groups present of this tag and generation; raises Problem LocksDiffer."""
        for number, group in enumerate(self._container.groups):
            if group and (group.tag, group.generation) == self._owned:
                key = locks.checked(self._masks.apply(group.owner, number), group.check)
                yield GroupOpened(self._container, number, key)


def open_as_author(container: Container, retention_key: bytes) -> Iterator[GroupOpened]:
    """Open all groups present by the key of `head.retention_version`; raises LocksDiffer."""
    head = container.head
    masks = Masks(locks.author_secret(retention_key, head.chain, head.batch), head.batch)
    for number, group in enumerate(container.groups):
        if group:
            key = locks.checked(masks.apply(group.author, number), group.check)
            yield GroupOpened(container, number, key)


def open_record(container: Container, entry: Entry, record_key: bytes) -> Record:
    """
    Open one record by its own key, as a share of exactly this record gives it.

    Raises Problem RecordAltered (the blob, or the commitment differs), RecordMalformed.
    """
    head = container.head
    blob = container.blobs[entry.group, entry.index]
    padded = locks.decrypt_record(record_key, blob, head.chain, head.batch, entry.place)
    meta, body = unpack_record(padded)
    salt = locks.salt_of(record_key)
    if locks.content_of(salt, meta, body) != entry.content:
        raise Problem(
            Category.UNVERIFIED,
            "RecordAltered",
            "the record is not the one its commitment names; report the batch's author",
        )
    return Record(entry.record, entry.version, meta_of(meta), body, salt)
