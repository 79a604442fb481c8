"""Bounds on FHIR input (`security.md` §8); over a size the answer is 413, never 500."""

MIB = 1024 * 1024

RESOURCE_BYTES_MAX = 10 * MIB
"""One resource, also inside a Bundle and on an NDJSON line: the size of one sealed record."""

BUNDLE_BYTES_MAX = 50 * MIB
"""A whole Bundle or NDJSON file handed over at once; the largest test Bundle has 3 MB."""

ENTRIES_MAX = 20_000
"""Entries of a Bundle, lines of an NDJSON file."""

STRING_BYTES_MAX = 8 * MIB
"""One JSON string as written, escapes counted: an attachment's base64 is the longest."""

DEPTH_MAX = 40
"""Objects and lists inside each other; test data has 16, and Python's stack has 1,000."""

NODES_MAX = 2_000_000
"""Openings and commas outside strings, so about the values; test data has 50,938."""

NUMBER_DIGITS_MAX = 40
EXPONENT_MAX = 64
"""Digits of a number as written, and the span of its exponent: `1e999999999` is a bomb."""

ISSUES_MAX = 100
"""Findings told at once; a sender who has 100 faults has one fault."""
