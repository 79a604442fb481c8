"""
Blocks on their way: proposed, judged, decided.

A proposal is executed when it is made or judged and the execution kept, so that a decided block is
executed once. Nothing here touches the committed state (CometBFT's requirement 9). One thread, that
of the consensus connection.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog

from salus.base import codec
from salus.base.errors import Fault, Refusal
from salus.base.hashing import sha256
from salus.base.limits import BLOCK_BYTES_MAX, BLOCK_MESSAGES_MAX, BLOCK_TRANSACTIONS_MAX
from salus.machine.block import Block
from salus.machine.refusals import LAST_UNSPENT
from salus.machine.transaction import Transaction
from salus.node.comet.frames import varint
from salus.node.comet.pace import Pace
from salus.node.ledger import Executed, Ledger
from salus.node.ports import Clock

log = structlog.get_logger()

KEPT_MAX = 2
"""Executions kept at once; a second round may return to the first round's block."""

Known = Callable[[bytes], Transaction | None]
"""SHA-256 of an envelope -> the transaction, if its signature is known to hold."""

Check = Callable[[Sequence[bytes]], list[bool]]
"""Envelopes -> whether each one's signature holds."""

Dropped = Callable[[bytes, Exception], None]
"""Told of an envelope whose handler has a bug."""


class Proposals:
    """The blocks of the next height."""

    def __init__(
        self,
        ledger: Ledger,
        known: Known,
        check: Check,
        dropped: Dropped,
        clock: Clock,
    ) -> None:
        """`dropped`: told of a transaction whose handler has a bug."""
        self._ledger = ledger
        self._known = known
        self._check = check
        self._dropped = dropped
        self._pace = Pace(clock)
        self._kept: OrderedDict[bytes, Executed] = OrderedDict()
        self._decided: tuple[bytes, Executed] | None = None

    def prepare(self, block: Block, bytes_max: int) -> list[bytes]:
        """
        The transactions to propose of those that `block` offers, in its order.

        Left out: what fails 1-14 or raises, and all from the first that does not fit `bytes_max`
        (in CometBFT's count), the block's own limits, or what is executed in good time.
        """
        parsed = zip(block.txs, self._read(block.txs), strict=True)
        readable = [(data, one) for data, one in parsed if one is not None]
        messages_max = min(BLOCK_MESSAGES_MAX, self._pace.messages_max)
        fitting = _fitting(readable, min(bytes_max, BLOCK_BYTES_MAX), messages_max)
        return self._prepare(
            _with_txs(block, [data for data, _ in fitting]), [one for _, one in fitting]
        )

    def is_acceptable(self, block: Block) -> bool:
        """
        Whether the block may be decided; the block's bytes and the committed state alone say so.

        Rejected: over a limit, a time before the tip's, a transaction that fails 1-8, a handler
        with a bug.
        """
        if _is_over_limit(block.txs) or block.time_ms < self._ledger.tip.time_ms:
            return False
        if _name(block) in self._kept:
            return True
        parsed = self._read(block.txs)
        transactions = [one for one in parsed if one is not None]
        if len(transactions) != len(parsed) or _message_count(transactions) > BLOCK_MESSAGES_MAX:
            return False
        bugs: list[bytes] = []
        executed = self._measured(block, transactions, lambda data, _bug: bugs.append(data))
        if bugs:
            log.error("proposal.handler_bug", height=block.height)
            return False
        self._keep(block, executed)
        return True

    def decide(self, block: Block) -> Executed:
        """
        Execute a decided block, or take the kept execution; asked again, the same answer.

        Raises Fault: another height than the next, or a handler's bug.
        """
        name = _name(block)
        if self._decided is not None and self._decided[0] == name:
            return self._decided[1]
        expected = self._ledger.tip.height + 1
        if block.height != expected:
            raise Fault(
                f"CometBFT decided block {block.height}, this ledger expects {expected}: its data "
                "and the ledger's do not belong together. Restore both from one backup."
            )
        executed = self._kept.get(name) or self._execute(block)
        self._decided = (name, executed)
        return executed

    def take_decided(self) -> Executed:
        """The decided block, to be committed now; all other executions are forgotten."""
        if self._decided is None:
            raise Fault("CometBFT asked to commit before it decided a block")
        executed = self._decided[1]
        self._decided = None
        self._kept.clear()
        return executed

    def _prepare(self, block: Block, transactions: Sequence[Transaction]) -> list[bytes]:
        executed = self._measured(block, transactions, self._dropped)
        outcome = executed.outcome
        lawful = [
            data
            for data, receipt in zip(outcome.txs, outcome.receipts, strict=True)
            if not 0 < receipt.code <= LAST_UNSPENT
        ]
        if len(lawful) == len(block.txs):
            self._keep(block, executed)
        return lawful

    def _measured(
        self, block: Block, transactions: Sequence[Transaction], drop: Dropped
    ) -> Executed:
        with self._pace.over(_message_count(transactions)):
            return self._ledger.execute(block, parsed=transactions, drop=drop)

    def _execute(self, block: Block) -> Executed:
        parsed = self._read(block.txs)
        transactions = [one for one in parsed if one is not None]
        if len(transactions) == len(parsed):
            return self._ledger.execute(block, parsed=transactions)
        return self._ledger.execute(block, signatures=[one is not None for one in parsed])

    def _read(self, envelopes: Sequence[bytes]) -> list[Transaction | None]:
        """Each one's transaction, None where form or signature fails."""
        parsed = [self._parse(data) for data in envelopes]
        strange = [
            at for at, one in enumerate(parsed) if one is not None and self._known(one.hash) is None
        ]
        verdicts = self._check([envelopes[at] for at in strange])
        for at, holds in zip(strange, verdicts, strict=True):
            if not holds:
                parsed[at] = None
        return parsed

    def _parse(self, data: bytes) -> Transaction | None:
        known = self._known(sha256(data))
        if known is not None:
            return known
        try:
            return self._ledger.machine.form.read(data)
        except Refusal:
            return None

    def _keep(self, block: Block, executed: Executed) -> None:
        self._kept[_name(block)] = executed
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)


def _name(block: Block) -> bytes:
    """Equal for blocks of equal height, time, evidence and bytes."""
    return sha256(codec.encode(block))


def _with_txs(block: Block, txs: list[bytes]) -> Block:
    return Block(evidence=block.evidence, height=block.height, time_ms=block.time_ms, txs=txs)


def _is_over_limit(txs: Sequence[bytes]) -> bool:
    return len(txs) > BLOCK_TRANSACTIONS_MAX or sum(map(len, txs)) > BLOCK_BYTES_MAX


def _message_count(transactions: Sequence[Transaction]) -> int:
    return sum(len(one.messages) for one in transactions)


def _fitting(
    offered: Sequence[tuple[bytes, Transaction]], bytes_max: int, messages_max: float
) -> list[tuple[bytes, Transaction]]:
    """
    The longest beginning that fits; each counts with its protobuf field's tag and length.

    The first one fits `messages_max` whatever it holds, or it would never have its turn.
    """
    size_bytes = messages = 0
    for count, (data, transaction) in enumerate(offered):
        size_bytes += 1 + len(varint(len(data))) + len(data)
        messages += len(transaction.messages)
        if (
            count == BLOCK_TRANSACTIONS_MAX
            or size_bytes > bytes_max
            or (count and messages > messages_max)
        ):
            return list(offered[:count])
    return list(offered)
