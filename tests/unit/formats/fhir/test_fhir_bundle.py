"""What senders hand over: exact bytes kept, all or nothing, faults named by place."""

import contextlib
import hashlib
import random
from typing import Any

import pytest

from salus.formats.fhir import limits
from salus.formats.fhir.bundle import (
    Bundle,
    Request,
    Resource,
    read_bundle,
    read_ndjson,
    read_resource,
)
from salus.formats.fhir.bundle_rules import bundle_issues
from salus.formats.fhir.codec import parse
from salus.formats.fhir.issues import FhirProblem

PATIENT = b'{ "resourceType":"Patient" , "id" : "p1"}'
BINARY = b'{"resourceType":"Binary","contentType":"a/b"}'


def bundle(kind: str, *entries: bytes) -> bytes:
    """Bundle of a type with these entries."""
    listed = b',"entry":[%b]' % b",\n".join(entries) if entries else b""
    return b'{"resourceType":"Bundle","type":"%b"%b}' % (kind.encode(), listed)


def post(resource: bytes) -> bytes:
    """Entry of a transaction that creates a resource."""
    return (
        b'{"request":{"method":"POST","url":"X","ifNoneExist":"a=b"}, "resource" : %b }' % resource
    )


def refused(data: bytes) -> FhirProblem:
    """The problem that reading a Bundle raises."""
    with pytest.raises(FhirProblem) as caught:
        read_bundle(data)
    return caught.value


def test_samples_are_as_the_manifest_says(
    manifest: dict[str, Any],
    sources: dict[str, bytes],
    bundles: dict[str, Bundle],
    bulk: dict[str, list[Resource]],
) -> None:
    """Every sample unpacks to its listed bytes and reads as its listed number of resources."""
    rows = manifest["bundles"] + manifest["ndjson"]
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sources.items()}
    counts = {name: len(read.resources) for name, read in bundles.items()}
    counts |= {name: len(read) for name, read in bulk.items()}

    assert {row["file"]: row["sha256"] for row in rows} == digests
    assert {row["file"]: row["resources"] for row in rows} == counts
    assert {"bundles": 11_619, "ndjson": 7_160} == manifest["resources"]


def test_resources_keep_their_bytes(sources: dict[str, bytes], bundles: dict[str, Bundle]) -> None:
    """The bytes of each resource are a slice of the input, in order, and decode to its value."""
    name, read = next(iter(bundles.items()))
    rest = sources[name]
    for resource in read.resources:
        _, found, rest = rest.partition(resource.raw)
        assert found
        assert resource.value == parse(resource.raw)


def test_read_bundle_keeps_blanks_names_and_requests() -> None:
    """Nothing of an entry is normalised."""
    entry = post(PATIENT).replace(b"{", b'{"fullUrl":"urn:uuid:1",', 1)
    read = read_bundle(b"\xef\xbb\xbf" + bundle("transaction", entry))
    (found,) = read.resources

    assert ("transaction", "Patient", "p1", "urn:uuid:1") == (
        read.type,
        found.type,
        found.id,
        found.full_url,
    )
    assert PATIENT == found.raw
    assert Request("POST", "X", None, "a=b") == read.entries[0].request


def test_read_bundle_takes_entries_without_resource_or_request() -> None:
    """A DELETE brings no resource, a collection's entry no request; a Bundle may be empty."""
    deleting = b'{"request":{"method":"DELETE","url":"Patient/1"}}'
    (deletion,) = read_bundle(bundle("batch", deleting)).entries
    (collected,) = read_bundle(bundle("collection", b'{"resource":%b}' % BINARY)).entries

    assert (None, "DELETE") == (deletion.resource, deletion.request and deletion.request.method)
    assert None is collected.request
    assert () == read_bundle(b'{"resourceType":"Bundle","type":"batch"}').entries


def test_one_bad_resource_refuses_the_bundle() -> None:
    """All findings are told with their places, and nothing is taken."""
    bad = b'{"resourceType":"Patient","birthDate":"31.12.1999","gender":"x"}'
    problem = refused(bundle("transaction", post(PATIENT), post(bad)))

    assert "StructureInvalid" == problem.name
    assert [
        ("value", "Bundle.entry[1].resource.birthDate"),
        ("code-invalid", "Bundle.entry[1].resource.gender"),
    ] == [(issue.code, issue.path) for issue in problem.issues]
    assert "1999" not in str(problem)


REFUSED: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"MSH|", "BodyMalformed"),
    "no object": (b"[]", "StructureInvalid"),
    "another resource": (PATIENT, "StructureInvalid"),
    "a code outside its set": (bundle("bulk"), "CodeInvalid"),
    "an entry without request": (bundle("batch", b'{"resource":%b}' % BINARY), "BundleInvalid"),
    "a type that brings nothing in": (bundle("searchset"), "BundleTypeUnsupported"),
    "a type said by extension": (
        b'{"resourceType":"Bundle","_type":{"extension":[{"url":"a","valueCode":"b"}]}}',
        "BundleTypeUnsupported",
    ),
    "a method said by extension": (
        bundle("batch", b'{"request":{"url":"x","_method":{"id":"a"}},"resource":%b}' % BINARY),
        "BundleInvalid",
    ),
    "a write of nothing": (
        bundle("batch", b'{"request":{"method":"PUT","url":"x"}}'),
        "BundleInvalid",
    ),
    "a doubled member": (
        bundle("batch", post(b'{"resourceType":"Patient","id":"a","id":"b"}')),
        "BodyMalformed",
    ),
    "20,001 entries": (bundle("batch", *[b"{}"] * (limits.ENTRIES_MAX + 1)), "TooLarge"),
    "a resource over 10 MiB": (
        bundle(
            "batch",
            post(
                b'{"resourceType":"Patient","name":[%b{"text":"x"}]}'
                % (b'{"text":"%b"},' % (b"x" * 7_000_000) * 2)
            ),
        ),
        "TooLarge",
    ),
}


