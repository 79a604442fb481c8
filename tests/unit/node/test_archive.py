"""A member that lost its disk: whom it believes, what it checks, and how it is whole again."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.node import archive as archive_module
from salus.node import rejoin as rejoin_module
from salus.node import replica as replica_module
from salus.node import snapshots as snapshots_module
from salus.node import whole_history
from salus.node.archive import CHUNK, ChunkAsked, Stated, routes
from salus.node.history import HistoryIncomplete
from salus.node.ledger import Ledger
from salus.node.peers import peer_down
from salus.node.rejoin import has_blocks, rejoin_by_blocks
from salus.node.replica import ROUTE as BLOCKS
from salus.node.snapshots import PART, snapshot_name
from salus.node.whole_history import WholeHistory, take_over
from tests.support.ledgers import SEGMENT_BYTES, add_block, term
from tests.support.lost_member import HEIGHT, SNAPSHOT, Case, Sender, lie, raising


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """Chunks are small, so that there are several."""
    monkeypatch.setattr(snapshots_module, "CHUNK_BYTES", 1_000)
    monkeypatch.setattr(replica_module, "WAIT_MS", 20)
    monkeypatch.setattr(rejoin_module, "STILL_S", 0.5)
    monkeypatch.setattr(whole_history, "LOOK_S", 0.02)
    case = Case(tmp_path)
    with ExitStack() as stack:
        for sender in case.senders:
            stack.callback(sender.close)
        yield case


def test_a_lost_member_has_the_others_state(case: Case) -> None:
    """After one call: the snapshot's height, its app hash, and a copy of the snapshot to give."""
    found = case.rejoin()
    whole = case.senders[0].ledger.record(SNAPSHOT)

    assert Stated(app=whole.app, height=SNAPSHOT, time_ms=whole.time_ms) == found
    with closing(case.open()) as ledger:
        assert (SNAPSHOT, whole.app) == (ledger.tip.height, ledger.tip.app_hash)
    assert (case.folder / "snapshots" / snapshot_name(SNAPSHOT) / "meta").exists()


def test_one_liar_of_four_convinces_nobody(case: Case) -> None:
    """Two of three must state a block alike; one alone that offers a newer one is passed over."""
    liar = case.senders[2]
    meta = snapshots_module.read_meta(liar.snapshots.meta(SNAPSHOT))
    newer = codec.encode(
        archive_module.Offered(
            metas=[
                codec.encode(
                    snapshots_module.Meta(
                        chunks=meta.chunks,
                        frontier=meta.frontier,
                        height=HEIGHT,
                        log_size=meta.log_size,
                        state=bytes(32),
                        time_ms=meta.time_ms,
                    )
                )
            ]
        )
    )
    liar.handlers[archive_module.SNAPSHOTS] = lie(lambda _body: newer)

    assert SNAPSHOT == case.rejoin().height


def test_a_time_nobody_states_is_not_believed(case: Case) -> None:
    """The app hash covers neither height nor time: metadata with another time is passed over."""
    for sender in case.senders:
        meta = snapshots_module.read_meta(sender.snapshots.meta(SNAPSHOT))
        late = snapshots_module.Meta(
            chunks=meta.chunks,
            frontier=meta.frontier,
            height=meta.height,
            log_size=meta.log_size,
            state=meta.state,
            time_ms=meta.time_ms + 1,
        )
        offered = codec.encode(archive_module.Offered(metas=[codec.encode(late)]))
        sender.handlers[archive_module.SNAPSHOTS] = lie(lambda _body, data=offered: data)  # type: ignore[misc]  # bound now
    with pytest.raises(Problem, match="NoSnapshot"):
        case.rejoin()


def test_too_few_members_are_not_enough(case: Case) -> None:
    """With one answering of three, nobody stands behind it; the text says what to do."""
    case.senders[0].silent = case.senders[1].silent = True
    with pytest.raises(Problem, match=r"2 members state alike.*without --fast"):
        case.rejoin()


def test_a_lying_sender_of_chunks_is_dropped(case: Case) -> None:
    """Its first wrong chunk is its last: the others give the rest."""
    liar = case.senders[0]
    liar.handlers[CHUNK] = lie(lambda _body: b"not the chunk")
    case.rejoin()

    assert 1 == liar.asked.count(CHUNK)
    with closing(case.open()) as ledger:
        assert case.senders[1].ledger.record(SNAPSHOT).app == ledger.tip.app_hash


def test_a_broken_fetch_goes_on_where_it_stopped(case: Case) -> None:
    """Chunks on disk are not asked for again; one that was damaged there is."""
    for sender in case.senders:
        sender.handlers[CHUNK] = only_first(sender, 2)
    with pytest.raises(Problem, match="no member is left"):
        case.rejoin()
    kept = case.folder / "snapshots" / (snapshot_name(SNAPSHOT) + PART)
    assert 2 == len(list(kept.glob("*.chunk")))
    (kept / snapshots_module.chunk_name(0)).write_bytes(b"damaged")
    for sender in case.senders:
        sender.handlers[CHUNK] = routes(sender.ledger, sender.snapshots)[CHUNK]
        sender.asked.clear()
    case.rejoin()
    count = len(snapshots_module.read_meta(case.senders[0].snapshots.meta(SNAPSHOT)).chunks)

    assert count - 1 == sum(sender.asked.count(CHUNK) for sender in case.senders)


