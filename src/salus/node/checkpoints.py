"""
A node's own notes: sign the log as it stands, collect the other members' cosignatures.

Asked for when somebody wants a proof; the newest note that meets the quorum is kept, and serves
every entry below its size.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import structlog

from salus.base import codec, note
from salus.base.errors import Category, Problem
from salus.base.note import COSIGNER, Checkpoint, Line, Note, Signer
from salus.base.note_text import NoteRefused, parse_decimal
from salus.modules.members import queries as members
from salus.node.cosigner import ROUTE, CosignAsked, Cosigned
from salus.node.ledger import Ledger, Tip
from salus.node.member_keys import member_keys
from salus.node.peers import Peer
from salus.node.small_file import write_whole

log = structlog.get_logger()

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
        self._peers = list(peers)
        self._lock = threading.Lock()
        self._newest: Note | None = self._load()

    def add_peer(self, peer: Peer) -> None:
        """Ask one more member from the next note on."""
        with self._lock:
            self._peers.append(peer)

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
        """⌊2m/3⌋ + 1 of the m active members, however many log keys each has."""
        return 2 * len(members.roster(self._ledger.view())) // 3 + 1

    def _make(self, tip: Tip) -> Note:
        checkpoint = Checkpoint(self._signer.name, tip.log_size, tip.log_root)
        made = note.sign(checkpoint, self._signer)
        lines = [self._collect(made, peer) for peer in self._peers]
        signed = [line for line in lines if line is not None]
        for line in signed:
            made = made.add(line)
        found, quorum = len({line.name for line in signed}), self.quorum()
        if found < quorum:
            raise Problem(
                Category.UNAVAILABLE,
                "QuorumMissing",
                f"{found} members cosigned log size {tip.log_size}, {quorum} are needed; "
                "see which nodes are down, then ask again",
            )
        return made

    def _collect(self, made: Note, peer: Peer) -> Line | None:
        """One cosigner's line; None if it does not answer or refuses."""
        old = 0
        for _ in range(TRIES):
            asked = CosignAsked(
                consistency=self._ledger.consistency(old, made.checkpoint.size) if old else [],
                note=made.text,
                old_size=old,
            )
            try:
                cosigned = codec.decode(peer.call(ROUTE, codec.encode(asked)), Cosigned)
                return self._checked(made, peer.member, Line(cosigned.name, cosigned.blob))
            except Problem as problem:
                known = _size_known(problem)
                if known is None or known > made.checkpoint.size:
                    log.warning(
                        "checkpoint.not_cosigned", member=peer.member.hex(), reason=problem.name
                    )
                    return None
                old = known
            except (codec.Malformed, NoteRefused) as error:
                log.warning(
                    "checkpoint.bad_cosignature", member=peer.member.hex(), reason=str(error)
                )
                return None
        return None

    def _checked(self, made: Note, member: bytes, line: Line) -> Line:
        """The line, if it is by the member that was asked and holds; raises NoteRefused."""
        for key in member_keys(self._ledger.view(), member, COSIGNER):
            if (key.name, key.hash) == (line.name, line.blob[:4]):
                note.check_line(key, made.checkpoint.text, line.blob)
                return line
        raise NoteRefused("it is by no log key of the member that was asked")

    def _store(self, made: Note) -> None:
        write_whole(self._file, made.text.encode())

    def _load(self) -> Note | None:
        return note.parse(self._file.read_text()) if self._file.exists() else None


def _size_known(problem: Problem) -> int | None:
    """The size a cosigner signed last, if that is what it answered."""
    try:
        return parse_decimal(problem.text) if problem.name == "SizeKnown" else None
    except NoteRefused:
        return None
