"""
Proof files from one node's copy: the claim's bytes, its paths, and the signed thing they end at.

That is a note which meets the quorum, or, in a network, a block that its validators made final.

Nothing here is believed by the reader: `salus verify` checks the file against its own trust file.
"""

from salus.base import merkle, proof_file
from salus.base.entry import UNREADABLE_CODE_MAX
from salus.base.errors import Category, Problem
from salus.base.proof_file import FileAnchor
from salus.node.checkpoints import Checkpoints
from salus.node.comet.anchors import CometAnchors
from salus.node.ledger import Ledger, Tip

TABLE_BYTES = 2
"""Module and table number at the start of a state key."""


class Proofs:
    """Builds `.salus-proof` files."""

    def __init__(
        self, ledger: Ledger, checkpoints: Checkpoints, comet: CometAnchors | None = None
    ) -> None:
        """All of one node; `comet` where CometBFT orders, for proofs by its validators' votes."""
        self._ledger = ledger
        self._checkpoints = checkpoints
        self._comet = comet

    @property
    def noted(self) -> "Proofs":
        """The same, always under a note: what other C2SP tools read."""
        return Proofs(self._ledger, self._checkpoints)

    def transaction(self, transaction_id: bytes) -> bytes:
        """That the transaction stands in the log, with its code; raises Problem as `_find`."""
        height, position = self._find(transaction_id)
        envelope = self._ledger.record(height).txs[position]
        anchor = self._anchor(height, position)
        return proof_file.build_transaction(self._ledger.network, anchor, envelope)

    def message(self, transaction_id: bytes, at: int) -> bytes:
        """That one message stands in the transaction, its code beside it; raises Problem."""
        height, position = self._find(transaction_id)
        record = self._ledger.record(height)
        if 0 < record.results[position].code <= UNREADABLE_CODE_MAX:
            raise Problem(
                Category.NOT_FOUND, "MessageUnknown", "the transaction was unreadable: no messages"
            )
        messages = self._ledger.machine.form.read(record.txs[position]).message_bytes
        _check_position(at, len(messages), "MessageUnknown")
        path = merkle.path_of_hashes([merkle.leaf_hash(one) for one in messages], at)
        anchor = self._anchor(height, position)
        return proof_file.build_message(self._ledger.network, anchor, messages[at], at, path)

    def event(self, transaction_id: bytes, at: int) -> bytes:
        """That the transaction told this event; raises Problem."""
        height, position = self._find(transaction_id)
        events = self._ledger.receipts(height).receipts[position].events
        _check_position(at, len(events), "EventUnknown")
        path = merkle.path_of_hashes([merkle.leaf_hash(one) for one in events], at)
        anchor = self._anchor(height, position)
        return proof_file.build_event(self._ledger.network, anchor, events[at], at, path)

    def row(self, state_key: bytes) -> bytes:
        """That a row stands, or does not stand, in the state after the newest block entry."""
        tip = self._ledger.tip
        value, proof = self._ledger.prove(state_key, tip.height)
        anchor = self._block_anchor(tip)
        if value is None:
            return proof_file.build_absent(self._ledger.network, anchor, state_key, proof)
        return proof_file.build_row(self._ledger.network, anchor, state_key, value, proof)

    def _find(self, transaction_id: bytes) -> tuple[int, int]:
        found = self._ledger.find(transaction_id)
        if found is None:
            raise Problem(
                Category.NOT_FOUND,
                "TransactionUnknown",
                "expected the id of a transaction in a block; it may be waiting, or expired",
            )
        return found

    def _anchor(self, height: int, position: int) -> FileAnchor:
        if self._comet is not None:
            return self._comet.anchor(height, position)
        record = self._ledger.record(height)
        entries = self._ledger.entries(height)
        index = record.log_size - len(entries) + position
        note = self._checkpoints.covering(record.log_size)
        path = self._ledger.path(index, note.checkpoint.size)
        return proof_file.note_anchor(entries[position], index, path, note.text)

    def _block_anchor(self, tip: Tip) -> FileAnchor:
        """The newest block entry: it holds the tip's state root, since empty blocks leave none."""
        height = self._ledger.height_of_entry(tip.log_size - 1)
        if height == 0:
            raise Problem(
                Category.NOT_FOUND,
                "NoBlockYet",
                "the first block is not made yet; submit a transaction, then ask again",
            )
        return self._anchor(height, len(self._ledger.entries(height)) - 1)


def _check_position(at: int, count: int, name: str) -> None:
    if not 0 <= at < count:
        raise Problem(Category.NOT_FOUND, name, f"expected a position of 0 to {count - 1}")
