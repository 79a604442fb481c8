"""Read models: rebuilt at will, never ahead, the same over restarts, SQLite and PostgreSQL."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from salus.base.errors import Problem
from salus.modules.audit.messages import DefineTerm
from salus.node.follower import follower as follower_module
from salus.node.follower.follower import Follower
from salus.node.follower.models import LINE, MODELS, TERM, TRANSACTION
from tests.support.followed import World, line
from tests.support.ledgers import Chain, add_block, term


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Eight lines in three transactions, one of them refused, after the terms."""
    world = World(tmp_path)
    world.block([line(0), line(1), line(2)], [line(3), line(4)])
    world.block([line(9), DefineTerm(kind=3, number=1, text="refused")])
    world.block([line(5), line(6), line(7)])
    yield world
    world.close()


def test_lines_stand_with_their_place_in_the_log(world: World) -> None:
    """Log index, position, author, running number; of a refused transaction nothing."""
    world.open()

    rows = world.rows()

    assert [(3, 0), (3, 1), (3, 2), (4, 0), (4, 1), (8, 0), (8, 1), (8, 2)] == [
        row[:2] for row in rows
    ]
    assert list(range(1, 9)) == [row[3] for row in rows]
    assert {world.chain.members[0].transaction.key_id} == {bytes(row[2]) for row in rows}
    assert 4 == len(world.rows(TERM))
    assert [0, 0, 0, 9_003, 0] == [row[5] for row in world.rows(TRANSACTION)]


def test_unreadable_and_refused_transactions_are_seen(world: World) -> None:
    """By hash and code; they give no other row."""
    add_block(world.ledger, b"garbage", world.chain.sign(0, term(9), nonce=0))
    world.open()

    last = world.rows(TRANSACTION)[-2:]

    assert [2, 14] == [row[5] for row in last]
    assert bytes(16) == bytes(last[0][4])


def test_a_restart_goes_on_where_it_was(world: World) -> None:
    """Nothing twice, nothing left out, whatever came while it was down."""
    world.open()
    before = world.rows()
    world.follower = None if world.follower is None else world.open()
    assert before == world.rows()
    assert world.follower is not None
    world.follower.close()
    world.block([line(10)])

    world.open()

    assert [*before, *world.rows()[8:]] == world.rows()
    assert 9 == len(world.rows())


def test_it_follows_while_blocks_come(world: World) -> None:
    """A query may wait for the height it must see; for one to come it waits in vain."""
    follower = world.open()
    for number in range(10, 15):
        world.block([line(number)])
        follower.wait_for(world.ledger.tip.height)
        assert world.ledger.tip.height >= follower.height

    assert 13 == len(world.rows())


def test_it_never_runs_ahead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A height that is not there yet is told as Behind, not answered from the past."""
    monkeypatch.setattr(follower_module, "WAIT_S", 0.05)
    follower = world.open()

    with pytest.raises(Problem) as problem:
        follower.wait_for(world.ledger.tip.height + 1)

    assert "Behind" == problem.value.name


def test_a_new_version_is_made_again_alone(world: World) -> None:
    """With its new columns; the other models keep their rows and their height."""
    world.open()
    wider = sql.MetaData()
    terms = sql.Table(
        "audit_term",
        wider,
        *(sql.Column(one.name, one.type, primary_key=one.primary_key) for one in TERM.columns),
        sql.Column("length", sql.Integer, nullable=False),
    )
    newer = replace(
        MODELS[1],
        version=2,
        tables=(terms,),
        rows=lambda block: {
            terms: [{**row, "length": len(row["text"])} for row in MODELS[1].rows(block)[TERM]]
        },
    )
    kept = world.rows()

    world.open(models=(MODELS[0], newer, *MODELS[2:]))

    assert [4, 4, 8, 6] == [row[3] for row in world.rows(terms)]
    assert kept == world.rows()


def test_a_new_model_catches_up_beside_the_old_ones(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Block by block, while those ahead of it stay where they are."""
    monkeypatch.setattr(follower_module, "BATCH_BLOCKS", 1)
    world.open(models=(MODELS[0],))
    lines = world.rows()

    world.open()

    assert lines == world.rows()
    assert 5 == len(world.rows(TRANSACTION))


