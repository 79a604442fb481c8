"""
What a row's place in the state tree is, and how a proof of that place is written and checked.

The tree is a compact sparse Merkle tree (`ledger.md` §3.3; after Dahlberg, Pulls, Peeters 2016).
One-byte tags keep its four kinds of hash apart:

    path = SHA-256(12 ‖ state key)                  leaf = SHA-256(10 ‖ path ‖ SHA-256(13 ‖ value))
    node = SHA-256(11 ‖ left ‖ right)               empty = 32 zero bytes

A subtree without rows is `empty`; with one row it *is* that leaf; with more it is a node, split by
the path's next bit, most significant first. So the root depends on content alone, and absence
shows as a path that ends at `empty` or at another row's leaf.
"""

import dataclasses
import enum
from collections.abc import Sequence
from hashlib import sha256

from salus.base.errors import Category, Problem

EMPTY = bytes(32)
"""The hash of a subtree without rows."""

LEAF_TAG, NODE_TAG, PATH_TAG, VALUE_TAG = b"\x10", b"\x11", b"\x12", b"\x13"
"""What stands before the bytes of each kind of hash."""

PATH_BITS = 256
"""Bits of a path, hence the deepest a row can stand."""

_VERSION = 1
_HEAD_BYTES = 4
_HASH_BYTES = 32


class Kind(enum.IntEnum):
    """How a path ends."""

    PRESENT = 0
    """At the row's own leaf."""

    EMPTY = 1
    """At a subtree without rows."""

    OTHER_LEAF = 2
    """At the leaf of another row, which is alone below that place."""


class Reason(enum.Enum):
    """The check at which a proof was refused, in the order they are made."""

    TRUNCATED = "ends before its own fields do"
    VERSION_UNKNOWN = "has another first byte than 01"
    KIND_UNKNOWN = "has a kind other than 0, 1, 2"
    TOO_LONG = "claims more than 256 levels"
    STRAY_BITS = "has bits set in its mask below the last level"
    ZERO_SIBLING = "lists an empty sibling as if it were not"
    EMPTY_DEEPEST = "has an empty deepest sibling"
    LEFT_OVER = "has bytes left over"
    WRONG_KIND = "shows presence where absence is claimed, or the reverse"
    SAME_PATH = "names the row itself as the other leaf"
    OTHER_PREFIX = "names another leaf that is not on the row's path"
    ROOT_DIFFERS = "leads to another root"


class ProofRefused(Problem):
    """A state proof does not show what it is said to show; `reason` tells the check."""

    def __init__(self, reason: Reason) -> None:
        """Refuse for that reason."""
        text = f"the state proof {reason.value}; ask for a new one, or ask another node"
        super().__init__(Category.UNVERIFIED, "ProofRefused", text, check=reason.name)
        self.reason = reason


def verify_present(root: bytes, state_key: bytes, value: bytes, proof: bytes) -> None:
    """
    Check that the row `state_key` -> `value` stands in the state with that root; O(levels).

    `root`: 32 B, from a verified block entry or app hash. Raises ProofRefused.
    """
    decoded = Proof.decode(proof)
    _check(decoded.kind is Kind.PRESENT, Reason.WRONG_KIND)
    path = path_of(state_key)
    _check_root(root, path, leaf_of(path, value_hash_of(value)), decoded.siblings)


def verify_absent(root: bytes, state_key: bytes, proof: bytes) -> None:
    """
    Check that no row `state_key` stands in the state with that root; O(levels).

    `root`: 32 B, from a verified block entry or app hash. Raises ProofRefused.
    """
    decoded = Proof.decode(proof)
    _check(decoded.kind is not Kind.PRESENT, Reason.WRONG_KIND)
    path = path_of(state_key)
    end = EMPTY
    if decoded.other is not None:
        other_path, other_value_hash = decoded.other
        _check(other_path != path, Reason.SAME_PATH)
        shared_bits = PATH_BITS - (_bits(other_path) ^ _bits(path)).bit_length()
        _check(shared_bits >= len(decoded.siblings), Reason.OTHER_PREFIX)
        end = leaf_of(other_path, other_value_hash)
    _check_root(root, path, end, decoded.siblings)


def path_of(state_key: bytes) -> bytes:
    """Where the row stands: 32 B, read bit by bit from the root, most significant first."""
    return sha256(PATH_TAG + state_key).digest()


