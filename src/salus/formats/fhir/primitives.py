"""
R4's primitive types: one function each, value in, whether it is lawful out.

Patterns are those of FHIR R4 2.24.0.1 read as ASCII, tightened where its text says more than
its regex: a day must exist, an integer has 32 bits, no value is blank, and of the control
characters only TAB, CR and LF occur.
"""

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

Check = Callable[[object], bool]

INTEGER_MAX = 2**31 - 1
INTEGER_MIN = -(2**31)

_YEAR = r"(?!0000)[0-9]{4}"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_VISIBLE = r"[^\s\x00-\x1f]+"


def _matcher(pattern: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(pattern, re.ASCII).fullmatch


_date = _matcher(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?")
_date_time = _matcher(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_TIME}{_ZONE})?)?)?")
_instant = _matcher(f"{_YEAR}-{_MONTH}-{_DAY}T{_TIME}{_ZONE}")
_time = _matcher(_TIME)
_code = _matcher(f"{_VISIBLE}(?: {_VISIBLE})*")
_id = _matcher(r"[A-Za-z0-9\-.]{1,64}")
_uri = _matcher(_VISIBLE)
_oid = _matcher(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+")
_uuid = _matcher(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_base64 = _matcher(r"[A-Za-z0-9+/]+={0,2}")
_control = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]").search
_blanks = str.maketrans("", "", " \t\r\n")


def is_boolean(value: object) -> bool:
    """`true` or `false`."""
    return type(value) is bool


def is_integer(value: object) -> bool:
    """32-bit signed."""
    return type(value) is int and INTEGER_MIN <= value <= INTEGER_MAX


def is_positive_int(value: object) -> bool:
    """1 … 2^31 − 1."""
    return type(value) is int and 1 <= value <= INTEGER_MAX


def is_unsigned_int(value: object) -> bool:
    """0 … 2^31 − 1."""
    return type(value) is int and 0 <= value <= INTEGER_MAX


def is_decimal(value: object) -> bool:
    """A number as the codec decodes it; its size is the codec's bound."""
    return type(value) is int or type(value) is Decimal


def is_string(value: object) -> bool:
    """Not blank, without control characters; also markdown and XHTML."""
    return (
        type(value) is str
        and not (value.isspace() or not value)
        # Almost all text is printable, and asking that is faster than any pattern.
        and (value.isprintable() or _control(value) is None)
    )


def is_code(value: object) -> bool:
    """Visible text with at most single blanks inside."""
    return type(value) is str and _code(value) is not None


def is_id(value: object) -> bool:
    """1–64 letters, digits, hyphens and dots."""
    return type(value) is str and _id(value) is not None


def is_uri(value: object) -> bool:
    """Any text without blanks; also url and canonical."""
    return type(value) is str and _uri(value) is not None


def is_oid(value: object) -> bool:
    """`urn:oid:` and a dotted number."""
    return type(value) is str and _oid(value) is not None


def is_uuid(value: object) -> bool:
    """`urn:uuid:` and a UUID in lower case."""
    return type(value) is str and _uuid(value) is not None


def is_date(value: object) -> bool:
    """Year, month or day that exists."""
    return type(value) is str and _date(value) is not None and _day_exists(value)


def is_date_time(value: object) -> bool:
    """Like date, or a full time with seconds and zone."""
    return type(value) is str and _date_time(value) is not None and _day_exists(value)


def is_instant(value: object) -> bool:
    """A day that exists, time with seconds, zone."""
    return type(value) is str and _instant(value) is not None and _day_exists(value)


def is_time(value: object) -> bool:
    """Time of day with seconds, without zone."""
    return type(value) is str and _time(value) is not None


def is_base64(value: object) -> bool:
    """Base64 of at least one byte; blanks between the characters are allowed."""
    if type(value) is not str:
        return False
    packed = value.translate(_blanks)
    return len(packed) % 4 == 0 and _base64(packed) is not None


_DAY_IN_EVERY_MONTH = "28"


def _day_exists(text: str) -> bool:
    """Whether a text of one of the date patterns names a real day (or none)."""
    if text[8:10] <= _DAY_IN_EVERY_MONTH:
        return True
    try:
        date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        return False
    return True


CHECKS: dict[str, Check] = {
    "base64Binary": is_base64,
    "boolean": is_boolean,
    "canonical": is_uri,
    "code": is_code,
    "date": is_date,
    "dateTime": is_date_time,
    "decimal": is_decimal,
    "id": is_id,
    "instant": is_instant,
    "integer": is_integer,
    "markdown": is_string,
    "oid": is_oid,
    "positiveInt": is_positive_int,
    "string": is_string,
    "time": is_time,
    "unsignedInt": is_unsigned_int,
    "uri": is_uri,
    "url": is_uri,
    "uuid": is_uuid,
    "xhtml": is_string,
}
"""By FHIR type name; whatever is not here is an object."""
