"""
The offline verifier: from a proof file and a trust file to what is proved, trusting no node.

The steps of `ledger.md` §5.6, numbered there; each refuses by its number:

    0  size, form, network id                 4  origin known, signed by its log key
    1  claim -> the field in the entry        5  cosignatures of distinct keys meet the quorum
    2  entry -> leaf hash                     6  not another history than the saved one
    3  leaf -> the log root of the note       9  what was seen, and what to save

Steps 7 and 8 are the comet anchor's. Everything is pure; the caller saves `Verified.anchor` by
`trust.save_anchor`. A check raises `Unverified`; nothing here answers false.
"""

import dataclasses
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TypeVar

from salus.base import codec, merkle, note, proof_file, signing, tlog_proof
from salus.base.entry import (
    UNREADABLE_CODE_MAX,
    BlockEntry,
    GenesisEntry,
    TransactionEntry,
    decode_entry,
)
from salus.base.envelope import Envelope, check_envelope, transaction_id
from salus.base.errors import Problem
from salus.base.note_text import NoteRefused
from salus.base.policy import Policy
from salus.base.proof_file import (
    AbsentClaim,
    Claim,
    EventClaim,
    MessageClaim,
    RowClaim,
    TransactionClaim,
)
from salus.client.trust import Anchor, Trust
from salus.client.verified import Growth, Unverified, Verified, describe
from salus.state import proof as state_proof

__all__ = ["Growth", "Unverified", "Verified", "describe", "verify"]

CLOCK_SKEW_MS_MAX = 5 * 60_000
"""A cosignature dated further ahead of the reader's clock does not count."""

T = TypeVar("T")

_NEWER = "Ask the node for a newer proof."
_OTHER = "Ask another member for the proof, and keep this file: it may be evidence."
_AGAIN = "Ask the node for the proof again."


def verify(
    proof: bytes,
    trust: Trust,
    now_ms: int | None = None,
    *,
    consistency: Sequence[bytes] | None = None,
) -> Verified:
    """
    Check a proof file by a trust file; raises Unverified.

    `now_ms`: the reader's clock; given, cosignatures from the future do not count.
    `consistency`: hashes that show growth between the saved log and the proof's, from any node.
    """
    # Step 0: form.
    file = _step(0, lambda: proof_file.parse(proof), _AGAIN)
    if file.network != trust.network.hex():
        raise Unverified(0, "a proof of your network", "one of another network", _OTHER)
    tlog = _step(0, lambda: tlog_proof.parse(file.anchor.tlog_proof), _AGAIN)
    signed = _step(0, lambda: note.parse(tlog.note), _AGAIN)
    entry_bytes = tlog.extra or b""
    entry = _step(0, lambda: decode_entry(entry_bytes), _AGAIN)

    # Step 1: the claim is what the entry commits to.
    if isinstance(entry, GenesisEntry):
        raise Unverified(1, "an entry of a transaction or block", "the genesis entry", _AGAIN)
    tx_id = _step(1, lambda: _check_claim(trust.network, file.claim, entry), _AGAIN)

    # Steps 2 and 3: the entry stands in the log of that size and root.
    checkpoint = signed.checkpoint
    leaf = merkle.leaf_hash(entry_bytes)
    root = _step(
        3, lambda: merkle.root_from_path(leaf, tlog.index, checkpoint.size, tlog.hashes), _AGAIN
    )
    if root != checkpoint.root:
        raise Unverified(3, "a path to the note's root", "one to another root", _AGAIN)

    # Steps 4 and 5: who said so.
    _check_log(signed, trust)
    cosigned = _check_cosigners(signed, trust.policy, now_ms)

    # Steps 6 and 9: against what was seen before.
    seen = Anchor(entry.height, checkpoint.root, checkpoint.size)
    growth = _check_growth(trust.saved, seen, consistency)
    return Verified(
        claim=file.claim,
        entry=entry,
        index=tlog.index,
        tx_id=tx_id,
        log_size=checkpoint.size,
        log_root=checkpoint.root,
        origin=checkpoint.origin,
        cosigners=tuple(cosigned),
        quorum=trust.policy.size,
        cosigned_s=max(cosigned.values(), default=0),
        growth=growth,
        anchor=_anchor(trust.saved, seen, growth),
    )


def _check_claim(
    network: bytes, claim: Claim, entry: TransactionEntry | BlockEntry
) -> bytes | None:
    """Lead the claim to its field in the entry; answers the transaction's id where known."""
    match claim, entry:
        case TransactionClaim(), TransactionEntry():
            return _check_transaction(network, claim.envelope, entry)
        case MessageClaim(), TransactionEntry():
            _check_path(claim, entry.message_count, entry.messages)
        case EventClaim(), TransactionEntry():
            _check_path(claim, entry.event_count, entry.events)
        case RowClaim(), BlockEntry():
            state_proof.verify_present(
                entry.state, proof_file.state_key(claim), claim.value, claim.proof
            )
        case AbsentClaim(), BlockEntry():
            state_proof.verify_absent(entry.state, proof_file.state_key(claim), claim.proof)
        case _:
            raise _Differs("the kind of entry this claim needs", "another kind")
    return None


