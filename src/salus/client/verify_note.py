"""Steps 4 and 5 under a note: the log's own signature, and a quorum of cosigners."""

import dataclasses

from salus.base import note, tlog_proof
from salus.base.note import Note
from salus.base.note_text import NoteRefused
from salus.base.policy import Policy
from salus.base.proof_file import NoteAnchor
from salus.client.steps import NEWER, OTHER, Backing, Place, step
from salus.client.trust import Trust
from salus.client.verified import Unverified

CLOCK_SKEW_MS_MAX = 5 * 60_000
"""A cosignature dated further ahead of the reader's clock does not count."""


@dataclasses.dataclass(frozen=True)
class NoteEnd:
    """A note anchor, read."""

    place: Place
    signed: Note

    @classmethod
    def read(cls, anchor: NoteAnchor) -> "NoteEnd":
        """Read the `.tlog-proof` and its note; raises NoteRefused."""
        tlog = tlog_proof.parse(anchor.tlog_proof)
        signed = note.parse(tlog.note)
        at = signed.checkpoint
        return cls(Place(tlog.extra or b"", tlog.index, tlog.hashes, at.size, at.root), signed)

    def check(self, trust: Trust, now_ms: int | None) -> Backing:
        """Steps 4 and 5; raises Unverified."""
        origin = self.signed.checkpoint.origin
        _check_log(self.signed, trust)
        cosigned = _check_cosigners(self.signed, trust.policy, now_ms)
        return Backing(origin, cosigned, trust.policy.size)


def _check_log(signed: Note, trust: Trust) -> None:
    """Step 4: the origin is of this network, known, and signed the note."""
    origin = signed.checkpoint.origin
    key = trust.policy.logs.get(origin)
    if key is None or not origin.startswith(f"salus/{trust.network.hex()[:32]}/"):
        raise Unverified(4, "the note of a log you trust", "one of another origin", OTHER)
    step(4, lambda: note.check(signed, key), OTHER)


def _check_cosigners(signed: Note, policy: Policy, now_ms: int | None) -> dict[str, int]:
    """Step 5: name -> time (s) of the cosigners that count; each key stands in a policy once."""
    cosigned: dict[str, int] = {}
    for name, key in policy.cosigners.items():
        try:
            time_s = note.check(signed, key)
        except note.SignatureMissing:
            continue
        except NoteRefused:
            expected, found = "cosignatures that hold", f"one of key {key.hash.hex()} that does not"
            raise Unverified(5, expected, found, OTHER) from None
        if now_ms is None or time_s * 1000 <= now_ms + CLOCK_SKEW_MS_MAX:
            cosigned[name] = time_s
    if not policy.met(cosigned.keys()):
        needed, of = policy.size
        keys = ", ".join(policy.cosigners[name].hash.hex() for name in cosigned)
        plural = "" if len(cosigned) == 1 else "s"
        found = f"{len(cosigned)} valid cosignature{plural}" + (f" ({keys})" if keys else "")
        raise Unverified(5, f"quorum {needed} of {of}", found, NEWER)
    return cosigned