def test_a_lost_database_is_made_again(world: World) -> None:
    """From the journal, the same rows; in small SQL transactions too."""
    world.open()
    before = world.rows(), world.rows(TRANSACTION)
    world.follower.close()  # type: ignore[union-attr]  # just opened
    for path in world.folder.glob("model.db*"):
        path.unlink()

    world.open()

    assert before == (world.rows(), world.rows(TRANSACTION))


@pytest.mark.parametrize("bound", ["BATCH_BLOCKS", "BATCH_TRANSACTIONS"])
def test_catching_up_goes_in_bounded_steps(
    world: World, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """However far behind, memory is bounded by a step."""
    monkeypatch.setattr(follower_module, bound, 1)
    world.open()

    assert 8 == len(world.rows())


def test_a_database_of_another_ledger_is_not_mixed_in(world: World, tmp_path: Path) -> None:
    """Another network, or this one before it lost blocks: the model is made anew."""
    world.open()
    world.follower.close()  # type: ignore[union-attr]  # just opened
    other = Chain(members=1).open(tmp_path / "other")

    follower = Follower(other, world.url)
    assert 0 == follower.height
    with follower.engine.connect() as connection:
        assert [] == connection.execute(sql.select(LINE)).all()
    follower.close()
    other.close()
    world.follower = None
    world.open()
    assert 8 == len(world.rows())


def test_a_model_ahead_of_its_ledger_is_made_anew(world: World, tmp_path: Path) -> None:
    """A copy that lost its folder starts from nothing, and so does what was read from it."""
    world.open()
    world.follower.close()  # type: ignore[union-attr]  # just opened
    young = world.chain.open(tmp_path / "young")

    follower = Follower(young, world.url)

    assert 0 == follower.height
    follower.close()
    young.close()


def test_a_database_that_fails_is_asked_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost connection ends nothing: the same blocks come again, once."""
    monkeypatch.setattr(follower_module, "RETRY_S", 0.01)
    follower = world.open()
    begin, failures = follower.engine.begin, iter([True, True])

    def fragile() -> Any:
        if next(failures, False):
            raise sql.exc.OperationalError("", {}, Exception("connection lost"))
        return begin()

    monkeypatch.setattr(follower.engine, "begin", fragile)
    world.block([line(10)])
    follower.wait_for(world.ledger.tip.height)

    assert 9 == len(world.rows())


def test_a_bug_of_a_model_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The follower stops, the ledger does not; a query is told that the model is behind."""
    monkeypatch.setattr(follower_module, "WAIT_S", 0.05)
    broken = replace(MODELS[0], rows=lambda _block: {LINE: [1 / 0]})  # type: ignore[list-item]  # the bug

    with pytest.raises(Problem, match="Behind"):
        world.open(models=(broken,))

    assert world.follower is not None
    world.follower._thread.join(5)
    assert not world.follower._thread.is_alive()


def test_a_block_is_in_all_tables_or_in_none(world: World) -> None:
    """One SQL transaction: a reader never sees a height without its rows."""
    follower = world.open()
    lines = sql.select(sql.func.count()).select_from(LINE).scalar_subquery()
    transactions = sql.select(sql.func.count()).select_from(TRANSACTION).scalar_subquery()
    seen: set[int] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            with follower.engine.connect() as connection:
                seen.add(connection.execute(sql.select(lines - transactions)).scalar_one())

    reader = threading.Thread(target=look)
    reader.start()
    for number in range(10, 20):
        world.block([line(number)])
    follower.wait_for(world.ledger.tip.height)
    stop.set()
    reader.join()

    assert {3} == seen