@pytest.mark.parametrize(("data", "name"), REFUSED.values(), ids=REFUSED.keys())
def test_read_bundle_refuses(data: bytes, name: str) -> None:
    """Each kind of bad input has its own name."""
    assert name == refused(data).name


def test_bundle_rules_find_the_broken_bundles(broken: list[Any]) -> None:
    """The five broken Bundles of the outside file are found by rule, and nothing else in them."""
    rows = [row for row in broken if row["level"] == "bundle"]
    found = {row["kind"].split()[0]: bundle_issues(row["resource"]) for row in rows}

    assert {"bdl-7", "bdl-3", "bdl-2", "bdl-9", "bdl-11"} == found.keys()
    assert all(
        rule == issue.rule.split(":")[0] for rule, issues in found.items() for issue in issues
    )
    assert all(found.values())


RULES: dict[str, tuple[dict[str, Any], str]] = {
    "bdl-1": ({"type": "batch", "total": 1}, "Bundle.total"),
    "bdl-4": (
        {"type": "collection", "entry": [{"resource": {}, "response": {"status": "200"}}]},
        "Bundle.entry[0]",
    ),
    "bdl-5": ({"type": "collection", "entry": [{"fullUrl": "urn:x"}]}, "Bundle.entry[0]"),
    "bdl-8": (
        {"type": "collection", "entry": [{"fullUrl": "http://x/A/1/_history/2", "resource": {}}]},
        "Bundle.entry[0]",
    ),
    "bdl-10": (
        {
            "type": "document",
            "identifier": {"system": "a", "value": "b"},
            "entry": [{"resource": {"resourceType": "Composition"}}],
        },
        "Bundle.timestamp",
    ),
    "bdl-12": ({"type": "message", "entry": []}, "Bundle.entry[0]"),
}


@pytest.mark.parametrize("rule", RULES)
def test_bundle_rule(rule: str) -> None:
    """Each rule fires alone, at its place."""
    value, path = RULES[rule]
    (issue,) = bundle_issues(value)

    assert ("invariant", path, rule) == (issue.code, issue.path, issue.rule.split(":")[0])


def test_bundle_issues_stop_at_100() -> None:
    """As many findings as of any other check."""
    assert 100 == len(bundle_issues({"type": "collection", "entry": [{}] * 101}))


def test_two_versions_of_one_name_are_lawful() -> None:
    """bdl-7 counts fullUrl and version together."""
    entries = [
        {"fullUrl": "urn:x", "resource": {"meta": {"versionId": version}}} for version in "12"
    ]

    assert [] == bundle_issues({"type": "collection", "entry": entries})


def test_read_resource_keeps_its_bytes() -> None:
    """From brace to brace, without mark and line ends."""
    assert PATIENT == read_resource(b"\xef\xbb\xbf\n" + PATIENT + b"\r\n").raw


def test_read_resource_refuses() -> None:
    """A body that is no resource is told so; a Bundle's own rules hold here too."""
    with pytest.raises(FhirProblem, match="bdl-1"):
        read_resource(b'{"resourceType":"Bundle","type":"collection","total":1}')
    with pytest.raises(FhirProblem, match="expected a resourceType"):
        read_resource(b'{"resourceType":"Pacient"}')


def test_read_ndjson_takes_any_line_ends() -> None:
    """CR LF, blank lines and a missing last line end change nothing."""
    read = read_ndjson(PATIENT + b"\r\n\n  \n" + BINARY)

    assert [PATIENT, BINARY] == [resource.raw for resource in read]
    assert [] == read_ndjson(b"")


def test_read_ndjson_names_the_line() -> None:
    """Findings of all lines are collected; numbers are those an editor shows."""
    bad = b'{"resourceType":"Patient","active":"yes"}'
    with pytest.raises(FhirProblem) as caught:
        read_ndjson(b"\n".join([PATIENT, b"", bad, BINARY, bad]))

    assert [(3, "Patient.active"), (5, "Patient.active")] == [
        (issue.line, issue.path) for issue in caught.value.issues
    ]
    assert "line 3, Patient.active" in str(caught.value)


def test_read_ndjson_names_a_malformed_line() -> None:
    """What cannot be decoded has a line too."""
    with pytest.raises(FhirProblem, match="line 2: expected one JSON value"):
        read_ndjson(PATIENT + b"\nMSH|")


def test_read_ndjson_is_bounded() -> None:
    """50 MiB, 20,000 lines, 100 findings."""
    with pytest.raises(FhirProblem, match="lines of NDJSON"):
        read_ndjson((BINARY + b"\n") * (limits.ENTRIES_MAX + 1))
    with pytest.raises(FhirProblem, match="bytes of NDJSON"):
        read_ndjson(b" " * (limits.BUNDLE_BYTES_MAX + 1))
    with pytest.raises(FhirProblem) as caught:
        read_ndjson(b"{}\n" * 1_000)
    assert 100 == len(caught.value.issues)


def test_damaged_bundles_never_raise_anything_else(sources: dict[str, bytes]) -> None:
    """Flipped, cut and doubled bytes of a real Bundle: read or refused, nothing third."""
    source = min(sources.values(), key=len)[:20_000]
    whole = bundle("transaction", *[post(line) for line in source.splitlines()[:8]])
    dice = random.Random(7)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(damaged))
            damaged[place : place + dice.randint(0, 3)] = dice.randbytes(dice.randint(0, 3))
        with contextlib.suppress(FhirProblem):
            read_bundle(bytes(damaged))
