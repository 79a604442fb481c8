"""
The read models: which rows a block gives.

A model sees blocks alone, never another model; raise its version and it is made anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sql

from salus.modules.audit.events import LineRecorded
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.modules.records.messages import CommitBatch
from salus.node.follower.seen import BlockSeen, TransactionSeen

METADATA = sql.MetaData()

Rows = Mapping[sql.Table, Sequence[Mapping[str, Any]]]

LINE = sql.Table(
    "audit_line",
    METADATA,
    sql.Column("log_index", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("position", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("author", sql.LargeBinary(16), nullable=False),
    sql.Column("line", sql.BigInteger, nullable=False),
    sql.Column("node", sql.SmallInteger, nullable=False),
    sql.Column("ref", sql.BigInteger, nullable=False),
    sql.Column("user", sql.BigInteger, nullable=False),
    sql.Column("activity", sql.Integer, nullable=False),
    sql.Column("resource", sql.Integer, nullable=False),
    sql.Column("time_ms", sql.BigInteger, nullable=False),
    sql.Index("audit_line_time", "time_ms"),
    sql.Index("audit_line_user", "user", "time_ms"),
    sql.Index("audit_line_resource", "resource", "time_ms"),
    sql.Index("audit_line_activity", "activity", "time_ms"),
    sql.Index("audit_line_ref", "node", "ref"),
)

TERM = sql.Table(
    "audit_term",
    METADATA,
    sql.Column("kind", sql.SmallInteger, primary_key=True, autoincrement=False),
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("text", sql.String(64), nullable=False),
)

TRANSACTION = sql.Table(
    "ledger_transaction",
    METADATA,
    sql.Column("log_index", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("id", sql.LargeBinary(32), nullable=False, index=True),
    sql.Column("height", sql.BigInteger, nullable=False),
    sql.Column("time_ms", sql.BigInteger, nullable=False),
    sql.Column("signer", sql.LargeBinary(16), nullable=False),
    sql.Column("code", sql.Integer, nullable=False),
    sql.Index("ledger_transaction_signer", "signer", "log_index"),
)

BATCH = sql.Table(
    "records_batch",
    METADATA,
    sql.Column("batch", sql.LargeBinary(16), primary_key=True),
    sql.Column("root", sql.LargeBinary(32), nullable=False),
    sql.Column("bytes", sql.BigInteger, nullable=False),
    sql.Column("copies", sql.Integer, nullable=False),
    sql.Column("height", sql.BigInteger, nullable=False),
    sql.Column("time_ms", sql.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class ReadModel:
    """Tables, and the rows a block adds to them."""

    name: str
    version: int
    tables: tuple[sql.Table, ...]
    rows: Callable[[BlockSeen], Rows]


def _done(block: BlockSeen) -> Iterable[TransactionSeen]:
    return (one for one in block.transactions if one.code == 0)


def _lines(block: BlockSeen) -> Rows:
    rows = []
    for transaction in _done(block):
        told = [event for event in transaction.events if isinstance(event, LineRecorded)]
        recorded = [
            (position, message)
            for position, message in enumerate(transaction.messages)
            if isinstance(message, RecordLine)
        ]
        for (position, message), event in zip(recorded, told, strict=True):
            rows.append(
                {
                    "log_index": transaction.log_index,
                    "position": position,
                    "author": transaction.signer,
                    "line": event.line,
                    "node": message.node,
                    "ref": message.ref,
                    "user": message.user,
                    "activity": message.activity,
                    "resource": message.resource,
                    "time_ms": message.time_ms,
                }
            )
    return {LINE: rows}


def _terms(block: BlockSeen) -> Rows:
    return {
        TERM: [
            {"kind": message.kind, "number": message.number, "text": message.text}
            for transaction in _done(block)
            for message in transaction.messages
            if isinstance(message, DefineTerm)
        ]
    }


def _transactions(block: BlockSeen) -> Rows:
    return {
        TRANSACTION: [
            {
                "log_index": one.log_index,
                "id": one.id,
                "height": block.height,
                "time_ms": block.time_ms,
                "signer": one.signer,
                "code": one.code,
            }
            for one in block.transactions
        ]
    }


def _batches(block: BlockSeen) -> Rows:
    return {
        BATCH: [
            {
                "batch": message.batch,
                "root": message.root,
                "bytes": message.bytes,
                "copies": len(message.receipts),
                "height": block.height,
                "time_ms": block.time_ms,
            }
            for transaction in _done(block)
            for message in transaction.messages
            if isinstance(message, CommitBatch)
        ]
    }


MODELS = (
    ReadModel("audit_lines", 1, (LINE,), _lines),
    ReadModel("audit_terms", 1, (TERM,), _terms),
    ReadModel("transactions", 1, (TRANSACTION,), _transactions),
    ReadModel("batches", 1, (BATCH,), _batches),
)
