"""The error tree: numbers, categories, and words that hold no person's data."""

import pytest

from salus.base.errors import Category, Fault, Problem, Refusal, invariant


class TermOver(Refusal, number=7, category=Category.CONFLICT):
    """
    The term ended before this block.

    A second paragraph is for the documentation alone.
    """

    member: bytes
    until_ms: int


class Plain(Refusal, number=8, category=Category.INVALID):
    """No facts."""


def test_a_refusals_code_is_module_and_number() -> None:
    """It needs a module: one that no module declares has no code."""
    refusal = TermOver(member=b"\xab\xcd", until_ms=5)
    with pytest.raises(AttributeError):
        _ = refusal.code

    TermOver.module = 3

    assert 3_007 == refusal.code
    assert (7, Category.CONFLICT) == (refusal.number, refusal.category)


def test_a_refusal_says_its_meaning_and_its_facts() -> None:
    """Bytes in hex; the first paragraph alone."""
    text = "TermOver: The term ended before this block. (member=abcd, until_ms=5)"

    assert text == str(TermOver(member=b"\xab\xcd", until_ms=5))
    assert "Plain: No facts." == str(Plain())


def test_facts_are_named() -> None:
    """Nobody mixes two of one type up by their places."""
    with pytest.raises(TypeError):
        TermOver(b"", 5)  # type: ignore[call-arg]  # the mistake
    with pytest.raises(TypeError):
        TermOver(member=b"")  # type: ignore[call-arg]  # the mistake


def test_two_refusals_are_two_events() -> None:
    """Equality is identity, as of all exceptions: they can be kept in sets."""
    assert Plain() != Plain()
    assert 2 == len({Plain(), Plain()})


def test_a_problem_has_a_name_for_programs_and_words_for_people() -> None:
    """And facts beside them."""
    problem = Problem(Category.GONE, "HeightTooOld", "expected 5, found 3", oldest=5)

    assert "HeightTooOld: expected 5, found 3" == str(problem)
    assert {"oldest": 5} == problem.facts
    assert (410, "deleted", 65) == (
        problem.category.http_status, problem.category.fhir_issue, problem.category.exit_code,
    )  # fmt: skip


def test_an_invariant_raises_a_fault() -> None:
    """It is no `assert`: it survives `python -O`."""
    invariant(1, "all is well")
    with pytest.raises(Fault, match="something is wrong"):
        invariant([], "something is wrong")


def test_categories_are_the_designs() -> None:
    """`style.md` §4: fourteen, each with a status, an issue code and an exit code."""
    assert 14 == len(Category)
    assert {400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 501, 503, 504} == {
        one.http_status for one in Category
    }
    assert {65, 69, 70, 75} == {one.exit_code for one in Category}
    assert 14 == len({one.value for one in Category})
