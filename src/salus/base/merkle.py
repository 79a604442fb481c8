"""
Merkle trees of RFC 6962: roots, paths of inclusion and consistency, and their checks.

Leaf = SHA-256(0x00 ‖ bytes), node = SHA-256(0x01 ‖ left ‖ right), nothing = SHA-256 of nothing.
The log, the messages and events of a transaction, batches, sheets and logs of witnesses use it.
"""

from collections.abc import Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
"""The root of no leaves (RFC 6962 §2.1)."""


class PathRefused(Exception):
    """A path does not lead where it claims; the text says at which check."""


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 ‖ leaf); 32 B."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right); 32 B."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Root over the leaves' bytes; O(n)."""
    if len(leaves) == 1:  # nearly all transactions: one message, one event
        return leaf_hash(leaves[0])
    return root_of_hashes([leaf_hash(leaf) for leaf in leaves])


def root_of_hashes(hashes: Sequence[bytes]) -> bytes:
    """Root over leaf hashes, level by level: an odd last node moves up unchanged; O(n)."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        pairs = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) - len(level) % 2 :]
    return level[0]


def path_of_hashes(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """
    The inclusion path of leaf `index`, deepest sibling first (RFC 6962 §2.1.1); O(n).

    Raises PathRefused: index outside the tree.
    """
    if not 0 <= index < len(hashes):
        raise PathRefused(f"index {index} is outside a tree of {len(hashes)}")
    path = []
    level = list(hashes)
    at = index
    while len(level) > 1:
        sibling = at ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        pairs = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(level) - len(level) % 2 :]
        at //= 2
    return path


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """
    The root that `path` leads to from the leaf hash at `index` of `size`; the caller compares it.

    Raises PathRefused: index outside the tree, too few or too many hashes (RFC 9162 §2.1.3.2).
    """
    if not 0 <= index < size:
        raise PathRefused(f"index {index} is outside a tree of {size}")
    at, last = index, size - 1
    value = leaf
    for sibling in path:
        if last == 0:
            raise PathRefused("the path has hashes left over")
        if at & 1 or at == last:
            value = node_hash(sibling, value)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            value = node_hash(value, sibling)
        at >>= 1
        last >>= 1
    if last:
        raise PathRefused("the path is too short")
    return value


def check_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """
    Check that the tree of `new_size` extends that of `old_size` (RFC 9162 §2.1.4.2).

    Raises PathRefused: sizes in the wrong order, a proof where none is due, or roots that differ.
    """
    if not 0 <= old_size <= new_size:
        raise PathRefused(f"sizes {old_size} and {new_size} are out of order")
    if old_size in (0, new_size):
        if proof or (old_size == new_size and old_root != new_root):
            raise PathRefused("equal or empty trees take no proof and equal roots")
        return
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at >>= 1
        last >>= 1
    hashes = list(proof) if at else [old_root, *proof]
    if not hashes:
        raise PathRefused("the consistency proof is empty")
    older = newer = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise PathRefused("the consistency proof has hashes left over")
        if at & 1 or at == last:
            older = node_hash(sibling, older)
            newer = node_hash(sibling, newer)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            newer = node_hash(newer, sibling)
        at >>= 1
        last >>= 1
    if last or older != old_root or newer != new_root:
        raise PathRefused("the new tree does not extend the old one")


class Frontier:
    """The right edge of a growing tree: enough to append and to know the root; O(log n) memory."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """`hashes`: roots of the complete subtrees, largest first, one a set bit of `size`."""
        self.size = size
        self.hashes = list(hashes)

    def copy(self) -> "Frontier":
        """An independent frontier of the same tree."""
        return Frontier(self.size, self.hashes)

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        hashes = self.hashes
        value = leaf
        size = self.size
        while size & 1:
            value = sha256(b"\x01" + hashes.pop() + value).digest()
            size >>= 1
        hashes.append(value)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root of the tree as it stands."""
        if not self.hashes:
            return EMPTY_ROOT
        value = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            value = node_hash(left, value)
        return value
