"""The log's files give the trees, paths and proofs of RFC 6962."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.base import merkle
from salus.base.errors import Fault
from salus.node.log_files import LogFiles

LEAVES = [merkle.leaf_hash(number.to_bytes(2, "big")) for number in range(200)]

CT_LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
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
"""Roots over the first 0–8 leaves: Certificate Transparency's own test vectors."""


@pytest.fixture
def log(tmp_path: Path) -> LogFiles:
    """Empty files."""
    return LogFiles.open(tmp_path / "log")


def test_roots_are_those_of_certificate_transparency(log: LogFiles) -> None:
    """Every size of the reference tree, after all leaves are in."""
    log.append([merkle.leaf_hash(leaf) for leaf in CT_LEAVES])

    assert CT_ROOTS == [log.root(size).hex() for size in range(9)]


def test_consistency_proof_of_certificate_transparency(log: LogFiles) -> None:
    """From 6 to 8 leaves the reference proof has these three hashes."""
    log.append([merkle.leaf_hash(leaf) for leaf in CT_LEAVES])

    assert [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ] == [hash_.hex() for hash_ in log.consistency(6, 8)]


def test_paths_of_all_leaves_at_all_sizes_up_to_200(log: LogFiles) -> None:
    """They lead to the root by the verifier's own arithmetic, and are the shortest."""
    log.append(LEAVES)
    for size in range(1, 201):
        root = log.root(size)
        assert merkle.root_of_hashes(LEAVES[:size]) == root
        for index in range(0, size, 1 if size < 40 else 7):
            path = log.path(index, size)
            assert merkle.path_of_hashes(LEAVES[:size], index) == path
            assert root == merkle.root_from_path(LEAVES[index], index, size, path)


def test_consistency_between_all_sizes_up_to_200(log: LogFiles) -> None:
    """Any two sizes; none for equal sizes and from nothing."""
    log.append(LEAVES)
    roots = [log.root(size) for size in range(201)]
    for new in range(201):
        for old in range(0, new + 1, 1 if new < 70 else 11):
            proof = log.consistency(old, new)
            merkle.check_consistency(old, new, roots[old], roots[new], proof)
    assert [] == log.consistency(0, 200)
    assert [] == log.consistency(200, 200)


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(0, 40), max_size=8), cut=st.integers(0, 300))
def test_any_row_of_appends_and_cuts_is_one_tree(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], cut: int
) -> None:
    """However leaves come in, are cut off and come again: the tree of what there is."""
    log = LogFiles.open(tmp_path_factory.mktemp("log"))
    leaves: list[bytes] = []
    for number, count in enumerate(counts):
        more = [merkle.leaf_hash(bytes([number, at])) for at in range(count)]
        log.append(more)
        leaves += more
        if number == 3:
            log.truncate(min(cut, log.size))
            leaves = leaves[:cut]
    edge = log.frontier()

    assert (len(leaves), merkle.root_of_hashes(leaves)) == (log.size, log.root(log.size))
    assert (len(leaves), log.root(log.size)) == (edge.size, edge.root)
    assert leaves == [log.leaf(index) for index in range(log.size)]
    edge.append(LEAVES[0])
    log.append([LEAVES[0]])
    assert edge.root == log.root(log.size)
    log.close()


def test_level_files_hold_complete_subtrees(log: LogFiles, tmp_path: Path) -> None:
    """Level l holds ⌊size / 2^l⌋ hashes, the i-th at byte 32 · i: the C2SP tiles' layout."""
    log.append(LEAVES[:13])
    pair = hashlib.sha256(b"\x01" + LEAVES[2] + LEAVES[3]).digest()
    lengths = {path.name: path.stat().st_size // 32 for path in (tmp_path / "log").iterdir()}

    assert {"00.hash": 13, "01.hash": 6, "02.hash": 3, "03.hash": 1} == lengths
    assert pair == (tmp_path / "log" / "01.hash").read_bytes()[32:64]


def test_start_keeps_what_was_synced_and_forgets_the_rest(log: LogFiles, tmp_path: Path) -> None:
    """The caller appends the rest again, from the journal."""
    log.append(LEAVES[:50])
    log.sync()
    log.append(LEAVES[50:90])
    again = LogFiles.open(tmp_path / "log")

    assert (50, 50) == (again.size, again.synced_size)
    again.append(LEAVES[50:])
    assert merkle.root_of_hashes(LEAVES) == again.root(200)


def test_cut_below_the_synced_size_is_noted_before_other_leaves_come(
    log: LogFiles, tmp_path: Path
) -> None:
    """A crash after that must not find the old note above a mixture of leaves."""
    log.append(LEAVES[:50])
    log.sync()
    log.truncate(20)
    log.append(LEAVES[100:150])

    assert 20 == LogFiles.open(tmp_path / "log").size


def test_files_that_contradict_the_note_are_not_trusted(log: LogFiles, tmp_path: Path) -> None:
    """A changed note, a cut or changed file on the right edge: start from nothing."""
    log.append(LEAVES[:150])
    log.sync()
    log.close()
    for name, at in (("synced", 3), ("synced", 43), ("07.hash", 5), ("01.hash", 32 * 74)):
        path = tmp_path / "log" / name
        good = path.read_bytes()
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert 0 == LogFiles.open(tmp_path / "log").size
        path.write_bytes(good[:-1])
        assert 0 == LogFiles.open(tmp_path / "log").size
        path.write_bytes(good)
    assert 150 == LogFiles.open(tmp_path / "log").size


def test_damaged_hash_gives_a_fault_and_no_path(log: LogFiles, tmp_path: Path) -> None:
    """What the files hold is tried before it is given out."""
    log.append(LEAVES)
    path = tmp_path / "log" / "00.hash"
    with path.open("r+b") as file:
        file.seek(32 * 11)
        file.write(os.urandom(32))
    with pytest.raises(Fault, match="remove its folder `log`"):
        log.path(10, 200)
    with pytest.raises(Fault, match="remove its folder `log`"):
        log.path(11, 200)
    with pytest.raises(Fault, match="remove its folder `log`"):
        log.consistency(11, 12)


OUTSIDE = {
    "root beyond the size": lambda log: log.root(201),
    "root below nothing": lambda log: log.root(-1),
    "leaf at the size": lambda log: log.leaf(200),
    "path at the size asked": lambda log: log.path(7, 7),
    "path beyond the size": lambda log: log.path(7, 201),
    "consistency backwards": lambda log: log.consistency(8, 7),
    "consistency beyond the size": lambda log: log.consistency(8, 201),
    "cut beyond the size": lambda log: log.truncate(201),
}


@pytest.mark.parametrize("ask", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_what_lies_outside_the_log_is_a_fault(log: LogFiles, ask: object) -> None:
    """Each row asks for something that is not there."""
    log.append(LEAVES)
    with pytest.raises(Fault):
        ask(log)  # type: ignore[operator]
