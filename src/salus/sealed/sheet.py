"""
A tag's sheet: 512 public slot keys that writers lock to (`patient-control.md` §3.3).

- Leaf i < 256 is block i; leaf 256 + j is day `first_day` + j.
- The tag's state holds only the sheet's root; a writer fetches one key with its path and checks
  it against its own node's state, so a holder of sheets cannot slip in a key of its own.
- A writer takes the day's key if the sheet has it, else the block's: it waits for nobody.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from salus.base import merkle
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.hashing import domain_hash, sha256, u16, u32
from salus.base.sealing import bare_public
from salus.base.types import U16, U32, Hash32, PublicKey, Tag
from salus.sealed.days import (
    BLOCK_LEVEL,
    DAY_MAX,
    ROOT_LEVEL,
    Node,
    block_slot,
    day_slot,
    descendants,
    slot_secret,
)

BLOCKS = 256
"""Block keys on a sheet: all there are."""

DAYS = 256
"""Day keys on a sheet, from `first_day` on."""

KEY_BYTES = 32
PATH_HASHES = 9
"""⌈log2 512⌉."""

SheetKeys = Annotated[bytes, msgspec.Meta(min_length=16_384, max_length=16_384)]
"""512 keys of 32 B."""

SheetPath = Annotated[bytes, msgspec.Meta(min_length=288, max_length=288)]
"""9 hashes of 32 B, deepest sibling first."""


class Sheet(Struct, frozen=True):
    """The public keys of one generation of one tag, as every vault keeps them."""

    tag: Tag
    generation: U32

    owner_key: PublicKey
    """Seal key of algorithm 1; receives owner wraps and notices."""

    first_day: U16
    """Day of leaf 256."""

    keys: SheetKeys


class SheetExtract(Struct, frozen=True):
    """One slot's key with its path to the sheet's root: what a writer fetches."""

    owner_key: PublicKey
    first_day: U16

    key: Hash32
    """The slot's public key."""

    path: SheetPath


def make_sheet(
    generation_root: bytes, tag: bytes, generation: int, owner_key: bytes, first_day: int
) -> Sheet:
    """
    Make the sheet of a generation from its root seed; 20 ms.

    Raises Problem WindowWrong: the calendar has no 256 days from `first_day` on.
    """
    if not 0 <= first_day <= DAY_MAX + 1 - DAYS:
        raise Problem(Category.INVALID, "WindowWrong", "expected a first day up to 65,280")
    keys = (bare_public(slot_secret(seed)) for seed in _seeds(generation_root, first_day))
    return Sheet(
        tag=tag,
        generation=generation,
        owner_key=owner_key,
        first_day=first_day,
        keys=b"".join(keys),
    )


def first_day_of(today: int) -> int:
    """Day with which a sheet made today begins: ⌊today / 64⌋·64 − 64, kept inside the calendar."""
    return min(max(today // 64 * 64 - 64, 0), DAY_MAX + 1 - DAYS)


def writer_slot(first_day: int, day: int) -> Node:
    """The slot a writer locks to: the day if the sheet has it, else its block."""
    return day_slot(day) if first_day <= day < first_day + DAYS else block_slot(day)


def sheet_root(sheet: Sheet, chain: bytes) -> bytes:
    """Root of a sheet as the tag's state holds it; 32 B."""
    keys_root = merkle.root(_keys(sheet))
    return _root(chain, sheet.tag, sheet.generation, sheet.first_day, sheet.owner_key, keys_root)


def extract(sheet: Sheet, slot: Node) -> SheetExtract:
    """
    One slot's key with its path; 1 ms.

    Raises Problem SlotNotOnSheet.
    """
    leaf = _leaf(slot, sheet.first_day)
    keys = _keys(sheet)
    hashes = [merkle.leaf_hash(key) for key in keys]
    path = b"".join(merkle.path_of_hashes(hashes, leaf))
    return SheetExtract(
        owner_key=sheet.owner_key, first_day=sheet.first_day, key=keys[leaf], path=path
    )


def check_extract(
    found: SheetExtract, slot: Node, *, chain: bytes, tag: bytes, generation: int, root: bytes
) -> None:
    """
    Check a slot's key against the sheet root of the tag's state.

    Raises Problem SlotNotOnSheet, SheetForged: the path leads to another root.
    """
    leaf = merkle.leaf_hash(found.key)
    path = _chunks(found.path)
    keys_root = merkle.root_from_path(leaf, _leaf(slot, found.first_day), BLOCKS + DAYS, path)
    if _root(chain, tag, generation, found.first_day, found.owner_key, keys_root) != root:
        raise Problem(
            Category.UNVERIFIED,
            "SheetForged",
            "the key does not belong to the sheet of the tag's state; ask another holder",
        )


def _seeds(generation_root: bytes, first_day: int) -> Iterator[bytes]:
    """Seeds of the sheet's slots in leaf order."""
    blocks = descendants(generation_root, ROOT_LEVEL - BLOCK_LEVEL)
    yield from blocks
    first_block = first_day >> BLOCK_LEVEL
    touched = blocks[first_block : first_block + 2]
    days = [seed for block in touched for seed in descendants(block, BLOCK_LEVEL)]
    offset = first_day - (first_block << BLOCK_LEVEL)
    yield from days[offset : offset + DAYS]


def _leaf(slot: Node, first_day: int) -> int:
    if slot.level == BLOCK_LEVEL and 0 <= slot.index < BLOCKS:
        return slot.index
    if slot.level == 0 and first_day <= slot.index < first_day + DAYS:
        return BLOCKS + slot.index - first_day
    raise Problem(
        Category.NOT_FOUND, "SlotNotOnSheet", "the sheet has no key of this slot; take its block"
    )


def _root(
    chain: bytes, tag: bytes, generation: int, first_day: int, owner_key: bytes, keys_root: bytes
) -> bytes:
    head = chain + tag + u32(generation) + u16(first_day)
    return domain_hash("sheet", head, sha256(owner_key), keys_root)


def _keys(sheet: Sheet) -> list[bytes]:
    return _chunks(sheet.keys)


def _chunks(data: bytes) -> list[bytes]:
    return [data[at : at + KEY_BYTES] for at in range(0, len(data), KEY_BYTES)]
