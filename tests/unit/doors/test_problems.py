"""Every "no" as documents and exit codes."""

from pathlib import Path

import pytest
import structlog

from salus.base.codec import Malformed
from salus.base.errors import Category, Fault, Outdated, Problem
from salus.doors.logs import FIELDS, VALUE_CHARACTERS_MAX, keep_allowed
from salus.doors.problems import TYPE_PREFIX, tell, tell_code
from salus.machine.refusals import EnvelopeMalformed, NonceUsed

EXITS = {
    Category.MALFORMED: (400, 65),
    Category.INVALID: (422, 65),
    Category.TOO_LARGE: (413, 65),
    Category.UNAUTHENTICATED: (401, 65),
    Category.FORBIDDEN: (403, 65),
    Category.NOT_FOUND: (404, 65),
    Category.GONE: (410, 65),
    Category.CONFLICT: (409, 65),
    Category.UNVERIFIED: (422, 65),
    Category.UNSUPPORTED: (501, 69),
    Category.BUSY: (429, 75),
    Category.UNAVAILABLE: (503, 75),
    Category.UNKNOWN_OUTCOME: (504, 75),
    Category.FAULT: (500, 70),
}


@pytest.mark.parametrize("category", Category)
def test_status_and_exit_code_follow_the_category(category: Category) -> None:
    """The house's table (`style.md` §4), which scripts and programs rely on."""
    told = tell(Problem(category, "Name", "text"))

    assert EXITS[category] == (told.status, told.exit_code)


def test_a_program_too_old_is_told_as_what_is_missing() -> None:
    """69, after which no supervisor starts it again: only a newer program helps."""
    told = tell(Outdated("from block 9 on the members' rules are of version 2"))

    assert ("Outdated", 69) == (told.name, told.exit_code)
    assert "block 9" in told.text


def test_a_refusal_keeps_number_and_facts() -> None:
    """A program reads the receipt's number, a person the meaning and the facts."""
    told = tell(NonceUsed(nonce=3, floor=5))

    expected = {
        "type": TYPE_PREFIX + "NonceUsed",
        "title": "NonceUsed",
        "status": 409,
        "detail": "The key spent this nonce already, or skipped it for good.",
        "code": 14,
        "category": "CONFLICT",
        "facts": {"nonce": 3, "floor": 5},
    }
    assert expected == told.document


def test_a_problem_keeps_name_and_facts() -> None:
    """Bytes are shown in hex, the receipt's number stands in `code`."""
    told = tell(Problem(Category.INVALID, "Refused", "words", code=9002, id=b"\x01\xff"))

    assert (9002, {"id": "01ff"}) == (told.document["code"], told.document["facts"])


def test_undecodable_bytes_are_malformed() -> None:
    """The codec's own "no" is a caller's slip, not a bug of ours."""
    assert Category.MALFORMED is tell(Malformed("at $.key")).category


def test_a_code_unknown_to_this_version_is_told() -> None:
    """An older client reads a newer node's receipts."""
    assert ("Refused", 31999) == (tell_code(31999, None).name, tell_code(31999, None).number)
    assert "EnvelopeMalformed" == tell_code(2, EnvelopeMalformed).name


@pytest.mark.parametrize("error", [ValueError("Jane Doe 1970"), KeyError("Jane Doe 1970")])
def test_what_nobody_foresaw_quotes_nothing(error: Exception) -> None:
    """A library's words may hold a person's data: neither answer nor log repeats them."""
    with structlog.testing.capture_logs() as lines:
        told = tell(_raised(error))

    assert Category.FAULT is told.category
    assert told.facts["request"] in told.text
    assert "Jane" not in repr((told, lines))
    assert {"kind", "place", "request", "event", "log_level"} == set(lines[0])
    assert Path(__file__).name == lines[0]["place"].split(":")[0]


def test_a_fault_says_what_an_operator_does() -> None:
    """Its words are ours: heights and commands."""
    assert "run `salus repair`" in tell(Fault("journal damaged: run `salus repair`")).text


def test_log_fields_are_an_allow_list() -> None:
    """A field nobody listed is dropped and counted; long and odd values are tamed."""
    long = "x" * 300
    line = {"event": "e", "reason": "a\nb", "patient": "Jane", "place": long, "height": 3}

    kept = keep_allowed(None, "info", dict(line))

    expected = {
        "event": "e",
        "reason": "a�b",
        "place": long[:VALUE_CHARACTERS_MAX],
        "height": 3,
        "dropped_fields": 1,
    }
    assert expected == kept
    assert "patient" not in FIELDS


def _raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught
