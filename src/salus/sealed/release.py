"""
The release of shares: what a reader asks of a witness, and what the witness answers.

- A reader posts the root of its leaves as an intent, padded with random hashes to 1, 8, 64 or 512
  so that the number of openings does not show; each request proves its leaf under that root.
- The answer is sealed to the leaf's session key: a share a want and a byte a want that says why a
  share is missing; a refused want has 32 zero bytes (corrections 23).
- A refusal is one of W1-W13 and W16, in that order of checks (`patient-control.md` §5.4).
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec

from salus.base import codec, merkle
from salus.base.codec import Struct
from salus.base.errors import Category
from salus.base.hashing import sha256, u8
from salus.base.limits import RELEASE_WANTS_MAX
from salus.base.sealing import SealingKey, SealRefused, seal
from salus.base.types import U16, Count, Hash32, Height, Id16, MemberId, Signature, TimeMs
from salus.sealed.grants import Opening

LEAF_BUCKETS = (1, 8, 64, 512)
"""Numbers of leaves an intent may have."""

PATH_HASHES_MAX = 9
"""Path in a tree of 512 leaves."""

SHARE_BYTES = 32

RELEASED = 0
NOT_COVERED = 14
ERASED = 15
"""Answers to one want; the others are W codes that stop a whole request."""

_NO_SHARE = bytes(SHARE_BYTES)


class Want(Struct, frozen=True, order=True):
    """One group of one batch."""

    batch: Id16
    group: U16


Wants = Annotated[list[Want], msgspec.Meta(min_length=1, max_length=RELEASE_WANTS_MAX)]
"""Ascending by batch and group, each once."""


class ShownTerms(Struct, frozen=True):
    """What the first request of a session shows; a witness then remembers it by commitment."""

    openings: list[Opening]
    """One an item of the terms, in the same order."""

    terms: bytes
    """Canonical bytes of `grants.Terms`."""


class ReleaseRequest(Struct, frozen=True):
    """The body of `POST /v1/release`; either `commitment` or `shown`, exactly one."""

    index: U16
    """The leaf's position under the intent's root."""

    leaf: bytes
    """Canonical bytes of `grants.Leaf`."""

    member: MemberId
    """Who posted the intent: the reader, or the member that carried a wallet's."""

    path: Annotated[list[Hash32], msgspec.Meta(max_length=PATH_HASHES_MAX)]
    """RFC 6962 inclusion path, deepest sibling first."""

    sequence: Count
    """The intent's running number at its member."""

    wants: Wants
    commitment: Hash32 | None = None
    """Of terms this witness has seen in this session."""

    leaf_signature: Signature | None = None
    """A wallet's, over its leaf; absent if a member reads."""

    shown: ShownTerms | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for wants out of order, or not exactly one of the two."""
        if (self.commitment is None) == (self.shown is None):
            raise ValueError("expected commitment or shown, not both")
        if any(a >= b for a, b in itertools.pairwise(self.wants)):
            raise ValueError("expected wants ascending, each once")


class ReleaseAnswer(Struct, frozen=True):
    """The witness's yes; see `seal_shares`."""

    height: Height
    """Of the final block it decided by."""

    shares: bytes
    """Sealed to the session key; 48 + 33 · wants bytes."""


class ReleaseRefusal(Struct, frozen=True):
    """The witness's no."""

    code: str
    """W and its number."""

    name: str
    next: str
    """What the reader can do."""

    exception: str | None = None
    """Which exception of 45 CFR 171 allows the no, or "no consent"; absent if none is needed."""

    since_ms: TimeMs | None = None
    """Block time since when it holds, if it has a beginning."""


class Share(NamedTuple):
    """What came back for one want."""

    answer: int
    """0 released, 14 not covered, 15 erased."""

    share: bytes
    """32 B; zeros unless released."""


class Why(NamedTuple):
    """One reason for which a witness refuses a request."""

    name: str
    category: Category
    next: str
    exception: str | None = None


_CONSENT = "no consent"
_SECURITY = "security (45 CFR 171.203)"

