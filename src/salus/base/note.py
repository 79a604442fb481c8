"""
Notes: signed statements of a log's size and root, as C2SP writes them (`ledger.md` §3.8).

    salus/<first 32 hex of network id>/<member id hex>      origin: one log of one member
    3                                                       size
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=            root
    (empty line)
    — <name> <base64 of key hash ‖ signature>               one line a key

- Text of exactly three lines: a line more would be cosigned without being understood.
- A log signs by type 01 over the text; a cosigner by type 04 over time and text.
- Names are origins: a member's one log key signs its own notes and cosigns all others'.

Sources: C2SP signed-note, tlog-checkpoint, tlog-cosignature, tlog-witness.
"""

import dataclasses
from collections.abc import Sequence
from hashlib import sha256

from salus.base import merkle, signing
from salus.base.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX
from salus.base.note_text import (
    NoteRefused,
    decode64,
    encode64,
    is_name,
    parse_decimal,
    parse_hash,
)

LOG = 1
"""Signature type of a log: Ed25519 over the text (C2SP signed-note)."""

COSIGNER = 4
"""Signature type of a cosigner: timestamped Ed25519, `cosignature/v1` (C2SP tlog-cosignature)."""

HASHES_MAX = 63
"""Hashes of any inclusion or consistency proof (C2SP tlog-witness)."""

_DASH = "\u2014 "


class SignatureMissing(NoteRefused):
    """The note carries no signature of this key."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What a note says: the log `origin` has `size` entries and the RFC 6962 root `root`, 32 B."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The three lines that are signed, each ended."""
        return f"{self.origin}\n{self.size}\n{encode64(self.root)}\n"


@dataclasses.dataclass(frozen=True)
class NoteKey:
    """A public key as notes name it: name, type (`LOG` or `COSIGNER`), 33 B key."""

    name: str
    kind: int
    public: bytes

    @property
    def hash(self) -> bytes:
        """SHA-256(name ‖ LF ‖ type ‖ 32 B key)[:4] (C2SP signed-note, "Signatures")."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public[1:]).digest()[
            :4
        ]

    @property
    def text(self) -> str:
        """The C2SP vkey: name + hex of the hash + base64 of type ‖ key."""
        return f"{self.name}+{self.hash.hex()}+{encode64(bytes([self.kind]) + self.public[1:])}"


@dataclasses.dataclass(frozen=True)
class Signer:
    """A log key and the name it signs under: its member's origin."""

    name: str
    key: signing.SigningKey

    def public(self, kind: int) -> NoteKey:
        """The public key as a log's (`LOG`) or as a cosigner's (`COSIGNER`)."""
        return NoteKey(self.name, kind, self.key.public)


@dataclasses.dataclass(frozen=True)
class Line:
    """One signature line; `blob` is 4 B key hash ‖ signature, of a type only the key can tell."""

    name: str
    blob: bytes

    @property
    def text(self) -> str:
        """The line, ended."""
        return f"{_DASH}{self.name} {encode64(self.blob)}\n"


@dataclasses.dataclass(frozen=True)
class Note:
    """A checkpoint and its signatures; nothing of it counts before `check`."""

    checkpoint: Checkpoint
    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        """The whole note, as stored and sent."""
        return self.checkpoint.text + "\n" + "".join(line.text for line in self.lines)

    def add(self, line: Line) -> "Note":
        """The same note with one signature more; an older one of the same key gives way."""
        kept = [old for old in self.lines if (old.name, old.blob[:4]) != (line.name, line.blob[:4])]
        return Note(self.checkpoint, (*kept, line))


def origin(network: bytes, member: bytes) -> str:
    """A member's name as a log and as a cosigner; `network` 32 B, `member` 16 B."""
    return f"salus/{network.hex()[:32]}/{member.hex()}"


def sign(checkpoint: Checkpoint, signer: Signer) -> Note:
    """The log's own note; raises NoteRefused if the signer is not the checkpoint's origin."""
    if signer.name != checkpoint.origin:
        raise NoteRefused("a log signs checkpoints of its own origin only")
    signature = signer.key.sign(checkpoint.text.encode())
    return Note(checkpoint, (Line(signer.name, signer.public(LOG).hash + signature[1:]),))


def cosign(note: Note, signer: Signer, time_s: int) -> Line:
    """
    A cosigner's line: "at `time_s` (seconds since 1970 UTC) this was the largest tree I had seen".

    The caller checked the log's signature and `may_cosign`, and stored the checkpoint, before.
    """
    time = time_s.to_bytes(8, "big")
    signature = signer.key.sign(_signed_bytes(COSIGNER, note.checkpoint.text, time))
    return Line(signer.name, signer.public(COSIGNER).hash + time + signature[1:])


