"""Findings as FHIR R4 says them: an OperationOutcome, without any value of the person."""

from typing import Any

from salus.formats.fhir.issues import FhirProblem, Issue


def outcome(problem: FhirProblem) -> dict[str, Any]:
    """
    Tell a problem as an OperationOutcome resource.

    One issue a finding, in order; a problem without findings (form, size) is one issue.
    """
    if problem.issues:
        return outcome_of(problem.issues)
    return _resource([_issue(problem.category.fhir_issue, problem.text)])


def outcome_of(issues: tuple[Issue, ...] | list[Issue]) -> dict[str, Any]:
    """
    Tell findings as an OperationOutcome resource; none is told as "all in order".

    An issue without errors must still be there: R4 asks for at least one (1..*).
    """
    if not issues:
        return _resource([_issue("informational", "no findings", severity="information")])
    return _resource([_issue(i.code, str(i), expression=i.path) for i in issues])


def _issue(
    code: str, diagnostics: str, *, severity: str = "error", expression: str = ""
) -> dict[str, Any]:
    place = {"expression": [expression]} if expression else {}
    return {"severity": severity, "code": code, "diagnostics": diagnostics} | place


def _resource(issues: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": issues}
