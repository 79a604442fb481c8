"""
The widths and ranges of the values that stand in consensus bytes, one name each.

They are annotated plain types: `msgspec` checks them at the door, mypy sees `bytes`, `int`, `str`.
"""

from typing import Annotated

import msgspec

INT_MAX = 2**53 - 1
"""Largest integer in any consensus value: the largest a browser's number holds exactly."""

Hash32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""A SHA-256 value, or 32 zero bytes where a page says so."""

Id16 = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
"""A name of 16 bytes: random, or the start of a hash."""

MemberId = Id16
"""First 16 bytes of SHA-256(D("member") ‖ the member's first transaction key)."""

KeyId = Id16
"""First 16 bytes of SHA-256(D("key") ‖ algorithm byte ‖ public key)."""

Tag = Id16
"""The random public name of one patient's compartment."""

PublicKey = Annotated[bytes, msgspec.Meta(min_length=33, max_length=33)]
"""Algorithm byte ‖ 32 B key; which registry the byte belongs to is the field's own word."""

Signature = Annotated[bytes, msgspec.Meta(min_length=65, max_length=65)]
"""Algorithm byte ‖ 64 B signature."""

Int = Annotated[int, msgspec.Meta(ge=-INT_MAX, le=INT_MAX)]
"""Any consensus integer."""

Count = Annotated[int, msgspec.Meta(ge=0, le=INT_MAX)]
"""A number of things, or a running number; never negative."""

Height = Count
"""A block's height; the genesis stands at 0."""

TimeMs = Annotated[int, msgspec.Meta(ge=0, le=INT_MAX)]
"""Milliseconds since 1970-01-01 UTC, of block time."""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
"""Spans of time, in the unit of `TimeMs`; a day has no leap second."""

U8 = Annotated[int, msgspec.Meta(ge=0, le=2**8 - 1)]
U16 = Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]

Text64 = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*\Z")]
"""1–64 characters without control characters."""