def _check_transaction(network: bytes, data: bytes, entry: TransactionEntry) -> bytes:
    tx_hash = sha256(data).digest()
    if tx_hash != entry.tx:
        raise _Differs("the envelope of the entry", "another envelope")
    if 1 <= entry.code <= UNREADABLE_CODE_MAX:
        return tx_hash
    envelope = codec.decode(data, Envelope)
    check_envelope(network, envelope)
    if signing.key_id(envelope.key) != entry.signer:
        raise _Differs("the entry's signer", "another key's envelope")
    return transaction_id(envelope.key, envelope.body)


def _check_path(claim: MessageClaim | EventClaim, count: int, expected: bytes) -> None:
    leaf = merkle.leaf_hash(claim.data)
    if merkle.root_from_path(leaf, claim.position, count, claim.path) != expected:
        raise _Differs("a path to the entry's root", "one to another root")


def _check_log(signed: note.Note, trust: Trust) -> None:
    """Step 4: the origin is of this network, known, and signed the note."""
    origin = signed.checkpoint.origin
    key = trust.policy.logs.get(origin)
    if key is None or not origin.startswith(f"salus/{trust.network.hex()[:32]}/"):
        raise Unverified(4, "the note of a log you trust", "one of another origin", _OTHER)
    _step(4, lambda: note.check(signed, key), _OTHER)


def _check_cosigners(signed: note.Note, policy: Policy, now_ms: int | None) -> dict[str, int]:
    """Step 5: name -> time (s) of the cosigners that count; each key stands in a policy once."""
    cosigned: dict[str, int] = {}
    for name, key in policy.cosigners.items():
        try:
            time_s = note.check(signed, key)
        except note.SignatureMissing:
            continue
        except NoteRefused:
            expected, found = "cosignatures that hold", f"one of key {key.hash.hex()} that does not"
            raise Unverified(5, expected, found, _OTHER) from None
        if now_ms is None or time_s * 1000 <= now_ms + CLOCK_SKEW_MS_MAX:
            cosigned[name] = time_s
    if not policy.met(cosigned.keys()):
        needed, of = policy.size
        keys = ", ".join(policy.cosigners[name].hash.hex() for name in cosigned)
        plural = "" if len(cosigned) == 1 else "s"
        found = f"{len(cosigned)} valid cosignature{plural}" + (f" ({keys})" if keys else "")
        raise Unverified(5, f"quorum {needed} of {of}", found, _NEWER)
    return cosigned


def _check_growth(
    saved: Anchor | None, seen: Anchor, consistency: Sequence[bytes] | None
) -> Growth:
    """Step 6: one size has one root; another size is shown to be the same history, or not shown."""
    if saved is None:
        return Growth.FIRST
    if saved.size == seen.size:
        if saved.root != seen.root:
            raise _split(seen.size, "the same root as at your last check", "another root")
        return Growth.SAME
    if consistency is not None:
        small, large = sorted((saved, seen), key=lambda anchor: anchor.size)
        try:
            merkle.check_consistency(small.size, large.size, small.root, large.root, consistency)
        except merkle.PathRefused:
            raise _split(seen.size, "growth of your saved log", "no proof of it") from None
    if seen.size < saved.size:
        return Growth.OLDER
    return Growth.NOT_SHOWN if consistency is None else Growth.SHOWN


def _anchor(saved: Anchor | None, seen: Anchor, growth: Growth) -> Anchor | None:
    if growth not in (Growth.FIRST, Growth.SHOWN):
        return None
    height = seen.height if saved is None else max(saved.height, seen.height)
    return dataclasses.replace(seen, height=height)


def _split(size: int, expected: str, found: str) -> Unverified:
    return Unverified(6, f"at size {size} {expected}", found, _OTHER, name="SplitView")


class _Differs(Exception):
    """A claim and its entry disagree."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__()
        self.expected = expected
        self.found = found


def _step(number: int, check: Callable[[], T], next_step: str) -> T:
    """Run a check of `base` or `state`; its "no" becomes this step's."""
    try:
        return check()
    except _Differs as error:
        raise Unverified(number, error.expected, error.found, next_step) from None
    except codec.Malformed:  # its words may quote the file
        raise Unverified(number, _EXPECTED[number], "bytes of another form", next_step) from None
    except (
        proof_file.ProofFileRefused,
        NoteRefused,
        merkle.PathRefused,
        signing.SignatureRefused,
        state_proof.ProofRefused,
    ) as error:
        found = error.text if isinstance(error, Problem) else str(error)
        raise Unverified(number, _EXPECTED[number], found, next_step) from None


_EXPECTED = {
    0: "a well-formed proof",
    1: "a claim the entry commits to",
    3: "a path to the note's root",
    4: "the log's signature",
}