def only_first(sender: Sender, count: int) -> Callable[[bytes, bytes], bytes]:
    """A sender that breaks off."""
    sound = routes(sender.ledger, sender.snapshots)[CHUNK]

    def answer(who: bytes, body: bytes) -> bytes:
        if codec.decode(body, ChunkAsked).index >= count:
            raise peer_down("it broke off")
        return sound(who, body)

    return answer


def test_history_is_filled_in_and_takes_over(case: Case) -> None:
    """The second copy executes every block; the next start has the whole history in its place."""
    case.rejoin()
    with closing(case.open()) as ledger:
        follow(case, ledger, HEIGHT - 1)
        history = WholeHistory(case.folder, ledger, case.peers[:1], segment_bytes=SEGMENT_BYTES)
        wait_for(lambda: history.complete)
        history.close()
        # What came after it was complete is added when it takes over.
        follow(case, ledger, HEIGHT)

    assert take_over(
        case.folder, case.chain.machine, case.chain.genesis, segment_bytes=SEGMENT_BYTES
    )
    assert not take_over(
        case.folder, case.chain.machine, case.chain.genesis, segment_bytes=SEGMENT_BYTES
    )
    whole = case.senders[0].ledger
    with closing(case.open()) as ledger:
        assert whole.tip == ledger.tip
        assert 0 == ledger.start.height
        for height in range(1, HEIGHT + 1):
            assert whole.record_bytes(height) == ledger.record_bytes(height)
            assert whole.entries(height) == ledger.entries(height)
    assert not (case.folder / whole_history.WHOLE).exists()


@pytest.mark.parametrize("moved", range(4))
def test_a_take_over_survives_a_crash(case: Case, moved: int) -> None:
    """Power lost after any of its steps: the next start ends it."""
    case.rejoin()
    with closing(case.open()) as ledger:
        follow(case, ledger, HEIGHT)
        history = WholeHistory(case.folder, ledger, case.peers[:1], segment_bytes=SEGMENT_BYTES)
        wait_for(lambda: history.complete)
        history.close()
    (case.folder / whole_history.TAKING_OVER).write_bytes(b"")
    for name in ("journal", "log", "state")[:moved]:
        shutil.rmtree(case.folder / name)
        (case.folder / whole_history.WHOLE / name).rename(case.folder / name)

    assert take_over(
        case.folder, case.chain.machine, case.chain.genesis, segment_bytes=SEGMENT_BYTES
    )
    with closing(case.open()) as ledger:
        assert case.senders[0].ledger.tip == ledger.tip
        assert case.senders[0].ledger.record_bytes(1) == ledger.record_bytes(1)


def follow(case: Case, ledger: Ledger, upto: int) -> None:
    """Execute the next blocks, as a replica does."""
    for height in range(ledger.tip.height + 1, upto + 1):
        ledger.commit(ledger.execute(case.senders[0].ledger.record(height).block))


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait for a thread."""
    end_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def test_the_ordering_member_gets_every_block_back(case: Case) -> None:
    """By execution, from the member that has most; it needs no snapshot."""
    add_block(case.senders[2].ledger, case.chain.sign(0, term(HEIGHT), nonce=HEIGHT))
    with closing(case.open()) as ledger:
        count = rejoin_by_blocks(ledger, case.peers, despite_missing=False)

        assert HEIGHT + 1 == count
        assert case.senders[2].ledger.tip == ledger.tip


def test_a_missing_member_may_have_the_newest_block(case: Case) -> None:
    """So the ordering member asks all of them, unless its operator says otherwise."""
    case.senders[1].silent = True
    with closing(case.open()) as ledger:
        with pytest.raises(Problem, match="MembersMissing"):
            rejoin_by_blocks(ledger, case.peers, despite_missing=False)
        assert HEIGHT == rejoin_by_blocks(ledger, case.peers, despite_missing=True)
    assert has_blocks(case.peers)


def test_a_source_without_sound_blocks_is_left_for_the_next(case: Case) -> None:
    """One that lacks the history, one that lies, then one that has them all; never none of them."""
    incomplete, liar, _sound = case.senders
    incomplete.handlers[BLOCKS] = raising(HistoryIncomplete(SNAPSHOT))
    lying = codec.encode(replica_module.Blocks(records=[b"no record"]))
    liar.handlers[BLOCKS] = lie(lambda _body: lying)
    with closing(case.open()) as ledger:
        assert HEIGHT == rejoin_by_blocks(ledger, case.peers, despite_missing=False)


def test_blocks_that_nobody_brings_are_said(case: Case) -> None:
    """The ordering member does not start with fewer blocks than the others state."""
    for sender in case.senders:
        sender.handlers[BLOCKS] = raising(HistoryIncomplete(SNAPSHOT))
    with closing(case.open()) as ledger, pytest.raises(Problem, match="BlocksMissing"):
        rejoin_by_blocks(ledger, case.peers, despite_missing=False)
