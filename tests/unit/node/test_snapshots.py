"""Snapshots: equal at every member, held to their hashes, and a sound beginning for a copy."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base import codec
from salus.base.errors import Fault, Problem
from salus.base.hashing import sha256
from salus.node import snapshots as snapshots_module
from salus.node.history import HistoryIncomplete
from salus.node.ledger import Ledger
from salus.node.restore import MAKING, is_empty, restore
from salus.node.snapshots import (
    META,
    Meta,
    Snapshots,
    chunk_name,
    read_meta,
    read_rows,
    read_snapshot,
    snapshot_name,
    write_snapshot,
)
from tests.support.ledgers import Chain, add_block, term

BLOCKS = 6


@pytest.fixture
def chain() -> Chain:
    """Two members."""
    return Chain(members=2)


@pytest.fixture
def ledger(chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A copy with six blocks, whose snapshots have several chunks."""
    monkeypatch.setattr(snapshots_module, "CHUNK_BYTES", 600)
    ledger = chain.open(tmp_path / "full")
    grow(chain, ledger, BLOCKS)
    yield ledger
    ledger.close()


def grow(chain: Chain, ledger: Ledger, upto: int) -> None:
    """Blocks of one transaction each, equal in every copy."""
    for nonce in range(ledger.tip.height, upto):
        add_block(ledger, chain.sign(0, term(nonce), nonce=nonce))


def chunks_of(folder: Path, meta: Meta) -> list[bytes]:
    """All chunks of a snapshot on disk."""
    return [(folder / chunk_name(at)).read_bytes() for at in range(len(meta.chunks))]


def test_a_snapshot_holds_every_row_once(ledger: Ledger, tmp_path: Path) -> None:
    """Its rows, in path order, are the store's; its app hash is the tip's."""
    folder = write_snapshot(tmp_path / "s", ledger.copy_state())
    meta = read_meta((folder / META).read_bytes())

    assert list(ledger.copy_state().rows) == list(read_snapshot(folder, meta))
    assert ledger.tip.app_hash == meta.app_hash
    assert (ledger.tip.height, ledger.tip.time_ms) == (meta.height, meta.time_ms)
    assert len(meta.chunks) > 3


def test_two_members_make_equal_bytes(chain: Chain, ledger: Ledger, tmp_path: Path) -> None:
    """The bytes depend on the state alone: not on the copy, its layers or its restarts."""
    other = chain.open(tmp_path / "other")
    grow(chain, other, 3)
    other.close()
    other = chain.open(tmp_path / "other")
    grow(chain, other, BLOCKS)
    made = [
        write_snapshot(tmp_path / name, one.copy_state())
        for name, one in (("a", ledger), ("b", other))
    ]
    other.close()
    files = [{path.name: path.read_bytes() for path in one.iterdir()} for one in made]

    assert files[0] == files[1]


def test_rows_stand_as_written_down(ledger: Ledger, tmp_path: Path) -> None:
    """Each row is u8 length, key, u32 length, value; a chunk ends with the row that fills it."""
    folder = write_snapshot(tmp_path / "s", ledger.copy_state())
    meta = read_meta((folder / META).read_bytes())
    rows = list(ledger.copy_state().rows)
    written = [
        bytes([len(key)]) + key + len(value).to_bytes(4, "big") + value for key, value in rows
    ]
    expected, chunk = [], b""
    for row in written:
        chunk += row
        if len(chunk) >= snapshots_module.CHUNK_BYTES:
            expected.append(chunk)
            chunk = b""
    if chunk:
        expected.append(chunk)

    assert expected == chunks_of(folder, meta)
    assert [sha256(one) for one in expected] == meta.chunks


def test_a_copy_of_the_state_stands_still(chain: Chain, ledger: Ledger) -> None:
    """Blocks committed after it was taken are not in it."""
    before = list(ledger.copy_state().rows)
    copy = ledger.copy_state()
    grow(chain, ledger, BLOCKS + 2)

    assert before == list(copy.rows)
    assert copy.tip.height == BLOCKS


def test_a_member_keeps_its_newest_two(chain: Chain, tmp_path: Path) -> None:
    """One every so many blocks, made while blocks go on; the older ones go."""
    ledger = chain.open(tmp_path / "ledger")
    snapshots = Snapshots(tmp_path / "s", ledger, every_blocks=3)
    grow(chain, ledger, 11)
    snapshots.close()
    grow(chain, ledger, 13)

    assert [9, 6] == snapshots.heights()
    assert read_meta(snapshots.meta(9)).app_hash == ledger.record(9).app
    assert sha256(snapshots.chunk(9, 0)) == read_meta(snapshots.meta(9)).chunks[0]
    with pytest.raises(Problem, match="SnapshotUnknown"):
        snapshots.meta(3)
    ledger.close()


def test_a_restored_copy_goes_on_like_a_whole_one(
    chain: Chain, ledger: Ledger, tmp_path: Path
) -> None:
    """Same roots, same next blocks, also after a restart; proofs from there on hold."""
    restored = restored_copy(chain, ledger, tmp_path)

    assert ledger.tip == restored.tip
    for upto in (BLOCKS + 3, BLOCKS + 9):
        grow(chain, ledger, upto)
        grow(chain, restored, upto)
        restored.close()
        restored = chain.open(tmp_path / "restored")
        assert ledger.tip == restored.tip
    size = ledger.tip.log_size
    first = ledger.record(BLOCKS).log_size
    for index in range(first, size):
        assert ledger.path(index, size) == restored.path(index, size)
        assert ledger.height_of_entry(index) == restored.height_of_entry(index)
        assert ledger.consistency(index, size) == restored.consistency(index, size)
        assert ledger.log_root(index) == restored.log_root(index)
    assert ledger.record_bytes(BLOCKS + 1) == restored.record_bytes(BLOCKS + 1)
    restored.close()


