"""Questions about audit lines: against a plain filter, by pages, by digest, on PostgreSQL too."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.peers.postgres import PostgresPeer
from salus.base.errors import Problem
from salus.modules.audit.messages import RecordLine
from salus.node.follower.follower import Follower
from salus.node.follower.lines import LIMIT_MAX, SORTS, LinesAsked, find_lines
from salus.node.follower.models import MODELS
from tests.support.followed import TERMS, World, line


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
