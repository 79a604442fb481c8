r"""
The container of a batch: sealed records and all that opens them, in one file under one root.

     0      8 B  "SALUSB1\n"
     8      4 B  M, u32 big-endian
    12      M B  canonical MessagePack array of items
    12 + M       blobs, in the order of their entries
    last   65 B  the author's signature over D("batch") ‖ chain ‖ root

- An item is the `bin` of its own canonical MessagePack, or, blanked, of its 32-byte leaf hash:
  items are longer. The root is that of RFC 6962 over the items, so blanking keeps it.
- Order: head; groups; owner packets by (tag, generation); seat packets by x; entries by (group,
  index). Head and seat packets are never blanked.
- What opens a group lies in its item: blank it and nothing opens.

`patient-control.md` §3.5; the signature by correction 7.
"""

import itertools
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import TypeVar

from salus.base import codec, merkle
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.hashing import domain, u32
from salus.base.limits import CONTAINER_BYTES_MAX, CONTAINER_ENTRIES_MAX, CONTAINER_GROUPS_MAX
from salus.sealed.items import Entry, Group, Head, OwnerPacket, SeatPacket
from salus.sealed.locks import Place

MAGIC = b"SALUSB1\n"
VERSION = 1

SIGNATURE_BYTES = 65
LEAF_BYTES = 32
_ITEMS_AT = 12
_MAP_OF_TWO = b"\x82"
"""First byte of a seat packet's encoding; an owner packet's is a map of five."""

T = TypeVar("T", bound=Struct)


@dataclass(frozen=True, slots=True)
class Container:
    """A parsed container; None stands for a blanked item."""

    head: Head
    groups: tuple[Group | None, ...]
    owner_packets: tuple[OwnerPacket | None, ...]
    seat_packets: tuple[SeatPacket, ...]
    entries: tuple[Entry | None, ...]

    blobs: dict[tuple[int, int], memoryview]
    """By (group, index), of the entries present."""

    items: list[bytes]
    """As they stand in the file."""

    root: bytes
    signature: bytes
    _entries_by_group: dict[int, list[Entry]] = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether no item is blanked: only such a container is accepted for a commit."""
        return all(len(item) != LEAF_BYTES for item in self.items)

    @property
    def seats(self) -> tuple[int, ...]:
        """The seat numbers, ascending; shares and digests stand in this order."""
        return tuple(packet.x for packet in self.seat_packets)

    def group(self, number: int) -> Group:
        """One group; raises Problem GroupUnknown, GroupBlanked."""
        if not 0 <= number < len(self.groups):
            raise Problem(Category.NOT_FOUND, "GroupUnknown", "the batch has no such group")
        group = self.groups[number]
        if group is None:
            raise Problem(
                Category.GONE, "GroupBlanked", "the group was erased, or not served to this reader"
            )
        return group

    def place(self, number: int) -> Place:
        """The place to which a group's locks are bound; raises as `group`."""
        group = self.group(number)
        head = self.head
        return Place(
            head.chain, head.batch, number, group.tag, group.generation, group.level, group.index
        )

    def entries_of(self, number: int) -> Sequence[Entry]:
        """The entries of one group that are present, by index."""
        return self._entries_by_group.get(number, ())

    def owner_packet(self, tag: bytes, generation: int) -> OwnerPacket:
        """The packet of one tag's generation; raises Problem OwnerPacketUnknown."""
        for packet in self.owner_packets:
            if packet and packet.tag == tag and packet.generation == generation:
                return packet
        raise Problem(
            Category.NOT_FOUND, "OwnerPacketUnknown", "the container has no packet for this tag"
        )


def parse(data: bytes) -> Container:
    """
    Parse a container, whole or pruned; complexity O(bytes).

    Raises Problem (code V1) BatchTooLarge, BatchMalformed; (V2) SuiteUnknown. Widths and contents
    are the business of `checks`.
    """
    if len(data) > CONTAINER_BYTES_MAX:
        raise _too_large(f"{len(data)} bytes", f"{CONTAINER_BYTES_MAX}")
    items, blobs_at = _items(data)
    head = _head(items[0])
    if 1 + head.groups + head.entries > len(items):
        raise _malformed("as many items as the head counts")
    owners, seats = _packets(items[1 + head.groups : len(items) - head.entries], head.groups)
    entries = tuple(_item(item, Entry) for item in items[len(items) - head.entries :])
    ends = _check_entries(head, entries)
    if len(data) != blobs_at + ends + SIGNATURE_BYTES:
        raise _malformed("blobs and a signature of 65 bytes, and nothing else, behind the items")
    by_group: dict[int, list[Entry]] = {}
    for entry in filter(None, entries):
        by_group.setdefault(entry.group, []).append(entry)
    return Container(
        head=head,
        groups=tuple(_item(item, Group) for item in items[1 : 1 + head.groups]),
        owner_packets=owners,
        seat_packets=seats,
        entries=entries,
        blobs=_blobs(memoryview(data), blobs_at, entries),
        items=items,
        root=root_of(items),
        signature=data[-SIGNATURE_BYTES:],
        _entries_by_group=by_group,
    )


def pack(items: Sequence[bytes], blobs: Iterable[bytes | memoryview], signature: bytes) -> bytes:
    """Lay a container out from its items (encoded or blanked), its blobs and the signature."""
    array = codec.encode(items)
    return b"".join([MAGIC, u32(len(array)), array, *blobs, signature])