def check(note: Note, key: NoteKey) -> int:
    """
    Check every signature of `key` on the note; answers its newest time in seconds, 0 for a log's.

    Raises SignatureMissing (no line names this key), NoteRefused (one does and does not hold: C2SP
    signed-note has the whole note rejected then).
    """
    named = [line for line in note.lines if (line.name, line.blob[:4]) == (key.name, key.hash)]
    if not named:
        raise SignatureMissing("no signature of this key")
    return max(check_line(key, note.checkpoint.text, line.blob) for line in named)


def check_line(key: NoteKey, text: str, blob: bytes) -> int:
    """Check one signature over any note text; answers and raises as `check` does."""
    time, signature = blob[4:-64], blob[-64:]
    if len(blob) != {LOG: 68, COSIGNER: 76}[key.kind]:
        raise NoteRefused("the signature has not the length of its type")
    if time > (2**63 - 1).to_bytes(8, "big"):
        raise NoteRefused("the cosignature's time is beyond 2^63 - 1 seconds")
    try:
        signing.verify(
            key.public, bytes([signing.ED25519]) + signature, _signed_bytes(key.kind, text, time)
        )
    except signing.SignatureRefused:
        raise NoteRefused("a signature of a known key does not hold") from None
    return int.from_bytes(time, "big")


def may_cosign(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, consistency: Sequence[bytes]
) -> None:
    """
    A cosigner's rule: sign `new` after `old` only if the log grew by appending (C2SP tlog-witness).

    `old`: the last checkpoint it cosigned of this origin; if none, size 0 and any root.
    `consistency`: ≤ 63 hashes. Raises NoteRefused: too many hashes, an empty log with a root, sizes
    that go back, no growth.
    """
    if len(consistency) > HASHES_MAX:
        raise NoteRefused(f"a consistency proof has at most {HASHES_MAX} hashes")
    if new_size == 0 and new_root != merkle.EMPTY_ROOT:
        raise NoteRefused("the root of an empty log is SHA-256 of nothing")
    try:
        old = old_root if old_size else merkle.EMPTY_ROOT
        merkle.check_consistency(old_size, new_size, old, new_root, consistency)
    except merkle.PathRefused as error:
        raise NoteRefused(str(error)) from None


def parse(text: str) -> Note:
    """
    Read a note, its form only; what it returns writes the same text again.

    Raises NoteRefused: size, characters, parts, the three lines, number of signatures, a signature.
    """
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        raise NoteRefused("a note is UTF-8") from None
    if size_bytes > NOTE_BYTES_MAX:
        raise NoteRefused(f"a note has at most {NOTE_BYTES_MAX} bytes")
    if any(character < " " and character != "\n" for character in text):
        raise NoteRefused("a note has no control characters")
    head, separator, tail = text.rpartition("\n\n")
    if not separator or not tail.endswith("\n"):
        raise NoteRefused("expected text, an empty line, signatures, each line ended")
    lines = tail[:-1].split("\n")
    if len(lines) > NOTE_SIGNATURES_MAX:
        raise NoteRefused(f"a note has at most {NOTE_SIGNATURES_MAX} signatures")
    return Note(_parse_checkpoint(head), tuple(_parse_line(line) for line in lines))


def parse_key(text: str) -> NoteKey:
    """Read a C2SP vkey of type 01 or 04; raises NoteRefused: form, type, hash, point."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not is_name(parts[0]):
        raise NoteRefused("expected a key as name+hash+base64")
    material = decode64(parts[2])
    if len(material) != 33 or material[0] not in (LOG, COSIGNER):
        raise NoteRefused("expected an Ed25519 key of type 01 or 04")
    key = NoteKey(parts[0], material[0], bytes([signing.ED25519]) + material[1:])
    if parts[1] != key.hash.hex():
        raise NoteRefused("the key's hash is not that of its name, type and bytes")
    try:
        signing.check_point(key.public)
    except signing.KeyRefused as error:
        raise NoteRefused(str(error)) from None
    return key


def _signed_bytes(kind: int, text: str, time: bytes) -> bytes:
    if kind == LOG:
        return text.encode()
    return f"cosignature/v1\ntime {int.from_bytes(time, 'big')}\n{text}".encode()


def _parse_checkpoint(head: str) -> Checkpoint:
    parts = head.split("\n")
    if len(parts) != 3 or not is_name(parts[0]):
        raise NoteRefused("expected exactly three lines: origin, size, root")
    return Checkpoint(parts[0], parse_decimal(parts[1]), parse_hash(parts[2]))


def _parse_line(line: str) -> Line:
    name, _, signature = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not is_name(name):
        raise NoteRefused("expected a signature line: dash, name, base64")
    blob = decode64(signature)
    if len(blob) < 5:
        raise NoteRefused("a signature is a key hash of 4 bytes and at least one more")
    return Line(name, blob)