def test_a_restored_copy_says_what_it_lacks(chain: Chain, ledger: Ledger, tmp_path: Path) -> None:
    """What lies before the snapshot is never answered by "there is none" or a wrong proof."""
    restored = restored_copy(chain, ledger, tmp_path)
    grow(chain, restored, BLOCKS + 2)
    size = restored.tip.log_size
    questions = {
        "record": lambda: restored.record_bytes(BLOCKS),
        "receipts": lambda: restored.receipts(1),
        "entries": lambda: restored.entries(BLOCKS),
        "height": lambda: restored.height_of_entry(0),
        "path": lambda: restored.path(3, size),
        "consistency": lambda: restored.consistency(2, size),
        "root": lambda: restored.log_root(2),
        "transaction": lambda: restored.find(bytes(32)),
    }
    for name, ask in questions.items():
        with pytest.raises(HistoryIncomplete, match=f"block {BLOCKS}"):
            ask()
        assert name
    assert ledger.entries(0) == restored.entries(0)
    with pytest.raises(Problem, match="BlockUnknown"):
        restored.record_bytes(BLOCKS + 3)
    restored.close()


BROKEN = {
    "a flipped bit": lambda chunks: [flipped(chunks[0]), *chunks[1:]],
    "a chunk left out": lambda chunks: chunks[:-1],
    "a chunk too many": lambda chunks: [*chunks, chunks[-1]],
    "chunks in another order": lambda chunks: [chunks[1], chunks[0], *chunks[2:]],
}


def flipped(data: bytes) -> bytes:
    """One bit differs."""
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("breaking", BROKEN.values(), ids=BROKEN.keys())
def test_a_wrong_chunk_is_never_restored(
    chain: Chain, ledger: Ledger, tmp_path: Path, breaking: object
) -> None:
    """The restore stops, and the folder still counts as empty: the next try begins anew."""
    folder = write_snapshot(tmp_path / "s", ledger.copy_state())
    meta = read_meta((folder / META).read_bytes())
    target = tmp_path / "restored"
    with pytest.raises(Problem, match="SnapshotMalformed"):
        restore(target, chain.machine, chain.genesis, meta, breaking(chunks_of(folder, meta)))  # type: ignore[operator]  # a function of the table

    assert (target / MAKING).exists()
    assert is_empty(target)
    restore(target, chain.machine, chain.genesis, meta, chunks_of(folder, meta))
    with_state = chain.open(target)
    assert ledger.tip == with_state.tip
    with_state.close()


def test_rows_of_another_state_are_refused(chain: Chain, ledger: Ledger, tmp_path: Path) -> None:
    """Chunks that fit their hashes, but not the state root that the app hash covers."""
    folder = write_snapshot(tmp_path / "s", ledger.copy_state())
    meta = read_meta((folder / META).read_bytes())
    chunks = chunks_of(folder, meta)[:-1]
    lying = codec.decode(
        codec.encode(
            {
                "chunks": [sha256(one) for one in chunks],
                "frontier": meta.frontier,
                "height": meta.height,
                "log_size": meta.log_size,
                "state": meta.state,
                "time_ms": meta.time_ms,
            }
        ),
        Meta,
    )
    with pytest.raises(Problem, match="state root"):
        restore(tmp_path / "restored", chain.machine, chain.genesis, lying, chunks)


def test_a_ledger_is_never_overwritten(chain: Chain, ledger: Ledger, tmp_path: Path) -> None:
    """A restore into a folder that has a ledger is a fault, and changes nothing."""
    folder = write_snapshot(tmp_path / "s", ledger.copy_state())
    meta = read_meta((folder / META).read_bytes())
    with pytest.raises(Fault, match="would lose it"):
        restore(tmp_path / "full", chain.machine, chain.genesis, meta, chunks_of(folder, meta))

    assert ledger.record(BLOCKS).app == ledger.tip.app_hash


def test_metadata_of_another_form_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """Length, encoding, number of frontier hashes, at least one chunk and block."""
    folder = write_snapshot(tmp_path / "s", ledger.copy_state())
    data = (folder / META).read_bytes()
    fields = codec.decode_loose(data, dict[str, object])
    wrong = [
        bytes(snapshots_module.META_BYTES_MAX + 1),
        data[:-1],
        codec.encode({**fields, "frontier": [bytes(32)] * 60}),
        codec.encode({**fields, "chunks": []}),
        codec.encode({**fields, "height": 0}),
        codec.encode({**fields, "more": 1}),
    ]
    for one in wrong:
        with pytest.raises(Problem, match="SnapshotMalformed"):
            read_meta(one)


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_refused(data: bytes) -> None:
    """No other error, whatever a sender puts into a chunk."""
    rows = None
    with suppress(Problem):
        rows = list(read_rows(data))

    assert rows is None or data == b"".join(
        bytes([len(key)]) + key + len(value).to_bytes(4, "big") + value for key, value in rows
    )


def restored_copy(chain: Chain, ledger: Ledger, tmp_path: Path) -> Ledger:
    """A copy made from a snapshot of this one's tip."""
    folder = write_snapshot(tmp_path / "s", ledger.copy_state())
    meta = read_meta((folder / META).read_bytes())
    assert folder.name == snapshot_name(ledger.tip.height)
    restore(tmp_path / "restored", chain.machine, chain.genesis, meta, chunks_of(folder, meta))
    return chain.open(tmp_path / "restored")