def value_hash_of(value: bytes) -> bytes:
    """The hash by which a leaf commits to its row's value; 32 B."""
    return sha256(VALUE_TAG + value).digest()


def leaf_of(path: bytes, value_hash: bytes) -> bytes:
    """The hash of a subtree with this one row; 32 B."""
    return sha256(LEAF_TAG + path + value_hash).digest()


def node_of(left: bytes, right: bytes) -> bytes:
    """The hash of a subtree with two or more rows; 32 B."""
    return sha256(NODE_TAG + left + right).digest()


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """
    The siblings along a path, and how the path ends.

    Bytes: `01 ‖ kind u8 ‖ levels u16 ‖ mask, ⌈levels/8⌉ B ‖ siblings that are not empty, 32 B each,
    root first ‖ for OTHER_LEAF: its path, its value hash`. Level 0 (below the root) is the highest
    bit of the mask's first byte; a set bit means "not empty"; unused low bits are 0.
    """

    kind: Kind
    siblings: Sequence[bytes]
    """One a level, root first; 32 B, `EMPTY` for a sibling without rows; at most 256."""

    other: tuple[bytes, bytes] | None = None
    """Path and value hash of the other row; given for OTHER_LEAF alone."""

    def encode(self) -> bytes:
        """The proof's bytes; at 1 M rows about 650."""
        levels = len(self.siblings)
        mask = 0
        for sibling in self.siblings:
            mask = mask << 1 | (sibling != EMPTY)
        mask_bytes = (levels + 7) // 8
        mask <<= mask_bytes * 8 - levels
        parts = [bytes((_VERSION, self.kind)), levels.to_bytes(2, "big")]
        parts.append(mask.to_bytes(mask_bytes, "big"))
        parts += [sibling for sibling in self.siblings if sibling != EMPTY]
        parts += self.other or ()
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> "Proof":
        """Read a proof's bytes; raises ProofRefused, TRUNCATED to LEFT_OVER, for any other form."""
        _check(len(data) >= _HEAD_BYTES, Reason.TRUNCATED)
        _check(data[0] == _VERSION, Reason.VERSION_UNKNOWN)
        _check(data[1] in set(Kind), Reason.KIND_UNKNOWN)
        kind, levels = Kind(data[1]), int.from_bytes(data[2:4], "big")
        _check(levels <= PATH_BITS, Reason.TOO_LONG)
        rest = _Reader(data, _HEAD_BYTES)
        full = _mask(rest, levels)
        siblings = [rest.take(_HASH_BYTES) if bit else EMPTY for bit in full]
        _check(siblings.count(EMPTY) == full.count(False), Reason.ZERO_SIBLING)
        _check(not siblings or full[-1], Reason.EMPTY_DEEPEST)
        other = None
        if kind is Kind.OTHER_LEAF:
            other = (rest.take(_HASH_BYTES), rest.take(_HASH_BYTES))
        _check(rest.at == len(data), Reason.LEFT_OVER)
        return cls(kind, siblings, other)


class _Reader:
    """Takes field after field from bytes, and notices their end."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def take(self, count: int) -> bytes:
        part = self.data[self.at : self.at + count]
        _check(len(part) == count, Reason.TRUNCATED)
        self.at += count
        return part


def _mask(rest: _Reader, levels: int) -> list[bool]:
    """For each level, root first, whether its sibling is listed."""
    mask_bytes = (levels + 7) // 8
    mask = int.from_bytes(rest.take(mask_bytes), "big")
    unused_bits = mask_bytes * 8 - levels
    _check(mask & ((1 << unused_bits) - 1) == 0, Reason.STRAY_BITS)
    mask >>= unused_bits
    return [bool(mask >> level & 1) for level in reversed(range(levels))]


def _check_root(root: bytes, path: bytes, end: bytes, siblings: Sequence[bytes]) -> None:
    """Hash from the end up to the root; the deepest sibling is not empty, so all are nodes."""
    bits = _bits(path) >> (PATH_BITS - len(siblings))
    value = end
    for sibling in reversed(siblings):
        value = node_of(sibling, value) if bits & 1 else node_of(value, sibling)
        bits >>= 1
    _check(value == root, Reason.ROOT_DIFFERS)


def _bits(path: bytes) -> int:
    return int.from_bytes(path, "big")


def _check(condition: bool, reason: Reason) -> None:  # noqa: FBT001 (the condition is the point)
    if not condition:
        raise ProofRefused(reason)
