"""
A node's own notes: sign the log as it stands, collect the other members' cosignatures.

Asked for when somebody wants a proof; the newest note that meets the quorum is kept, and serves
every entry below its size.
"""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from salus.base import codec, note
from salus.base.errors import Category, Problem
from salus.base.note import Checkpoint, Line, Note, Signer
from salus.base.note_text import NoteRefused
from salus.node.cosigner import ROUTE, CosignAsked, Cosigned
from salus.node.ledger import Ledger, Tip
from salus.node.member_keys import cosigner_keys
from salus.node.peers import Peer

log = structlog.get_logger()

Ask = Callable[[CosignAsked], Cosigned]
"""One cosigner's door; raises Problem."""

TRIES = 3
"""Questions to one cosigner: the first learns the size it signed last, the second proves growth."""


class Checkpoints:
    """Makes and keeps this node's notes."""

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        signer: Signer,
        peers: Sequence[Peer],
    ) -> None:
        """`peers`: all members' doors, the own one too: every member cosigns every log."""
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "checkpoint"
        self._ledger = ledger
        self._signer = signer
        self._asks: list[Ask] = [_ask_peer(peer) for peer in peers]
        self._lock = threading.Lock()
        self._newest: Note | None = self._load()

    @property
    def newest(self) -> Note | None:
        """The newest note that met the quorum, or None."""
        return self._newest

    def covering(self, log_size: int) -> Note:
        """
        A note that meets the quorum and covers a log of `log_size`; made now if need be.

        Raises Problem QuorumMissing: too few members cosigned.
        """
        with self._lock:
            if self._newest is None or self._newest.checkpoint.size < log_size:
                self._newest = self._make(self._ledger.tip)
                self._store(self._newest)
            return self._newest

    def quorum(self) -> int:
        """⌊2m/3⌋ + 1 of the m active members."""
        return 2 * len(cosigner_keys(self._ledger.view())) // 3 + 1

    def _make(self, tip: Tip) -> Note:
        checkpoint = Checkpoint(self._signer.name, tip.log_size, tip.log_root)
        made = note.sign(checkpoint, self._signer)
        lines = [self._collect(made, ask) for ask in self._asks]
        for line in lines:
            made = made if line is None else made.add(line)
        found, quorum = len([line for line in lines if line is not None]), self.quorum()
        if found < quorum:
            raise Problem(
                Category.UNAVAILABLE,
                "QuorumMissing",
                f"{found} members cosigned log size {tip.log_size}, {quorum} are needed; "
                "see which nodes are down, then ask again",
            )
        return made

    def _collect(self, made: Note, ask: Ask) -> Line | None:
        """One cosigner's line; None if it does not answer or refuses."""
        old = 0
        for _ in range(TRIES):
            asked = CosignAsked(
                consistency=self._ledger.consistency(old, made.checkpoint.size) if old else [],
                note=made.text,
                old_size=old,
            )
            try:
                cosigned = ask(asked)
            except Problem as problem:
                if problem.name != "SizeKnown" or int(problem.text) > made.checkpoint.size:
                    log.warning("checkpoint.not_cosigned", reason=problem.name)
                    return None
                old = int(problem.text)
                continue
            return self._checked(made, Line(cosigned.name, cosigned.blob))
        return None

    def _checked(self, made: Note, line: Line) -> Line | None:
        """The line, if it is a cosignature of an active member that holds."""
        for key in cosigner_keys(self._ledger.view()):
            if (key.name, key.hash) == (line.name, line.blob[:4]):
                try:
                    note.check_line(key, made.checkpoint.text, line.blob)
                except NoteRefused:
                    break
                return line
        log.warning("checkpoint.bad_cosignature", origin=line.name)
        return None

    def _store(self, made: Note) -> None:
        temporary = self._file.with_suffix(".new")
        temporary.write_text(made.text)
        temporary.rename(self._file)

    def _load(self) -> Note | None:
        return note.parse(self._file.read_text()) if self._file.exists() else None


def _ask_peer(peer: Peer) -> Ask:
    return lambda asked: codec.decode(peer.call(ROUTE, codec.encode(asked)), Cosigned)
