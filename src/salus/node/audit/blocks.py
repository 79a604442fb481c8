"""
What one process checks of a span of blocks: every signature, and the log's leaves.

A block's log entries stand nowhere: they are made of its record and its receipts. At level `log`
the receipts are those the node serves; at level `full` the entries come from executing the block,
and only signatures are checked here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from salus.base import codec, merkle, signing
from salus.base.codec import Struct
from salus.base.entry import UNREADABLE_CODE_MAX, BlockEntry, TransactionEntry
from salus.base.envelope import Envelope, signed_bytes
from salus.base.types import Count, TimeMs
from salus.node.audit.report import Finding
from salus.node.audit.segments import Span
from salus.node.audit.store_view import StoreView
from salus.node.journal_segment import Damage
from salus.node.record import BlockRecord, StoredReceipts, read_receipts, read_record
from salus.state.disk import StoreDamaged

SIGNATURE_INVALID = 8
"""The machine's code of an envelope whose form holds and whose signature does not."""

_ZERO_SIGNER = bytes(16)


class _Body(Struct, frozen=True):
    """A body with its messages as they stand: they were canonical when they were executed."""

    messages: list[msgspec.Raw]
    nonce: Count
    until_ms: TimeMs


class BlockFound(NamedTuple):
    """One block as its record states it."""

    height: int
    log_size: int
    log_root: bytes
    state: bytes
    app: bytes
    leaves: list[bytes] | None
    """Hashes of its log entries; None if its receipts are not in the store."""


@dataclass(slots=True)
class SpanFound:
    """What a span gave."""

    blocks: list[BlockFound] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    signatures: int = 0
    transactions: int = 0
    whole: bool = True
    """False: the journal ends inside this span."""


class SpanChecker:
    """One process's; checks spans in any order."""

    def __init__(self, network: bytes, state: Path | None) -> None:
        """`state`: folder of the store whose receipts make the entries; None makes none."""
        self._signed_head = signed_bytes(network, b"", b"")
        self._store = None if state is None else StoreView(state)
        self._key_ids: dict[bytes, bytes] = {}

    def check(self, span: Span) -> SpanFound:
        """Check every record of the span."""
        found = SpanFound()
        try:
            for height, payload in span.payloads():
                self._check_block(height, read_record(payload), found)
        except Damage as damage:
            found.whole = False
            found.findings.append(
                Finding(
                    "journal", f"journal/{damage.segment}", damage.expected, damage.found,
                    None, damage.offset,
                )
            )  # fmt: skip
        return found

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()

    def _check_block(self, height: int, record: BlockRecord, found: SpanFound) -> None:
        if (record.height, len(record.results)) != (height, len(record.txs)):
            found.findings.append(
                Finding("blocks", "journal", "a result a transaction", "others", height)
            )
            return
        envelopes = [_read(data) for data in record.txs]
        for position, envelope in enumerate(envelopes):
            code = record.results[position].code
            if envelope is not None and not 0 < code < SIGNATURE_INVALID:
                found.signatures += 1
                if self._holds(envelope) == (code == SIGNATURE_INVALID):
                    found.findings.append(_bad_signature(height, position, code))
        found.transactions += len(envelopes)
        stored = self._receipts(height, record, found)
        leaves = None if stored is None else self._leaves(record, stored, envelopes)
        found.blocks.append(
            BlockFound(height, record.log_size, record.log_root, record.state, record.app, leaves)
        )

    def _holds(self, envelope: Envelope) -> bool:
        try:
            signing.verify(
                envelope.key, envelope.sig, self._signed_head + envelope.key + envelope.body
            )
        except signing.SignatureRefused:
            return False
        return True

    def _receipts(
        self, height: int, record: BlockRecord, found: SpanFound
    ) -> StoredReceipts | None:
        """The served receipts of a block, held to its record; None if they cannot be used."""
        if self._store is None:
            return None
        try:
            data = self._store.extra("receipts", height.to_bytes(8, "big"))
            stored = None if data is None else read_receipts(data)
        except (StoreDamaged, codec.Malformed):
            found.findings.append(
                Finding("state", "state/receipts", "receipts", "what cannot be read", height)
            )
            return None
        if stored is not None and (difference := _difference(record, stored, height)):
            found.findings.append(difference)
            return None
        return stored

    def _leaves(
        self,
        record: BlockRecord,
        stored: StoredReceipts,
        envelopes: Sequence[Envelope | None],
    ) -> list[bytes]:
        """The hashes of the block's log entries; see `node.entries` for the slow way."""
        leaves = [
            self._leaf(record, position, envelope, len(receipt.events))
            for position, (envelope, receipt) in enumerate(
                zip(envelopes, stored.receipts, strict=True)
            )
        ]
        if leaves or stored.events or record.evidence:
            entry = BlockEntry(
                events=record.events,
                height=record.height,
                state=record.state,
                time_ms=record.time_ms,
                transactions=len(record.txs),
            )
            leaves.append(merkle.leaf_hash(codec.encode(entry)))
        return leaves

    def _leaf(
        self, record: BlockRecord, position: int, envelope: Envelope | None, event_count: int
    ) -> bytes:
        result = record.results[position]
        signer, messages = _ZERO_SIGNER, []
        if envelope is not None and not 0 < result.code <= UNREADABLE_CODE_MAX:
            signer = self._key_id(envelope.key)
            messages = codec.decode_loose(envelope.body, _Body).messages
        entry = TransactionEntry(
            code=result.code,
            event_count=event_count,
            events=result.events,
            height=record.height,
            message_count=len(messages),
            messages=_root([bytes(message) for message in messages]),
            signer=signer,
            time_ms=record.time_ms,
            tx=sha256(record.txs[position]).digest(),
        )
        return merkle.leaf_hash(codec.encode(entry))

    def _key_id(self, key: bytes) -> bytes:
        found = self._key_ids.get(key)
        if found is None:
            found = self._key_ids[key] = signing.key_id(key)
        return found


def _root(leaves: Sequence[bytes]) -> bytes:
    """The RFC 6962 root; nearly always of one leaf, which is its own root."""
    return merkle.leaf_hash(leaves[0]) if len(leaves) == 1 else merkle.root(leaves)


def _read(data: bytes) -> Envelope | None:
    try:
        envelope: Envelope = codec.decode_loose(data, Envelope)
    except codec.Malformed:
        return None
    return envelope


def _bad_signature(height: int, position: int, code: int) -> Finding:
    if code == SIGNATURE_INVALID:
        expected, found = "a signature that does not hold, as its result says", "one that holds"
    else:
        expected, found = "a signature that holds", "one that does not"
    return Finding("signatures", "journal", expected, found, height, position)


def _difference(record: BlockRecord, stored: StoredReceipts, height: int) -> Finding | None:
    """The first receipt that is not the journal's."""
    if len(stored.receipts) != len(record.txs):
        expected, found = f"{len(record.txs)} receipts", f"{len(stored.receipts)}"
        return Finding("state", "state/receipts", expected, found, height)
    for position, (result, receipt) in enumerate(zip(record.results, stored.receipts, strict=True)):
        if (result.code, result.events) != (receipt.code, _root(receipt.events)):
            expected = f"code {result.code} with its events"
            found = f"code {receipt.code} or other events"
            return Finding("state", "state/receipts", expected, found, height, position)
    if merkle.root(stored.events) != record.events:
        return Finding("state", "state/receipts", "the block's events", "others", height)
    return None
