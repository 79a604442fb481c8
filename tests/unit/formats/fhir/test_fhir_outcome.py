"""Refusals as OperationOutcome, lawful themselves and silent about the person."""

import pytest

from salus.base.errors import Category
from salus.formats.fhir.bundle import read_resource
from salus.formats.fhir.issues import FhirProblem, Issue, refusal, too_large
from salus.formats.fhir.outcome import outcome, outcome_of
from salus.formats.fhir.walker import validate

FORM = Issue("structure", "value", "Patient.birthDate", "expected a date of FHIR R4 4.0.1", line=3)
CODE = Issue("binding", "code-invalid", "Patient.gender", "expected a code of http://x")
WHOLE = Issue("bundle", "invariant", "Bundle.total", "bdl-1: expected a total only in a searchset")


def test_outcome_tells_every_finding() -> None:
    """Code, words and place of each, in order."""
    told = outcome(refusal([FORM, CODE]))

    assert [] == validate(told)
    assert {
        "severity": "error",
        "code": "value",
        "diagnostics": "line 3, Patient.birthDate: expected a date of FHIR R4 4.0.1",
        "expression": ["Patient.birthDate"],
    } == told["issue"][0]
    assert ["value", "code-invalid"] == [issue["code"] for issue in told["issue"]]


def test_outcome_of_a_problem_without_findings() -> None:
    """A size or a form is one issue, by the category's code."""
    told = outcome(too_large("bytes", 10, 11))

    assert [] == validate(told)
    assert ["too-long"] == [issue["code"] for issue in told["issue"]]


def test_outcome_of_no_findings() -> None:
    """`$validate` must answer something when all is well."""
    told = outcome_of([])

    assert [] == validate(told)
    assert ["information"] == [issue["severity"] for issue in told["issue"]]


KINDS = {
    "form before all": ([WHOLE, CODE, FORM], "StructureInvalid", Category.MALFORMED),
    "code before rule": ([WHOLE, CODE], "CodeInvalid", Category.INVALID),
    "rule": ([WHOLE], "BundleInvalid", Category.INVALID),
}


@pytest.mark.parametrize(("issues", "name", "category"), KINDS.values(), ids=KINDS.keys())
def test_the_gravest_level_names_the_refusal(
    issues: list[Issue], name: str, category: Category
) -> None:
    """As the gateway's refusals are numbered: the lower number wins."""
    problem = refusal(issues)

    assert (name, category) == (problem.name, problem.category)


def test_nothing_of_the_person_is_told() -> None:
    """A resource full of secrets is refused without one of them."""
    private = "Ethel-Miller-1931"
    body = f'{{"resourceType":"Patient","birthDate":"{private}","{private}":1}}'
    with pytest.raises(FhirProblem) as caught:
        read_resource(body.encode())

    assert private not in str(outcome(caught.value)) + str(caught.value)
