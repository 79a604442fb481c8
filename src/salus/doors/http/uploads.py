"""
Files handed in by a form: taken apart in memory, never by a temporary file, and inflated in bounds.

Plain health data is written nowhere by the door (`security.md` §8, §13).
"""

import zlib
from collections.abc import Iterator

from multipart import (  # type: ignore[import-untyped]  # it has no py.typed
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
)

from salus.base.errors import Category, Problem
from salus.base.limits import INFLATE_RATIO_MAX
from salus.formats.fhir.limits import BUNDLE_BYTES_MAX, MIB

FORM_BYTES_MAX = 128 * MIB
"""One request's files as sent; a larger import goes in several requests."""

DOCUMENTS_BYTES_MAX = 256 * MIB
"""The same files inflated: what the gateway holds in memory at once."""

FILES_MAX = 1_000
"""Files of one request."""

GZIP = ".gz"
_GZIP_BITS = 31
"""zlib's word for a gzip stream of any window."""


def read_form(body: bytes, content_type: str) -> list[tuple[str, bytes]]:
    """
    The form's files as (name, bytes), `.gz` ones inflated and named without it.

    Raises Problem FormMalformed, DocumentTooLarge, GzipMalformed.
    """
    documents: list[tuple[str, bytes]] = []
    room = DOCUMENTS_BYTES_MAX
    for name, data in _files(body, _boundary(content_type)):
        plain_name = name.removesuffix(GZIP)
        plain = data if plain_name == name else inflate(data, min(BUNDLE_BYTES_MAX, room))
        room -= len(plain)
        if len(plain) > BUNDLE_BYTES_MAX or room < 0:
            raise _too_large()
        documents.append((plain_name, plain))
    if not documents:
        raise _malformed("a form with at least one file", "none")
    return documents


def inflate(data: bytes, limit_bytes: int) -> bytes:
    """
    Undo gzip, counting while it grows; raises Problem DocumentTooLarge, GzipMalformed.

    `limit_bytes`: of the whole; it may also be at most 100 times its packed size, or 1 MiB.
    """
    limit = min(limit_bytes, max(MIB, INFLATE_RATIO_MAX * len(data)))
    parts: list[bytes] = []
    size = 0
    while data:
        stream = zlib.decompressobj(_GZIP_BITS)
        try:
            parts.append(stream.decompress(data, limit - size + 1))
        except zlib.error:
            raise _gzip_malformed() from None
        size += len(parts[-1])
        if size > limit:
            raise _too_large()
        if not stream.eof:
            raise _gzip_malformed()
        data = stream.unused_data
    return b"".join(parts)


def _files(body: bytes, boundary: str) -> Iterator[tuple[str, bytes]]:
    name: str | None = None
    parts: list[bytes] = []
    try:
        with PushMultipartParser(boundary, max_segment_count=FILES_MAX) as parser:
            for event in parser.parse(body):
                if isinstance(event, MultipartSegment):
                    name, parts = event.filename, []
                elif event:
                    parts.append(bytes(event))
                elif name is not None:
                    yield name, b"".join(parts)
    except MultipartError:
        raise _malformed("multipart/form-data as RFC 7578 has it", "another form") from None


def _boundary(content_type: str) -> str:
    rest = content_type.partition(";")[2]
    for part in rest.split(";"):
        name, _, value = part.strip().partition("=")
        if name.lower() == "boundary" and value:
            return value.strip('"')
    raise _malformed("multipart/form-data with a boundary", "another content type")


def _malformed(expected: str, found: str) -> Problem:
    return Problem(Category.MALFORMED, "FormMalformed", f"expected {expected}, found {found}")


def _gzip_malformed() -> Problem:
    return Problem(
        Category.MALFORMED,
        "GzipMalformed",
        "a file named .gz is no whole gzip stream; pack it again",
    )


def _too_large() -> Problem:
    return Problem(
        Category.TOO_LARGE,
        "DocumentTooLarge",
        f"expected at most {BUNDLE_BYTES_MAX} bytes a document, {DOCUMENTS_BYTES_MAX} a request, "
        f"and {INFLATE_RATIO_MAX} times its packed size; send it in parts",
    )
