"""Quarantine: whole, once, bounded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.base.errors import Category, Problem
from salus.gateway.desk import Desk
from salus.gateway.quarantine import Quarantine

WRONG = Problem(Category.INVALID, "CodeInvalid", "expected another code")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk of its own."""
    made = Desk(tmp_path / "desk.db", bytes(32))
    yield made
    made.close()


def test_a_document_is_kept_whole_with_its_reason(desk: Desk) -> None:
    """The very bytes come back, and what was wrong is listed."""
    quarantine = Quarantine(desk, lambda: 5)
    place = quarantine.keep("a.json", b"{broken", WRONG)
    listed = quarantine.all()

    assert ("a.json", b"{broken") == quarantine.document(place)
    assert [(place, "CodeInvalid", 7, 5, 1)] == [
        (one.id, one.problem, one.size_bytes, one.received_ms, one.count) for one in listed
    ]


def test_the_same_bytes_stand_there_once(desk: Desk) -> None:
    """A sender that repeats itself raises a count and fills no disk."""
    quarantine = Quarantine(desk, lambda: 5)
    places = {quarantine.keep("a.json", b"same", WRONG) for _ in range(3)}

    assert 1 == len(places)
    assert [3] == [one.count for one in quarantine.all()]


def test_a_full_quarantine_says_so_and_keeps_what_it_has(desk: Desk) -> None:
    """At the bound a document is refused as not kept; after one is dropped there is room."""
    quarantine = Quarantine(desk, lambda: 5, source_bytes_max=10)
    first = quarantine.keep("a", b"123456", WRONG)
    with pytest.raises(Problem) as full:
        quarantine.keep("b", b"12345", WRONG)

    assert "QuarantineFull" == full.value.name
    assert "CodeInvalid" in full.value.text
    assert [first] == [one.id for one in quarantine.all()]
    quarantine.drop(first)
    assert quarantine.keep("b", b"12345", WRONG)


def test_an_unknown_id_is_told(desk: Desk) -> None:
    """A dropped document is gone, its bytes too."""
    quarantine = Quarantine(desk, lambda: 5)
    place = quarantine.keep("a", b"123", WRONG)
    quarantine.drop(place)

    with pytest.raises(Problem, match="NotInQuarantine"):
        quarantine.document(place)
    assert [] == list(desk.all("quarantine-body"))