def prune(container: Container, keep: AbstractSet[int]) -> bytes:
    """
    Blank all groups but those kept, with their entries, blobs and needless owner packets.

    A holder serves a reader this form, and keeps it after an erasure; root and signature stand.
    """
    groups = container.groups
    tags = {(group.tag, group.generation) for n, group in enumerate(groups) if group and n in keep}
    kept = itertools.chain(
        [True],
        (number in keep for number in range(len(groups))),
        (packet and (packet.tag, packet.generation) in tags for packet in container.owner_packets),
        (True for _ in container.seat_packets),
        (entry and entry.group in keep for entry in container.entries),
    )
    items = [
        item if stays else _leaf(item) for item, stays in zip(container.items, kept, strict=True)
    ]
    blobs = (blob for (group, _), blob in container.blobs.items() if group in keep)
    return pack(items, blobs, container.signature)


def root_of(items: Iterable[bytes]) -> bytes:
    """Root over items, blanked or not; 32 B."""
    return merkle.root_of_hashes([_leaf(item) for item in items])


def bytes_to_sign(chain: bytes, root: bytes) -> bytes:
    """What the author's service key signs; without it another could commit the batch as its own."""
    return domain("batch") + chain + root


def _leaf(item: bytes) -> bytes:
    return item if len(item) == LEAF_BYTES else merkle.leaf_hash(item)


def _items(data: bytes) -> tuple[list[bytes], int]:
    """The items, and where the blobs begin."""
    blobs_at = _ITEMS_AT + int.from_bytes(data[8:12], "big")
    if not data.startswith(MAGIC) or blobs_at > len(data):
        raise _malformed('"SALUSB1\\n" and the length of the items')
    try:
        items: list[bytes] = codec.decode(data[_ITEMS_AT:blobs_at], list[bytes])
    except codec.Malformed:
        raise _malformed("a canonical array of byte strings") from None
    if not items:
        raise _malformed("a head")
    return items, blobs_at


def _head(item: bytes) -> Head:
    head = _item(item, Head)
    if head is None or head.v != VERSION:
        raise _malformed("a head of version 1")
    if head.suite != 1:
        raise Problem(
            Category.UNSUPPORTED,
            "SuiteUnknown",
            f"suite {head.suite}; expected 1: seal again, or update this node",
            code="V2",
        )
    if head.groups > CONTAINER_GROUPS_MAX or head.entries > CONTAINER_ENTRIES_MAX:
        raise _too_large(
            f"{head.groups} groups and {head.entries} entries",
            f"{CONTAINER_GROUPS_MAX} and {CONTAINER_ENTRIES_MAX}",
        )
    return head


def _packets(
    items: Sequence[bytes], groups: int
) -> tuple[tuple[OwnerPacket | None, ...], tuple[SeatPacket, ...]]:
    """Owner packets, then seat packets, each in strictly ascending order."""
    count = len(items)
    seats_at = next((at for at in range(count) if _is_seat_packet(items[at])), count)
    if seats_at > groups:
        raise _malformed("no more owner packets than groups")
    owners = tuple(_item(item, OwnerPacket) for item in items[:seats_at])
    seats = tuple(packet for item in items[seats_at:] if (packet := _item(item, SeatPacket)))
    if len(seats) != count - seats_at:
        raise _malformed("seat packets that are not blanked")
    tags = [(packet.tag, packet.generation) for packet in owners if packet]
    numbers = [packet.x for packet in seats]
    if tags != sorted(set(tags)) or numbers != sorted(set(numbers)):
        raise _malformed("owner packets by tag and generation, seat packets by x, each once")
    return owners, seats


def _is_seat_packet(item: bytes) -> bool:
    return len(item) != LEAF_BYTES and item[:1] == _MAP_OF_TWO


def _check_entries(head: Head, entries: Sequence[Entry | None]) -> int:
    """Check order and offsets; give the bytes of the blobs present."""
    present = 0
    end = 0
    gap = False
    last = (-1, 0)
    for entry in entries:
        if entry is None:
            gap = True
            continue
        place = (entry.group, entry.index)
        in_order = last < place and entry.group < head.groups
        # A blob follows the last one at once, unless blanked entries lie between.
        if not in_order or entry.offset < end or (entry.offset > end and not gap):
            raise _malformed("entries by group and index, their blobs end to end")
        last, end, gap = place, entry.offset + entry.blob_bytes, False
        present += entry.blob_bytes
    if end > head.blobs_bytes or (end < head.blobs_bytes and not gap):
        raise _malformed("blobs of the length the head states")
    return present


def _blobs(
    data: memoryview, at: int, entries: Sequence[Entry | None]
) -> dict[tuple[int, int], memoryview]:
    blobs = {}
    for entry in filter(None, entries):
        blobs[entry.group, entry.index] = data[at : at + entry.blob_bytes]
        at += entry.blob_bytes
    return blobs


def _item(item: bytes, kind: type[T]) -> T | None:
    """Decode an item; None if it is blanked."""
    if len(item) == LEAF_BYTES:
        return None
    try:
        return codec.decode(item, kind)
    except codec.Malformed:
        raise _malformed(f"a canonical {kind.__name__} in its place") from None


def _malformed(expected: str) -> Problem:
    return Problem(
        Category.MALFORMED,
        "BatchMalformed",
        f"this is no container: expected {expected}; build it again",
        code="V1",
    )


def _too_large(found: str, most: str) -> Problem:
    return Problem(
        Category.TOO_LARGE,
        "BatchTooLarge",
        f"{found}; expected at most {most}: cut the records into more batches",
        code="V1",
    )
