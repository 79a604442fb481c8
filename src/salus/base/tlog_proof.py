"""
C2SP `.tlog-proof` text: an entry's place in a log and the note that fixes it (`ledger.md` §3.8).

    c2sp.org/tlog-proof@v1
    extra <base64>            optional; in Salus the entry itself
    index <decimal>           zero-based
    <base64 hash>             the inclusion path, leaf's sibling first, ≤ 63 lines
    (empty line)
    <note>                    verbatim

Nothing here is believed: `extra` is not signed, the path proves it (C2SP tlog-proof).
"""

import dataclasses

from salus.base.note import HASHES_MAX
from salus.base.note_text import NoteRefused, decode64, encode64, parse_decimal, parse_hash

HEADER = "c2sp.org/tlog-proof@v1"
"""The first line, and the format's version."""


@dataclasses.dataclass(frozen=True)
class TlogProof:
    """One entry's proof: extra bytes or None, its index, the path, the note's text."""

    extra: bytes | None
    index: int
    hashes: tuple[bytes, ...]
    note: str

    @property
    def text(self) -> str:
        """The file's text."""
        extra = [] if self.extra is None else [f"extra {encode64(self.extra)}"]
        hashes = [encode64(value) for value in self.hashes]
        return "\n".join([HEADER, *extra, f"index {self.index}", *hashes, "", self.note])


def parse(text: str) -> TlogProof:
    """
    Read a proof, its form only; the note is left as text.

    Raises NoteRefused: header, extra, index, number of hashes, a hash.
    """
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines.pop(0) != HEADER:
        raise NoteRefused(f"expected {HEADER}, a proof, an empty line, a note")
    extra = decode64(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise NoteRefused("expected an index line")
    index = parse_decimal(lines.pop(0)[6:])
    if len(lines) > HASHES_MAX:
        raise NoteRefused(f"a path has at most {HASHES_MAX} hashes")
    return TlogProof(extra, index, tuple(map(parse_hash, lines)), note)
