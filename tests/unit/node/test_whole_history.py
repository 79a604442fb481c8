"""A restored copy's missing blocks: from whom they come, and what is not believed of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from salus.base import codec
from salus.machine.block import Block, Evidence
from salus.node import replica as replica_module
from salus.node import whole_history
from salus.node.history import HistoryIncomplete
from salus.node.ledger import Ledger
from salus.node.replica import ROUTE as BLOCKS
from salus.node.replica import BlocksAsked, blocks_after
from salus.node.whole_history import COMPLETE, WHOLE, WholeHistory, take_over
from tests.support.ledgers import SEGMENT_BYTES, add_block, term
from tests.support.lost_member import HEIGHT, Case, lie, raising


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """Member 3 lost its disk and is back by a snapshot."""
    monkeypatch.setattr(replica_module, "WAIT_MS", 20)
    monkeypatch.setattr(replica_module, "RETRY_S", 0.02)
    monkeypatch.setattr(whole_history, "LOOK_S", 0.02)
    monkeypatch.setattr(whole_history, "STILL_S", 0.5)
    monkeypatch.setattr(whole_history, "PAUSE_S", 0.1)
    made = Case(tmp_path)
    with ExitStack() as stack:
        for sender in made.senders:
            stack.callback(sender.close)
        made.rejoin()
        yield made


def made_whole(case: Case) -> int:
    """Fill the history in from all three; up to which height it then is."""
    with closing(case.open()) as ledger:
        history = WholeHistory(case.folder, ledger, case.peers, segment_bytes=SEGMENT_BYTES)
        end_s = time.monotonic() + 30
        while not history.complete:
            assert time.monotonic() < end_s
            time.sleep(0.02)
        history.close()
        return history.height


def test_a_source_without_the_old_blocks_is_left_for_the_next(case: Case) -> None:
    """It joined by a snapshot too, and says so; the next one has them, whoever it is."""
    case.senders[0].handlers[BLOCKS] = raising(HistoryIncomplete(HEIGHT))
    case.senders[1].silent = True

    assert HEIGHT == made_whole(case)
    assert 1 <= case.senders[0].asked.count(BLOCKS)


def test_a_source_that_breaks_off_is_gone_on_with_at_the_next(case: Case) -> None:
    """What it brought was executed and stays; only the rest is asked of the next one."""
    first = case.senders[0]
    half = codec.encode(
        replica_module.Blocks(records=[first.ledger.record_bytes(at) for at in (1, 2, 3)])
    )
    answers = [half]

    def once(body: bytes) -> bytes:
        asked = codec.decode(body, BlocksAsked)
        return answers.pop() if answers and asked.above == 0 else raise_incomplete(b"", b"")

    first.handlers[BLOCKS] = lie(once)
    asked: list[int] = []
    second = case.senders[1]
    second.handlers[BLOCKS] = lie(noting(asked, second.ledger))

    assert HEIGHT == made_whole(case)
    assert 3 == min(asked)


def test_another_history_of_true_signatures_is_thrown_away(case: Case, tmp_path: Path) -> None:
    """Members signed each transaction in it, but not this order of them: its app hash differs."""
    other = case.chain.open(tmp_path / "other")
    for nonce in range(HEIGHT):
        add_block(other, case.chain.sign(1, term(nonce), nonce=nonce))
    case.senders[0].handlers[BLOCKS] = lie(noting([], other))

    assert HEIGHT == made_whole(case)
    assert take_over(
        case.folder, case.chain.machine, case.chain.genesis, segment_bytes=SEGMENT_BYTES
    )
    with closing(case.open()) as ledger:
        assert case.senders[1].ledger.record_bytes(1) == ledger.record_bytes(1)
    other.close()


def test_a_source_of_no_blocks_ends_nothing(case: Case) -> None:
    """What it sends is no record: the copy begins anew at the next one."""
    bad = codec.encode(replica_module.Blocks(records=[b"no record"]))
    case.senders[0].handlers[BLOCKS] = lie(lambda _body: bad)

    assert HEIGHT == made_whole(case)
    assert (case.folder / WHOLE / COMPLETE).exists()


def test_evidence_of_a_network_s_blocks_is_taken_over(case: Case) -> None:
    """Only CometBFT brings evidence, and a network's history has it: executed like all else."""
    told = Evidence(member=case.senders[0].member, height=1, kind="duplicate_vote")
    for sender in case.senders:
        tip = sender.ledger.tip
        block = Block(evidence=[told], height=tip.height + 1, time_ms=tip.time_ms, txs=[])
        sender.ledger.commit(sender.ledger.execute(block))
    with closing(case.open()) as ledger:
        for height in range(ledger.tip.height + 1, HEIGHT + 2):
            ledger.commit(ledger.execute(case.senders[0].ledger.record(height).block))

    assert HEIGHT + 1 == made_whole(case)


def noting(asked: list[int], ledger: Ledger) -> Callable[[bytes], bytes]:
    """A copy's blocks, and after which height they were asked for."""

    def answer(body: bytes) -> bytes:
        question = codec.decode(body, BlocksAsked)
        asked.append(question.above)
        return codec.encode(blocks_after(ledger, question))

    return answer


raise_incomplete = raising(HistoryIncomplete(HEIGHT))
