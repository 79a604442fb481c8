"""Primitive types: a row a value, on both sides of each edge."""

from decimal import Decimal

import pytest

from salus.formats.fhir.primitives import CHECKS

LAWFUL: dict[str, tuple[object, ...]] = {
    "base64Binary": ("QUJD", "QUI=", "Q Q\n= ="),
    "boolean": (True, False),
    "canonical": ("http://x/StructureDefinition/a|1.0#b",),
    "code": ("final", "a b", "vital-signs"),
    "date": ("2024", "2024-02", "2024-02-29", "0001-01-01", "1900-12-31"),
    "dateTime": ("2024", "2024-02-29", "2024-02-29T23:59:60Z", "2024-01-01T00:00:00.123+14:00"),
    "decimal": (1, Decimal("1.50"), Decimal("-1E+5"), 0),
    "id": ("a", "A-1.b", "x" * 64),
    "instant": ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.1-05:00"),
    "integer": (0, 2**31 - 1, -(2**31)),
    "markdown": ("# a\n\tb\r\n",),
    "oid": ("urn:oid:1.2.840.0",),
    "positiveInt": (1, 2**31 - 1),
    "string": ("x", " x ", "a\tb\r\nc", "Jesús", "\u00a0x", "🙂"),
    "time": ("00:00:00", "23:59:60.123"),
    "unsignedInt": (0, 2**31 - 1),
    "uri": ("urn:uuid:1", "Patient/1", "#"),
    "url": ("mailto:a@b",),
    "uuid": ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520",),
    "xhtml": ("<div/>",),
}

UNLAWFUL: dict[str, tuple[object, ...]] = {
    "base64Binary": ("", "QQ", "QUJD=", "%%%2", "Q===", "=QQQ", 1),
    "boolean": ("true", 0, 1, None),
    "canonical": ("", "a b"),
    "code": ("", " final", "final ", "a  b", "a\tb", "a\x00b", 1),
    "date": ("", "24", "0000", "2024-13", "2023-02-29", "2024-02-30", "2024-1-1", "01/02/2024"),
    "dateTime": ("2024-02-29T10:00:00", "2024-02-29T24:00:00Z", "2024-02-29T10:00Z", "2024-02-30"),
    "decimal": ("1.5", True, 1.5, None),
    "id": ("", "a_b", "x" * 65, "é", "a\n"),
    "instant": ("2024-02-29", "2024-02-29T00:00:00", "2023-02-29T00:00:00Z"),
    "integer": (2**31, -(2**31) - 1, Decimal("1.0"), True, "1"),
    "markdown": ("", " \n"),
    "oid": ("1.2.840", "urn:oid:3.1", "urn:oid:1.02"),
    "positiveInt": (0, -1, 2**31, True),
    "string": ("", " ", "\t\n", "\u00a0", "a\x00", "a\x1b[0m", 1, None, ["x"], {"a": 1}),
    "time": ("24:00:00", "10:00", "10:00:00Z"),
    "unsignedInt": (-1, 2**31, False),
    "uri": ("", " ", "a b", "a\n"),
    "url": ("a b",),
    "uuid": (
        "c757873d-ec9a-4326-a141-556f43239520",
        "urn:uuid:C757873D-EC9A-4326-A141-556F43239520",
    ),
    "xhtml": ("",),
}


def test_every_type_has_rows() -> None:
    """A type without a row on either side would be a type that is not tested."""
    assert CHECKS.keys() == LAWFUL.keys() == UNLAWFUL.keys()


@pytest.mark.parametrize("kind", CHECKS)
def test_check(kind: str) -> None:
    """A check says yes to each lawful value and no to each other, and never raises."""
    check = CHECKS[kind]

    assert [] == [value for value in LAWFUL[kind] if not check(value)]
    assert [] == [value for value in UNLAWFUL[kind] if check(value)]
