"""
FHIR R4's own definitions, packed into the tables the validator reads.

    python -m tools.build_fhir_definitions

Input: `tests/data/fhir/hl7.fhir.r4.core-4.0.1.subset.ndjson.gz`, one definition a line.
Output: `src/salus/formats/fhir/definitions/r4.json.gz`, one JSON object of four tables:

    elements    type (`Observation`, `Observation.component`) -> element as spelt in JSON
                -> [type, min, max (0 = many), choice ("" = none), value set ("" = none)]
    resources   names of all concrete resource types
    values      URL of each finite required value set -> code system -> codes
    patients    resource type -> paths of the references that place it in the Patient
                compartment, `subject` and `patient` first

The build fails on anything it does not understand: a table with a gap would be a check
that never fires.
"""

import gzip
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tests/data/fhir/hl7.fhir.r4.core-4.0.1.subset.ndjson.gz"
TARGET = ROOT / "src/salus/formats/fhir/definitions/r4.json.gz"

Definition = dict[str, Any]
Row = list[str | int]

UNBOUNDED_SETS = {
    "http://hl7.org/fhir/ValueSet/mimetypes",
    "http://hl7.org/fhir/ValueSet/ucum-units",
    "http://hl7.org/fhir/ValueSet/currencies",
    "http://loinc.org/vs/LL379-9",
}
"""Required sets whose codes are infinite or kept elsewhere: nothing to check against."""

FHIRPATH = "http://hl7.org/fhirpath/System."
FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"


def main() -> None:
    """Read the source, write the packed tables."""
    TARGET.write_bytes(gzip.compress(packed(read_definitions(SOURCE)), mtime=0))


def packed(definitions: list[Definition]) -> bytes:
    """Tables as sorted JSON without blanks; the gzip around it may differ by library."""
    types = [d for d in definitions if is_type(d)]
    tables = {
        "elements": elements_of(types),
        "resources": sorted(
            d["id"] for d in types if d["kind"] == "resource" and not d["abstract"]
        ),
        "values": values_of(types, definitions),
        "patients": patients_of(definitions),
    }
    return json.dumps(tables, sort_keys=True, separators=(",", ":")).encode()


def read_definitions(path: Path) -> list[Definition]:
    """All definitions of the source file, in its order."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def is_type(definition: Definition) -> bool:
    """Whether it defines a resource or complex type of its own, not a profile or a pattern."""
    return (
        definition["resourceType"] == "StructureDefinition"
        and definition["kind"] in {"resource", "complex-type"}
        and definition.get("derivation") != "constraint"
    )


def elements_of(types: list[Definition]) -> dict[str, dict[str, Row]]:
    """Every type and nested part with its elements, choices spelt out."""
    tables: dict[str, dict[str, Row]] = {}
    for definition in types:
        elements = definition["snapshot"]["element"]
        parents = {e["path"].rpartition(".")[0] for e in elements}
        tables[definition["id"]] = {}
        for element in elements[1:]:
            parent, _, name = element["path"].rpartition(".")
            tables.setdefault(parent, {}).update(
                rows_of(element, name, is_nested=element["path"] in parents)
            )
    return tables


def rows_of(element: Definition, name: str, *, is_nested: bool) -> dict[str, Row]:
    """One row a spelling: `value[x]` gives `valueQuantity`, `valueString` and so on."""
    low, high = element["min"], 0 if element["max"] == "*" else int(element["max"])
    if is_nested:
        return {name: [element["path"], low, high, "", ""]}
    if "contentReference" in element:
        return {name: [element["contentReference"].removeprefix("#"), low, high, "", ""]}
    types = [type_of(element, t) for t in element["type"]]
    bound = required_set(element)
    if not name.endswith("[x]"):
        (only,) = types
        return {name: [only, low, high, "", bound]}
    stem = name.removesuffix("[x]")
    return {stem + t[0].upper() + t[1:]: [t, low, high, stem, bound] for t in types}


def type_of(element: Definition, declared: Definition) -> str:
    """FHIR type of an element; ids and extension URLs are declared as FHIRPath strings."""
    code: str = declared["code"]
    if not code.startswith(FHIRPATH):
        return code
    # R4 declares Resource.id a string; its text and its regex say `id` (FHIR R4 2.26.3.1).
    if element["base"]["path"] == "Resource.id":
        return "id"
    (named,) = [e["valueUrl"] for e in declared["extension"] if e["url"] == FHIR_TYPE]
    return str(named)


def required_set(element: Definition) -> str:
    """URL of the value set that the element's code must come from, or ""."""
    binding = element.get("binding", {})
    if binding.get("strength") != "required":
        return ""
    url: str = binding["valueSet"].partition("|")[0]
    return "" if url in UNBOUNDED_SETS else url


def values_of(
    types: list[Definition], definitions: list[Definition]
) -> dict[str, dict[str, list[str]]]:
    """Codes by system of each required value set, sorted."""
    by_url = {
        (d["resourceType"], d["url"]): d
        for d in definitions
        if d["resourceType"] in {"ValueSet", "CodeSystem"}
    }
    used = {required_set(e) for d in types for e in d["snapshot"]["element"]} - {""}
    return {url: codes_of(by_url[("ValueSet", url)], by_url) for url in used}


def codes_of(
    value_set: Definition, by_url: dict[tuple[str, str], Definition]
) -> dict[str, list[str]]:
    """Codes by system of one value set: listed ones, or all of a complete code system."""
    compose = value_set["compose"]
    codes: dict[str, set[str]] = {}
    for part in compose["include"]:
        if part.keys() - {"system", "concept", "version", "extension"} or "exclude" in compose:
            message = f"{value_set['url']}: only whole systems and listed codes are understood"
            raise ValueError(message)
        concepts = part.get("concept") or by_url[("CodeSystem", part["system"])]["concept"]
        codes.setdefault(part["system"], set()).update(flattened(concepts))
    return {system: sorted(found) for system, found in codes.items()}


def flattened(concepts: list[Definition]) -> list[str]:
    """Codes of a hierarchy, parents and children alike."""
    return [code for c in concepts for code in (c["code"], *flattened(c.get("concept", [])))]


def patients_of(definitions: list[Definition]) -> dict[str, list[str]]:
    """Reference paths of the Patient compartment by resource type (66 types)."""
    (compartment,) = [
        d
        for d in definitions
        if d["resourceType"] == "CompartmentDefinition" and d["id"] == "patient"
    ]
    parameters = [d for d in definitions if d["resourceType"] == "SearchParameter"]
    return {
        part["code"]: reference_paths(part["code"], part["param"], parameters)
        for part in compartment["resource"]
        if part.get("param")
    }


def reference_paths(kind: str, names: list[str], parameters: list[Definition]) -> list[str]:
    """Paths of the named search parameters on one type, `subject` and `patient` first."""
    paths = [
        option.strip().removeprefix(f"{kind}.").partition(".where(")[0]
        for name in names
        for parameter in parameters
        if parameter.get("code") == name and kind in parameter.get("base", ())
        for option in parameter["expression"].split("|")
        if option.strip().startswith(f"{kind}.")
    ]
    return sorted(dict.fromkeys(paths), key=lambda path: path not in {"subject", "patient"})


if __name__ == "__main__":
    main()
