"""
The offline verifier: from a proof file and a trust file to what is proved, trusting no node.

The steps of `ledger.md` §5.6, numbered there; each refuses by its number:

    0  size, form, network id                       1  claim -> the field in the entry
    2  entry -> leaf hash                           3  leaf -> the log root of the anchor

    under a note                                    under a block of CometBFT
    4  origin known, signed by its log key          4  log and state -> the header's app hash
    5  cosignatures meet the quorum                 5  header -> what was voted for; chain id
    6  not another history than the saved one       6  validators -> the header's hash of them
                                                    7  votes of more than 2/3 of their power
                                                    8  validators trusted, or reached by links
    9  what was seen, and what to save              9  not another history; what to save

Everything is pure; the caller saves `Verified.anchor` by `trust.save_anchor`. A check raises
`Unverified`; nothing here answers false.
"""

import dataclasses
from collections.abc import Sequence
from hashlib import sha256

from salus.base import codec, merkle, proof_file, signing
from salus.base.entry import (
    UNREADABLE_CODE_MAX,
    BlockEntry,
    GenesisEntry,
    TransactionEntry,
    decode_entry,
)
from salus.base.envelope import Envelope, check_envelope, transaction_id
from salus.base.proof_file import (
    AbsentClaim,
    Claim,
    EventClaim,
    FileAnchor,
    MessageClaim,
    NoteAnchor,
    RowClaim,
    TransactionClaim,
)
from salus.client.steps import AGAIN, OTHER, Differs, step
from salus.client.trust import Anchor, Trust
from salus.client.verified import Growth, Unverified, Verified, describe
from salus.client.verify_comet import CometEnd
from salus.client.verify_note import NoteEnd
from salus.state import proof as state_proof

__all__ = ["Growth", "Unverified", "Verified", "describe", "verify"]


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
    file = step(0, lambda: proof_file.parse(proof), AGAIN)
    if file.network != trust.network.hex():
        raise Unverified(0, "a proof of your network", "one of another network", OTHER)
    end = step(0, lambda: _read_end(file.anchor), AGAIN)
    place = end.place
    entry = step(0, lambda: decode_entry(place.entry), AGAIN)

    # Step 1: the claim is what the entry commits to.
    if isinstance(entry, GenesisEntry):
        raise Unverified(1, "an entry of a transaction or block", "the genesis entry", AGAIN)
    tx_id = step(1, lambda: _check_claim(trust.network, file.claim, entry), AGAIN)

    # Steps 2 and 3: the entry stands in the log of that size and root.
    leaf = merkle.leaf_hash(place.entry)
    root = step(
        3, lambda: merkle.root_from_path(leaf, place.index, place.size, place.hashes), AGAIN
    )
    if root != place.root:
        raise Unverified(3, "a path to the log's root", "one to another root", AGAIN)

    # Steps 4 to 8: who said so.
    backing = end.check(trust, now_ms)

    # Step 9: against what was seen before.
    seen = Anchor(entry.height, place.root, place.size, backing.validators)
    number = 6 if isinstance(end, NoteEnd) else 9
    growth = _check_growth(number, trust.saved, seen, consistency)
    return Verified(
        claim=file.claim,
        entry=entry,
        index=place.index,
        tx_id=tx_id,
        log_size=place.size,
        log_root=place.root,
        origin=backing.origin,
        cosigners=tuple(backing.cosigned),
        quorum=backing.quorum,
        cosigned_s=max(backing.cosigned.values(), default=0),
        votes=backing.votes,
        growth=growth,
        anchor=_anchor(trust.saved, seen, growth),
    )


def _read_end(anchor: FileAnchor) -> NoteEnd | CometEnd:
    return NoteEnd.read(anchor) if isinstance(anchor, NoteAnchor) else CometEnd.read(anchor)


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
            raise Differs("the kind of entry this claim needs", "another kind")
    return None


def _check_transaction(network: bytes, data: bytes, entry: TransactionEntry) -> bytes:
    tx_hash = sha256(data).digest()
    if tx_hash != entry.tx:
        raise Differs("the envelope of the entry", "another envelope")
    if 1 <= entry.code <= UNREADABLE_CODE_MAX:
        return tx_hash
    envelope = codec.decode(data, Envelope)
    check_envelope(network, envelope)
    if signing.key_id(envelope.key) != entry.signer:
        raise Differs("the entry's signer", "another key's envelope")
    return transaction_id(envelope.key, envelope.body)


def _check_path(claim: MessageClaim | EventClaim, count: int, expected: bytes) -> None:
    leaf = merkle.leaf_hash(claim.data)
    if merkle.root_from_path(leaf, claim.position, count, claim.path) != expected:
        raise Differs("a path to the entry's root", "one to another root")


def _check_growth(
    number: int, saved: Anchor | None, seen: Anchor, consistency: Sequence[bytes] | None
) -> Growth:
    """One size has one root; another size is shown to be the same history, or not shown."""
    if saved is None:
        return Growth.FIRST
    if saved.size == seen.size:
        if saved.root != seen.root:
            raise _split(number, seen.size, "the same root as at your last check", "another root")
        return Growth.SAME
    if consistency is not None:
        small, large = sorted((saved, seen), key=lambda anchor: anchor.size)
        try:
            merkle.check_consistency(small.size, large.size, small.root, large.root, consistency)
        except merkle.PathRefused:
            raise _split(number, seen.size, "growth of your saved log", "no proof of it") from None
    if seen.size < saved.size:
        return Growth.OLDER
    return Growth.NOT_SHOWN if consistency is None else Growth.SHOWN


def _anchor(saved: Anchor | None, seen: Anchor, growth: Growth) -> Anchor | None:
    """What to save: the log where its growth was shown, the validators wherever they lie ahead."""
    if saved is None:
        return seen
    if growth is Growth.SHOWN:
        log = dataclasses.replace(seen, height=max(saved.height, seen.height))
    else:
        log = dataclasses.replace(saved, validators=seen.validators)
    moved = saved.moved(log)
    return None if moved == saved else moved


def _split(number: int, size: int, expected: str, found: str) -> Unverified:
    return Unverified(number, f"at size {size} {expected}", found, OTHER, name="SplitView")
