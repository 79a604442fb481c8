"""Read models: rebuilt at will, never ahead, the same over restarts, SQLite and PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from bench.peers.postgres import PostgresPeer
from salus.base.errors import Problem
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.node.follower import follower as follower_module
from salus.node.follower.follower import Follower
from salus.node.follower.lines import LIMIT_MAX, SORTS, LinesAsked, find_lines
from salus.node.follower.models import LINE, MODELS, TERM, TRANSACTION
from salus.node.ledger import Ledger
from tests.support.ledgers import Chain, add_block, term

TERMS = [
    DefineTerm(kind=kind, number=number, text=text)
    for kind, number, text in ((1, 1, "VIEW"), (1, 2, "FILE"), (2, 1, "WormBase"), (2, 2, "TOPMed"))
]


def line(number: int) -> RecordLine:
    """The lines of these tests: times go down in pairs, so that sorting does something."""
    return RecordLine(
        activity=1 + number % 2,
        node=1 + number % 3,
        ref=number,
        resource=1 + number // 2 % 2,
        time_ms=1_000 - number // 2,
        user=number % 4,
    )


class World:
    """A ledger with terms, and a read model beside it."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.chain = Chain(members=2)
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'model.db'}"
        self.ledger: Ledger = self.chain.open(folder / "ledger")
        self.nonce = 0
        self.block(TERMS)
        self.follower: Follower | None = None

    def block(self, *transactions: list[Any]) -> None:
        """One block of these transactions of the first member."""
        envelopes = []
        for messages in transactions:
            until_ms = self.ledger.tip.time_ms + 60_000
            envelopes.append(self.chain.sign(0, *messages, nonce=self.nonce, until_ms=until_ms))
            self.nonce += 1
        add_block(self.ledger, *envelopes)

    def open(self, **options: Any) -> Follower:
        """The follower of a process that starts now; it is at the tip when this returns."""
        if self.follower is not None:
            self.follower.close()
        self.follower = Follower(self.ledger, self.url, **options)
        self.follower.wait_for(self.ledger.tip.height)
        return self.follower

    def rows(self, table: sql.Table = LINE) -> list[tuple[Any, ...]]:
        """All rows of a model, sorted."""
        assert self.follower is not None
        with self.follower.engine.connect() as connection:
            return sorted(tuple(row) for row in connection.execute(sql.select(table)).all())

    def close(self) -> None:
        if self.follower is not None:
            self.follower.close()
        self.ledger.close()


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


@pytest.fixture(scope="module")
def asked_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follower]:
    """Eight lines, for tests that only ask."""
    world = World(tmp_path_factory.mktemp("asked"))
    world.block([line(number) for number in range(5)])
    world.block([line(number) for number in range(5, 8)])
    yield world.open()
    world.close()


CRITERIA: dict[str, tuple[LinesAsked, Callable[[RecordLine], bool]]] = {
    "everything": (LinesAsked(), lambda _one: True),
    "node": (LinesAsked(node=2), lambda one: one.node == 2),
    "ref": (LinesAsked(ref=3), lambda one: one.ref == 3),
    "user": (LinesAsked(user=1), lambda one: one.user == 1),
    "activity": (LinesAsked(activity=2), lambda one: one.activity == 2),
    "resource": (LinesAsked(resource=2), lambda one: one.resource == 2),
    "a span, both ends": (
        LinesAsked(start_ms=998, end_ms=999), lambda one: 998 <= one.time_ms <= 999),
    "all of it": (
        LinesAsked(node=1, ref=0, user=0, activity=1, resource=1, start_ms=0, end_ms=2_000),
        lambda one: one.ref == 0),
    "nothing": (LinesAsked(user=99), lambda _one: False),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "holds"), CRITERIA.values(), ids=CRITERIA.keys())
def test_criteria_find_what_a_plain_filter_finds(
    asked_only: Follower, asked: LinesAsked, holds: Callable[[RecordLine], bool]
) -> None:
    """Against the messages themselves; the digest is over the consortium's own lines."""
    found = find_lines(asked_only, asked)

    expected = [(number, one) for number, one in enumerate(map(line, range(8)), 1) if holds(one)]
    assert sorted(one.ref for _, one in expected) == sorted(row.ref for row in found.rows)
    texts = {(one.kind, one.number): one.text for one in TERMS}
    assert sorted(
        "\t".join(
            (
                *map(str, (one.time_ms, one.node, number, one.ref, one.user)),
                texts[1, one.activity],
                texts[2, one.resource],
            )
        )
        for number, one in expected
    ) == sorted(found.lines)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", SORTS)
def test_pages_by_cursor_give_the_whole_answer(
    asked_only: Follower,
    sort: str,
    descending: bool,  # noqa: FBT001 (a table's column)
) -> None:
    """Nothing twice and nothing left out, though the sorted value repeats."""
    asked = LinesAsked(sort=sort, descending=descending)
    whole = find_lines(asked_only, asked)
    column = "time_ms" if sort == "time" else sort
    values = [getattr(row, column) for row in whole.rows]
    assert sorted(values, reverse=descending) == values

    paged: list[Any] = []
    cursor = None
    for _ in range(4):
        page = find_lines(asked_only, replace(asked, limit=3, after=cursor))
        paged += page.rows
        cursor = page.cursor or cursor

    assert list(whole.rows) == paged
    assert find_lines(asked_only, replace(asked, after=cursor)).cursor is None


def test_equal_answers_have_equal_digests(asked_only: Follower) -> None:
    """However they are sorted; another answer has another."""
    digests = {find_lines(asked_only, LinesAsked(sort=sort)).digest for sort in SORTS}

    assert 1 == len(digests)
    assert find_lines(asked_only, LinesAsked(limit=7)).digest not in digests


@pytest.mark.parametrize(
    "asked", [LinesAsked(sort="rowid"), LinesAsked(limit=0), LinesAsked(limit=LIMIT_MAX + 1)]
)
def test_a_malformed_question_is_refused(asked_only: Follower, asked: LinesAsked) -> None:
    """An unknown sort, or a limit that would mean all."""
    with pytest.raises(Problem, match="QueryMalformed"):
        find_lines(asked_only, asked)


@pytest.mark.slow
def test_postgresql_gives_the_same_rows(tmp_path: Path) -> None:
    """A real server: rows, queries, restart, rebuild, all as with SQLite."""
    server = PostgresPeer()
    server.start(tmp_path)
    try:
        url = server.uri.replace("postgresql://", "postgresql+psycopg://")
        worlds = [World(tmp_path / "s"), World(tmp_path / "p", url)]
        for world in worlds:
            world.block([line(0), line(1), line(2)], [line(3), line(4)])
            world.open()
            world.block([line(5)])
            world.open()
        assert worlds[0].rows() == [tuple(row) for row in worlds[1].rows()]
        for asked, _ in CRITERIA.values():
            found = [find_lines(world.open(), asked) for world in worlds]
            assert found[0].digest == found[1].digest
            assert found[0].lines == found[1].lines
        newer = tuple(replace(model, version=2) for model in MODELS)
        worlds[1].open(models=newer)
        assert worlds[0].rows() == worlds[1].rows()
        for world in worlds:
            world.close()
    finally:
        server.stop()


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
