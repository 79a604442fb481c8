"""
Cosigning: a member signs that another's log only grew (C2SP tlog-witness; `ledger.md` §5.5).

What was cosigned last of each origin is on disk before the answer leaves, so that no restart makes
this member sign two histories. A log that differs from the member's own is refused as well.
"""

import threading
from pathlib import Path

from salus.base import codec, note
from salus.base.codec import Struct
from salus.base.errors import Category, Fault, Problem
from salus.base.note import Checkpoint, Signer
from salus.base.note_text import NoteRefused
from salus.base.types import Count, Hash32
from salus.node.ledger import Ledger
from salus.node.member_keys import log_keys
from salus.node.ports import Clock
from salus.node.small_file import write_whole

ROUTE = "log/cosign"
CATCH_UP_S = 3.0
"""How long to wait for the own copy to reach the note's size before refusing."""


class CosignAsked(Struct, frozen=True):
    """A signed note, and the proof that it extends the log of `old_size`."""

    consistency: list[Hash32]
    note: str
    old_size: Count


class Cosigned(Struct, frozen=True):
    """The cosigner's line."""

    name: str
    blob: bytes


class SizeKnown(Problem):
    """409: the cosigner last signed another size; ask again with a proof from it."""

    def __init__(self, size: int) -> None:
        """`size`: what the cosigner last signed of this origin."""
        super().__init__(Category.CONFLICT, "SizeKnown", str(size))


class Seen(Struct, frozen=True):
    """What is kept of an origin: the file `notes/cosigned/<origin>.seen`."""

    root: Hash32
    size: Count


class Cosigner:
    """One member's cosigning of all members' logs."""

    def __init__(self, folder: Path, ledger: Ledger, signer: Signer, clock: Clock) -> None:
        """`folder`: one small file an origin."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._ledger = ledger
        self._signer = signer
        self._clock = clock
        self._lock = threading.Lock()

    def cosign(self, asked: CosignAsked) -> Cosigned:
        """
        Sign, or say why not.

        Raises Problem: NoteRefused (form, unknown origin, signature, not grown, differs from this
        member's log), SizeKnown (a proof from another size is needed).
        """
        try:
            parsed = note.parse(asked.note)
            self._check_origin(parsed)
            self._reach(parsed.checkpoint.size)
            with self._lock:
                self._check_growth(parsed.checkpoint, asked)
                self._remember(parsed.checkpoint)
        except NoteRefused as refused:
            raise Problem(Category.UNVERIFIED, "NoteRefused", str(refused)) from None
        line = note.cosign(parsed, self._signer, self._clock.now_ms() // 1000)
        return Cosigned(name=line.name, blob=line.blob)

    def newest_size(self) -> int:
        """The largest size this member ever cosigned, 0 if none."""
        sizes = [self._read(path).size for path in self._folder.glob("*.seen")]
        return max(sizes, default=0)

    def _check_origin(self, parsed: note.Note) -> None:
        view = self._ledger.view()
        for key in log_keys(view, parsed.checkpoint.origin):
            try:
                note.check(parsed, key)
            except note.SignatureMissing:
                continue
            return
        raise NoteRefused("the note is signed by no log key of an active member")

    def _reach(self, size: int) -> None:
        """Wait for the own copy; outside the lock, so that a false size keeps nobody waiting."""
        tip = self._ledger.tip
        end_s = self._clock.monotonic() + CATCH_UP_S
        while tip.log_size < size:
            left_s = end_s - self._clock.monotonic()
            older, tip = tip, self._ledger.wait_above(tip.height, max(0.0, left_s))
            if left_s <= 0 or tip is older:
                raise NoteRefused("this member has not seen so large a log yet; ask again")

    def _check_growth(self, new: Checkpoint, asked: CosignAsked) -> None:
        seen = self._read(self._path(new.origin))
        if asked.old_size != seen.size:
            raise SizeKnown(seen.size)
        note.may_cosign(seen.size, seen.root, new.size, new.root, asked.consistency)
        if self._ledger.log_root(new.size) != new.root:
            raise NoteRefused("the root differs from this member's own log: a split view")

    def _remember(self, new: Checkpoint) -> None:
        write_whole(self._path(new.origin), codec.encode(Seen(root=new.root, size=new.size)))

    def _path(self, origin: str) -> Path:
        return self._folder / f"{origin.replace('/', '-')}.seen"

    def _read(self, path: Path) -> Seen:
        if not path.exists():
            return Seen(root=bytes(32), size=0)
        try:
            return codec.decode(path.read_bytes(), Seen)
        except codec.Malformed:
            raise Fault(
                f"{path.name}: what was cosigned last is unreadable, and without it this member "
                "could sign two histories. Restore the file from a backup."
            ) from None
