"""Log keys as notes name them: one signs its member's notes and cosigns all others'."""

from salus.base import note
from salus.base.note import LOG, NoteKey
from salus.machine.context import View
from salus.modules.members import queries as members

LOG_USE = 5
"""Use of the key that signs checkpoints and cosignatures."""


def log_keys(view: View, origin: str) -> list[NoteKey]:
    """The keys a note of this origin may be signed by; none if no active member has it."""
    return [
        key for member in members.roster(view) for key in member_keys(view, member, LOG)
        if key.name == origin
    ]  # fmt: skip


def member_keys(view: View, member: bytes, kind: int) -> list[NoteKey]:
    """One member's log keys as `LOG` or `COSIGNER` keys, newest first."""
    name = note.origin(view.network, member)
    return [NoteKey(name, kind, key) for key in members.keys(view, member, LOG_USE, view.time_ms)]
