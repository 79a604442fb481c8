"""
Notes: what this member signed, and what it cosigned, held to the log the journal gives.

A note of a size the journal does not reach names blocks that were acknowledged and are gone; a note
of another root names another history. Keys of any time count: a note outlives the key that made it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from salus.base import codec, note
from salus.base.note import COSIGNER, LOG, Note, NoteKey
from salus.base.note_text import NoteRefused
from salus.machine.context import View
from salus.modules.members import queries as members
from salus.node.audit.report import Finding, Report
from salus.node.cosigner import Seen
from salus.node.member_keys import LOG_USE

CHECKPOINT = "checkpoint"
COSIGNED = "cosigned"

_MEMBER = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Stated:
    """What one file says the log was."""

    place: str
    size: int
    root: bytes
    note: Note | None
    """With its signatures; None for what was cosigned."""


def read_notes(folder: Path, report: Report) -> list[Stated]:
    """All notes of the folder `notes`; one that cannot be read is a finding."""
    stated = []
    for path in _files(folder):
        place = f"notes/{path.relative_to(folder)}"
        try:
            stated.append(_read(path, place))
        except (NoteRefused, codec.Malformed, UnicodeDecodeError) as error:
            found = f"what is none ({type(error).__name__})"
            report.add(Finding("notes", place, "a note as it was written", found))
    report.counts["notes"] = len(stated)
    return stated


def check_notes(
    stated: list[Stated], roots: dict[int, bytes], log_size: int, report: Report
) -> None:
    """Compare what notes state with the log: `roots` of the sizes they name, up to `log_size`."""
    for one in stated:
        if one.size > log_size:
            expected = f"a log of {one.size} entries, as signed"
            report.add(Finding("journal", one.place, expected, f"{log_size}"))
        elif one.size and one.root != roots.get(one.size):
            found = roots.get(one.size)
            text = "no block that ends there" if found is None else found.hex()
            expected = f"root {one.root.hex()} at size {one.size}"
            report.add(Finding("notes", one.place, expected, text))


def check_signatures(stated: list[Stated], view: View, report: Report) -> None:
    """Check every signature of every note by the members' log keys, retired ones too."""
    keys = {(key.name, key.hash): key for key in _log_keys(view)}
    for one in stated:
        for line in () if one.note is None else one.note.lines:
            report.counts["notes.signatures"] += 1
            key = keys.get((line.name, line.blob[:4]))
            if key is None:
                report.add(Finding("notes", one.place, "signatures by members' keys", "another"))
            elif not _holds(key, one.note, line):
                report.add(Finding("notes", one.place, "signatures that hold", "one that does not"))


def own_member(stated: list[Stated]) -> bytes | None:
    """The member whose checkpoint lies here: the last part of its origin; None without one."""
    for one in stated:
        if one.note is not None:
            name = one.note.checkpoint.origin.rpartition("/")[2]
            return bytes.fromhex(name) if _MEMBER.fullmatch(name) else None
    return None


def _files(folder: Path) -> Iterator[Path]:
    if (folder / CHECKPOINT).exists():
        yield folder / CHECKPOINT
    yield from sorted((folder / COSIGNED).glob("*.seen"))


def _read(path: Path, place: str) -> Stated:
    if path.name == CHECKPOINT:
        found = note.parse(path.read_bytes().decode())
        return Stated(place, found.checkpoint.size, found.checkpoint.root, found)
    seen = codec.decode(path.read_bytes(), Seen)
    return Stated(place, seen.size, seen.root, None)


def _log_keys(view: View) -> Iterator[NoteKey]:
    for member in members.admitted(view):
        name = note.origin(view.network, member)
        for generation in range(members.ring(view, member, LOG_USE).count):
            row = members.key(view, member, LOG_USE, generation)
            if row is not None:
                yield NoteKey(name, LOG, row.key)
                yield NoteKey(name, COSIGNER, row.key)


def _holds(key: NoteKey, signed: Note | None, line: note.Line) -> bool:
    try:
        note.check_line(key, "" if signed is None else signed.checkpoint.text, line.blob)
    except NoteRefused:
        return False
    return True
