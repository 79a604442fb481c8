"""
What is wrong with a resource: level, FHIR issue code, place and rule; never a value.

The rule is a sentence of ours that says what was expected, so a finding can be logged and
answered without holding anything of the person it is about.
"""

from typing import Literal, NamedTuple

from salus.base.errors import Category, Problem

Level = Literal["structure", "binding", "bundle"]


class Issue(NamedTuple):
    """One finding."""

    level: Level
    """Which kind of rule: the JSON form, a code's value set, or the Bundle's own rules."""

    code: str
    """OperationOutcome issue code: structure, required, value, code-invalid or invariant."""

    path: str
    """FHIRPath of the place, such as `Bundle.entry[17].resource.birthDate`; indexes from 0."""

    rule: str
    """What was expected there, in words."""

    line: int = 0
    """Line of an NDJSON file, from 1; 0 = not from such a file."""

    def __str__(self) -> str:
        """Place and rule, as one clause."""
        place = f"line {self.line}, {self.path}" if self.line else self.path
        return f"{place}: {self.rule}"


class FhirProblem(Problem):
    """Input that is not accepted. `issues` holds 1–100 findings, or none for its form or size."""

    def __init__(
        self, category: Category, name: str, text: str, issues: tuple[Issue, ...] = ()
    ) -> None:
        """Say no, with all findings; `name` and `text` as in `Problem`."""
        super().__init__(category, name, text)
        self.issues = issues


_REFUSALS: dict[Level, tuple[Category, str]] = {
    "structure": (Category.MALFORMED, "StructureInvalid"),
    "binding": (Category.INVALID, "CodeInvalid"),
    "bundle": (Category.INVALID, "BundleInvalid"),
}
"""Kinds of refusal, the first that applies wins (`interop.md` §4, G10–G12)."""


def refusal(issues: list[Issue]) -> FhirProblem:
    """Name the problem of a non-empty list of findings after the gravest level among them."""
    levels = {issue.level for issue in issues}
    category, name = next(kind for level, kind in _REFUSALS.items() if level in levels)
    more = f", and {len(issues) - 1} more" if len(issues) > 1 else ""
    text = f"{issues[0]}{more}; correct the resource and send all of it again"
    return FhirProblem(category, name, text, tuple(issues))


def too_large(what: str, limit: int, found: int) -> FhirProblem:
    """
    Name the problem of input over a bound.

    `what`: thing and unit, such as "bytes of a Bundle".
    """
    text = f"expected at most {limit:,} {what}, found {found:,}; send it in smaller parts"
    return FhirProblem(Category.TOO_LARGE, "TooLarge", text)


def malformed(expected: str) -> FhirProblem:
    """Name the problem of bytes that are not the JSON we take; `expected` tells the form."""
    text = f"expected {expected}; check the sender's JSON encoder"
    return FhirProblem(Category.MALFORMED, "BodyMalformed", text)