REASONS: Mapping[int, Why] = {
    1: Why("Malformed", Category.MALFORMED, "send the documented struct, canonically encoded"),
    2: Why("WitnessBehind", Category.UNAVAILABLE, "ask the other witnesses; try again shortly"),
    3: Why(
        "IntentNotFound", Category.FORBIDDEN, "post the intent and wait for its block", _SECURITY
    ),
    4: Why("SessionEnded", Category.FORBIDDEN, "post a new intent", _SECURITY),
    5: Why(
        "ReaderNotValid", Category.FORBIDDEN, "renew the practitioner's registration", _SECURITY
    ),
    6: Why("SubjectUnknown", Category.FORBIDDEN, "ask the patient for a grant", _CONSENT),
    7: Why("TermsDiffer", Category.FORBIDDEN, "use the package of this grant", _CONSENT),
    8: Why("NotYetValid", Category.FORBIDDEN, "wait until the grant begins", _CONSENT),
    9: Why("GrantEnded", Category.FORBIDDEN, "ask the patient for a new grant", _CONSENT),
    10: Why("GrantRevoked", Category.FORBIDDEN, "ask the patient", _CONSENT),
    11: Why("ReaderNotNamed", Category.FORBIDDEN, "let a named person read", _CONSENT),
    12: Why("PurposeNotNamed", Category.FORBIDDEN, "state a purpose of the grant", _CONSENT),
    13: Why("SessionsUsedUp", Category.FORBIDDEN, "try again tomorrow (UTC)", _CONSENT),
    16: Why("LogNotWritable", Category.UNAVAILABLE, "ask the other witnesses"),
}
"""All reasons by W number; 14 and 15 are answers to one want."""


class IntentTree:
    """The leaves of one intent among random hashes, for its poster."""

    def __init__(self, leaves: Sequence[bytes], random: Callable[[int], bytes]) -> None:
        """
        Build the tree of 1-512 leaves (canonical bytes); position i holds leaf i.

        `random`: as `os.urandom`; draws 32 B for each position left over.
        """
        self.size = bucket_of(len(leaves))
        padding = [random(32) for _ in range(self.size - len(leaves))]
        self._hashes = [merkle.leaf_hash(leaf) for leaf in leaves] + padding
        self.root = merkle.root_of_hashes(self._hashes)

    def path(self, index: int) -> list[bytes]:
        """The inclusion path of leaf `index`, deepest sibling first."""
        return merkle.path_of_hashes(self._hashes, index)


def bucket_of(leaves: int) -> int:
    """Smallest bucket that holds 1-512 leaves; raises ValueError for another number."""
    if not 1 <= leaves <= LEAF_BUCKETS[-1]:
        raise ValueError(f"expected 1 to {LEAF_BUCKETS[-1]} leaves, found {leaves}")
    return next(bucket for bucket in LEAF_BUCKETS if leaves <= bucket)


def check_path(request: ReleaseRequest, root: bytes, leaves: int) -> None:
    """Check that the leaf stands under the intent's root; raises merkle.PathRefused."""
    hashed = merkle.leaf_hash(request.leaf)
    if root != merkle.root_from_path(hashed, request.index, leaves, request.path):
        raise merkle.PathRefused("the path does not lead to the intent's root")


def seal_shares(session_key: bytes, chain: bytes, place: bytes, shares: Sequence[Share]) -> bytes:
    """
    Seal one share a want, in the order of the wants; 48 + 33 · wants bytes.

    `session_key`: 33 B; `place`: see `release_place`. Plaintext: shares ‖ answers, a byte each.
    """
    plain = b"".join(one.share if one.answer == RELEASED else _NO_SHARE for one in shares)
    answers = bytes(one.answer for one in shares)
    return seal(session_key, plain + answers, "release", chain, place)


def open_shares(
    key: SealingKey, chain: bytes, place: bytes, sealed: bytes, wants: int
) -> list[Share]:
    """Open one seat's answer to that many wants; raises SealRefused, also for another number."""
    plain = key.unseal(sealed, "release", chain, place)
    if len(plain) != wants * (SHARE_BYTES + 1):
        raise SealRefused("the witness answered another number of wants")
    answers = plain[wants * SHARE_BYTES :]
    return [
        Share(answer, plain[i * SHARE_BYTES : (i + 1) * SHARE_BYTES])
        for i, answer in enumerate(answers)
    ]


def release_place(intent: bytes, x: int, wants: Sequence[Want]) -> bytes:
    """What the seal is bound to: intent ‖ seat number u8 ‖ SHA-256(canonical wants)."""
    return intent + u8(x) + sha256(codec.encode(wants))


def refuse(number: int, since_ms: int | None = None) -> ReleaseRefusal:
    """The refusal W`number`, one of `REASONS`."""
    why = REASONS[number]
    return ReleaseRefusal(
        code=f"W{number}",
        name=why.name,
        next=why.next,
        exception=why.exception,
        since_ms=since_ms,
    )
