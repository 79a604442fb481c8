"""
The numbered steps of a verification: a check's "no" becomes the step's, in our words.

`base` and `state` say what is wrong with bytes; who reads a proof wants to know at which step it
failed and what to do next (`ledger.md` §5.6).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

from salus.base import codec, merkle, proof_file, signing
from salus.base.comet.commit import BlockRefused, Tally
from salus.base.comet.proof import KnownSet
from salus.base.comet.wire import WireRefused
from salus.base.errors import Problem
from salus.base.note_text import NoteRefused
from salus.client.verified import Unverified
from salus.state import proof as state_proof

T = TypeVar("T")

NEWER = "Ask the node for a newer proof."
OTHER = "Ask another member for the proof, and keep this file: it may be evidence."
AGAIN = "Ask the node for the proof again."
EXPORT = "Export your trust file again at a member you trust."


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an anchor says that the entry stands: its path in a log of this size and root."""

    entry: bytes
    index: int
    hashes: Sequence[bytes]
    size: int
    root: bytes


@dataclasses.dataclass(frozen=True)
class Backing:
    """Who stands for the log: cosigners of a note, or validators who voted for a block."""

    origin: str
    cosigned: dict[str, int] = dataclasses.field(default_factory=dict)
    """Cosigner -> time (s)."""

    quorum: tuple[int, int] = (0, 0)
    votes: Tally | None = None
    validators: KnownSet | None = None
    """The set that voted, to be saved."""


class Differs(Exception):
    """A claim and its entry disagree."""

    def __init__(self, expected: str, found: str) -> None:
        """All words are ours."""
        super().__init__()
        self.expected = expected
        self.found = found


def step(number: int, check: Callable[[], T], next_step: str) -> T:
    """Run a check of `base` or `state`; its "no" becomes this step's."""
    try:
        return check()
    except (Differs, BlockRefused) as error:
        raise Unverified(number, error.expected, error.found, next_step) from None
    except codec.Malformed:  # its words may quote the file
        raise Unverified(number, _EXPECTED[number], "bytes of another form", next_step) from None
    except (
        proof_file.ProofFileRefused,
        NoteRefused,
        merkle.PathRefused,
        signing.SignatureRefused,
        state_proof.ProofRefused,
        WireRefused,
    ) as error:
        found = error.text if isinstance(error, Problem) else str(error)
        raise Unverified(number, _EXPECTED[number], found, next_step) from None


_EXPECTED = {
    0: "a well-formed proof",
    1: "a claim the entry commits to",
    3: "a path to the log's root",
    4: "the log's signature",
}
