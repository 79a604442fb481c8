"""RFC 6962 trees: against the RFC's definitions, Certificate Transparency's tree, and lies."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base import merkle
from salus.base.merkle import EMPTY_ROOT, Frontier, PathRefused, leaf_hash

CT_LEAVES = [bytes.fromhex(one) for one in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
"""The eight entries of Certificate Transparency's reference tree (RFC 6962's authors' tests)."""

CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Their roots at sizes 0-8."""


def root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + root(hashes[:k]) + root(hashes[k:])).digest()


def path(hashes: Sequence[bytes], m: int) -> list[bytes]:
    """RFC 6962 §2.1.1, word for word."""
    if len(hashes) == 1:
        return []
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if m < k:
        return [*path(hashes[:k], m), root(hashes[k:])]
    return [*path(hashes[k:], m - k), root(hashes[:k])]


def proof(hashes: Sequence[bytes], m: int, *, whole: bool = True) -> list[bytes]:
    """RFC 6962 §2.1.2, word for word."""
    if m == len(hashes):
        return [] if whole else [root(hashes)]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if m <= k:
        return [*proof(hashes[:k], m, whole=whole), root(hashes[k:])]
    return [*proof(hashes[k:], m - k, whole=False), root(hashes[:k])]


def hashes(count: int) -> list[bytes]:
    """So many different leaf hashes."""
    return [leaf_hash(number.to_bytes(2, "big")) for number in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_certificate_transparencys_tree(size: int) -> None:
    """Roots of the reference tree at each size, also by growing."""
    frontier = Frontier()
    for leaf in CT_LEAVES[:size]:
        frontier.append(leaf_hash(leaf))

    assert CT_ROOTS[size] == merkle.root(CT_LEAVES[:size]).hex()
    assert CT_ROOTS[size] == frontier.root.hex()


def test_a_leaf_is_no_node() -> None:
    """Other prefixes: an inner node cannot be passed off as a leaf."""
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert merkle.node_hash(left, right) != leaf_hash(left + right)
    assert sha256(b"").digest() == EMPTY_ROOT == merkle.root([])


@pytest.mark.parametrize("size", range(1, 40))
def test_paths_and_proofs_follow_the_definitions(size: int) -> None:
    """For every index and every older size of every small tree."""
    leaves = hashes(size)
    whole = root(leaves)
    assert whole == merkle.root_of_hashes(leaves)
    for index in range(size):
        made = merkle.path_of_hashes(leaves, index)
        assert path(leaves, index) == made
        assert whole == merkle.root_from_path(leaves[index], index, size, made)
    for old in range(size + 1):
        made = proof(leaves, old) if old else []
        merkle.check_consistency(old, size, root(leaves[:old]), whole, made)


@pytest.mark.parametrize("size", range(1, 20))
def test_a_false_path_leads_elsewhere_or_nowhere(size: int) -> None:
    """Another index, size or leaf; a hash cut, added or changed."""
    leaves = hashes(size)
    whole = root(leaves)

    def leads(leaf: bytes, index: int, of: int, hashes: Sequence[bytes]) -> bool:
        try:
            return merkle.root_from_path(leaf, index, of, hashes) == whole
        except PathRefused:
            return False

    for index in range(size):
        made = path(leaves, index)
        assert not leads(leaf_hash(b"other"), index, size, made)
        assert not leads(leaves[index], index, size, [*made, bytes(32)])
        assert not made or not leads(leaves[index], index, size, made[:-1])
        assert not any(
            leads(leaves[index], other, size, made) for other in range(size) if other != index
        )
        for at in range(len(made)):
            assert not leads(leaves[index], index, size, [*made[:at], bytes(32), *made[at + 1 :]])
    for index in (-1, size, size + 1):
        assert not leads(leaves[0], index, size, [])
        with pytest.raises(PathRefused):
            merkle.path_of_hashes(leaves, index)


@pytest.mark.parametrize("size", range(2, 20))
def test_a_false_growth_is_refused(size: int) -> None:
    """Another older root or size; a proof cut, longer, changed, or for equal trees."""
    leaves = hashes(size)
    whole = root(leaves)
    for old in range(1, size):
        good, older = proof(leaves, old), root(leaves[:old])
        lies = [
            (old, size, bytes(32), whole, good),
            (old, size, older, bytes(32), good),
            (old, size, older, whole, good[:-1]),
            (old, size, older, whole, []),
            (old, size, older, whole, [*good, bytes(32)]),
            (size, old, whole, older, good),
            (-1, size, older, whole, good),
            (0, size, older, whole, good),
            (old, old, older, older, good),
            (old, old, older, bytes(32), []),
            *((old, size, older, whole, [*good[:at], bytes(32), *good[at + 1 :]])
              for at in range(len(good))),
        ]  # fmt: skip
        for lie in lies:
            with pytest.raises(PathRefused):
                merkle.check_consistency(*lie)


@given(st.integers(0, 200), st.integers(0, 60))
def test_a_frontier_goes_on_from_anywhere(size: int, more: int) -> None:
    """Restored from its hashes, and without touching the one it was copied from."""
    leaves = hashes(size + more)
    first = Frontier()
    for leaf in leaves[:size]:
        first.append(leaf)

    second = Frontier(first.size, first.hashes)
    copy = second.copy()
    for leaf in leaves[size:]:
        copy.append(leaf)

    assert root(leaves) == copy.root
    assert root(leaves[:size]) == first.root == second.root
    assert size.bit_count() == len(first.hashes)
