"""A document as it comes in: a bundle, one resource, or NDJSON by its name."""

from collections.abc import Sequence

import msgspec

from salus.formats.fhir.bundle import Resource, read_bundle, read_ndjson, read_resource
from salus.formats.fhir.codec import BOM


def read_document(name: str, data: bytes) -> Sequence[Resource]:
    """Resources of NDJSON (so named), a bundle, or one resource; raises FhirProblem."""
    if name.endswith(".ndjson"):
        return read_ndjson(data)
    if _is_bundle(data):
        return read_bundle(data).resources
    return [read_resource(data)]


def _is_bundle(data: bytes) -> bool:
    try:
        return _KIND.decode(data.removeprefix(BOM)).resourceType == "Bundle"
    except msgspec.DecodeError:
        return False


class _Kind(msgspec.Struct):
    """The one member that tells what a JSON body is."""

    resourceType: str = ""  # noqa: N815 (FHIR's name)


_KIND = msgspec.json.Decoder(_Kind)
