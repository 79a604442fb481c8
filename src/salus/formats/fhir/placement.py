"""
Where a record belongs: its compartment, labels and day (`patient-control.md` §3.2).

    1  a type outside the table is directory data: no compartment, the member's house tag
    2  the strictest label decides, in the order substance, genetic, sexual, mental
    3  without one: type, for observations and reports by category
"""

from dataclasses import dataclass
from typing import Any

from salus.formats.fhir.days import Day, day_of
from salus.formats.fhir.labels import compartment_of, labels_of

(
    IDENTITY,
    EMERGENCY,
    PROBLEMS,
    MEDICINES,
    LABS,
    IMAGING,
    NOTES,
    IMMUNISATIONS,
    VITALS,
    VISITS,
    DOCUMENTS,
    BILLING,
    MENTAL,
    SUBSTANCE,
    SEXUAL,
    GENETIC,
) = range(16)
"""Compartment numbers; they are part of key derivation and never change."""

TYPES: dict[int, tuple[str, ...]] = {
    IDENTITY: ("Patient", "Person", "RelatedPerson", "Group"),
    PROBLEMS: (
        *("Condition", "AllergyIntolerance", "AdverseEvent", "DetectedIssue", "Flag"),
        *("FamilyMemberHistory", "RiskAssessment", "Procedure", "BodyStructure", "CarePlan"),
        *("CareTeam", "Goal", "NutritionOrder", "List"),
    ),
    MEDICINES: (
        *("MedicationRequest", "MedicationStatement", "MedicationDispense"),
        *("MedicationAdministration", "Medication", "RequestGroup", "VisionPrescription"),
    ),
    LABS: ("Specimen", "Observation", "DiagnosticReport"),
    IMAGING: ("ImagingStudy", "Media"),
    NOTES: (
        *("ClinicalImpression", "Communication", "CommunicationRequest"),
        *("QuestionnaireResponse", "Composition"),
    ),
    IMMUNISATIONS: ("Immunization", "ImmunizationEvaluation", "ImmunizationRecommendation"),
    VITALS: ("Device", "DeviceMetric", "DeviceUseStatement", "DeviceRequest"),
    VISITS: (
        *("Encounter", "EpisodeOfCare", "Appointment", "AppointmentResponse", "Schedule"),
        *("Slot", "ServiceRequest", "Task", "SupplyRequest", "SupplyDelivery"),
    ),
    DOCUMENTS: (
        *("DocumentReference", "DocumentManifest", "Binary", "Bundle", "Consent", "Basic"),
        *("Provenance", "AuditEvent", "MeasureReport", "ResearchSubject", "GuidanceResponse"),
    ),
    BILLING: (
        *("Account", "ChargeItem", "Claim", "ClaimResponse", "ExplanationOfBenefit", "Invoice"),
        *("Coverage", "CoverageEligibilityRequest", "CoverageEligibilityResponse"),
        *("EnrollmentRequest", "EnrollmentResponse", "PaymentNotice", "PaymentReconciliation"),
    ),
    GENETIC: ("MolecularSequence",),
}
"""Resource types by compartment; all 66 of R4's Patient compartment are among them."""

CATEGORIES: dict[str, dict[int, tuple[str, ...]]] = {
    "Observation": {
        LABS: ("laboratory",),
        VITALS: ("vital-signs", "vital-sign", "activity"),
        IMAGING: ("imaging",),
        NOTES: ("survey", "social-history", "exam"),
        PROBLEMS: ("procedure", "therapy"),
    },
    "DiagnosticReport": {
        IMAGING: (
            *("RAD", "RUS", "CT", "NMR", "NMS", "CTH", "CUS", "OUS", "VUS", "XRC"),
            "LP29684-5",
        ),
        GENETIC: ("GE",),
    },
    "Consent": {EMERGENCY: ("acd", "dnr", "hcd", "polst")},
}
"""Category codes that decide before the type does; a Consent of these is an advance directive."""

PATIENT_SUMMARY = "60591-5"
"""LOINC type of the Composition that heads an International Patient Summary (IPS 2.0)."""

_BY_TYPE = {name: number for number, names in TYPES.items() for name in names}
_BY_CATEGORY = {
    name: {code: number for number, codes in table.items() for code in codes}
    for name, table in CATEGORIES.items()
}


@dataclass(frozen=True, slots=True)
class Placement:
    """What the gateway seals a record under."""

    compartment: int | None
    """0–15; None = directory data, kept under the member's house tag."""

    labels: tuple[str, ...]
    """Sensitivity labels, sorted; sealed with the record and checked again after opening."""

    day: Day | None
    """Slot of its clinical day; None = that of intake."""


def place(resource: dict[str, Any], part2: bool = False) -> Placement:  # noqa: FBT001, FBT002 (as the gateway's interface has it)
    """
    Decide where a record belongs.

    `resource`: passed the walker. `part2`: the author is registered as a Part 2 programme.
    """
    compartment = ordinary_compartment(resource)
    labels = labels_of(resource, part2=part2 and compartment is not None)
    if compartment is not None:
        sensitive = compartment_of(labels)
        compartment = compartment if sensitive is None else sensitive
    return Placement(compartment, labels, day_of(resource))


def ordinary_compartment(resource: dict[str, Any]) -> int | None:
    """Compartment by type and category, as if there were no labels; None = directory data."""
    kind = resource["resourceType"]
    if kind == "Bundle" and _is_patient_summary(resource):
        return EMERGENCY
    categories = _BY_CATEGORY.get(kind)
    if categories:
        for code in _codes(resource.get("category", ())):
            if code in categories:
                return categories[code]
    return _BY_TYPE.get(kind)


def _is_patient_summary(bundle: dict[str, Any]) -> bool:
    entries = bundle.get("entry", [])
    head = entries[0].get("resource", {}) if entries else {}
    # Other types have a `type` too, of another shape.
    is_composition = head.get("resourceType") == "Composition"
    return is_composition and PATIENT_SUMMARY in _codes([head.get("type", {})])


def _codes(concepts: list[dict[str, Any]] | tuple[()]) -> list[str]:
    return [
        coding["code"]
        for concept in concepts
        for coding in concept.get("coding", ())
        if "code" in coding
    ]
