"""What everybody may read of a member's copy of the ledger: its state, blocks, keys and members."""

from typing import Annotated, Any

from litestar import get
from litestar.params import FromPath, FromQuery, PathParameter, QueryParameter

from salus.base import codec
from salus.base.entry import UNREADABLE_CODE_MAX
from salus.base.envelope import Envelope, transaction_id
from salus.base.errors import Category, Problem
from salus.base.hashing import sha256
from salus.doors.http.answers import Reply, answer
from salus.doors.http.member import Door
from salus.doors.http.plain import event, from_hex, plain
from salus.doors.http.transactions import proof_answer
from salus.machine.execute import VERSION
from salus.machine.tables import KEY, NONCE
from salus.modules.members import queries as members
from salus.node.node import Node
from salus.node.record import BlockRecord
from salus.state.tables import Table

TableName = Annotated[str, PathParameter(description="Table by name, as `audit.author`.")]
Proved = Annotated[bool, QueryParameter(description="Answer a proof file instead of the row.")]


@get("/v1/status", sync_to_thread=False)
def status(door: Door) -> Reply:
    """
    Tell where this member's copy of the ledger stands.

    `app_hash` is what all members agree on; `note_size` is the log size of the newest note that
    meets the quorum; `history` says whether a member that rejoined by a snapshot has all blocks.
    """
    node = door.node
    note = node.checkpoints.newest
    return answer(
        {
            "name": door.name,
            "member": node.keys.member.hex(),
            "network": node.ledger.network.hex(),
            "version": VERSION,
            "orders": node.is_orderer,
            "history": _history(node),
            "note_size": 0 if note is None else note.checkpoint.size,
            **plain(node.ledger.tip),
        }
    )


def _history(node: Node) -> str:
    """Whether all blocks are here, in words an operator reads."""
    if node.history is None:
        return "complete"
    if node.history.complete:
        return "complete after the next start"
    return f"incomplete: {node.history.height} of {node.ledger.start.height} blocks fetched"


@get("/v1/members", sync_to_thread=True)
def member_list(door: Door) -> Reply:
    """List all members there ever were, in order of admission, with their live keys."""
    view = door.node.ledger.view()
    return answer(
        {"height": view.height, "members": [_member(view, one) for one in members.admitted(view)]}
    )


@get("/v1/keys/{key_id:str}", sync_to_thread=True)
def key(door: Door, key_id: FromPath[str]) -> Reply:
    """
    Show a transaction key and its window of nonces.

    All nonces below `floor` are spent, and floor + i for each bit i of `bits` (a big-endian
    number); `next_nonce` lies above all spent ones.
    """
    name = from_hex(key_id, 16, "key id")
    view = door.node.ledger.view()
    row, window = view.read(KEY, name), view.read(NONCE, name)
    floor = 0 if window is None else window.floor
    bits = 0 if window is None else int.from_bytes(window.bits, "big")
    return answer(
        {
            "key_id": key_id,
            "height": view.height,
            "key": plain(row),
            "floor": floor,
            "bits": f"{bits:064x}",
            "next_nonce": floor + bits.bit_length(),
        }
    )


@get("/v1/blocks/{height:int}", sync_to_thread=True)
def block(door: Door, height: FromPath[int]) -> Reply:
    """Show a block: its roots, the ids and codes of its transactions, its own events."""
    ledger = door.node.ledger
    record = ledger.record(height)
    return answer(
        {
            "height": height,
            "time_ms": record.time_ms,
            "app_hash": record.app.hex(),
            "log_size": record.log_size,
            "log_root": record.log_root.hex(),
            "state_root": record.state.hex(),
            "events": [event(one) for one in ledger.receipts(height).events],
            "transactions": [_transaction(record, at) for at in range(len(record.txs))],
        }
    )


@get("/v1/state/{table:str}/{key_hex:str}", sync_to_thread=True)
def row(
    door: Door,
    table: TableName,
    key_hex: FromPath[str],
    *,
    proof: Proved = False,
    height: FromQuery[int | None] = None,
) -> Reply:
    """
    Read one row of the state, or prove that it is there, or that it is not.

    `key_hex`: the row's key without the table's two bytes. `height`: of a recent block, for the
    row alone; a proof is always of the newest.
    """
    return _row(door, _table(door, table), from_hex(key_hex, 0, "key"), height, proof=proof)


@get("/v1/state/{table:str}", sync_to_thread=True)
def single_row(
    door: Door, table: TableName, *, proof: Proved = False, height: FromQuery[int | None] = None
) -> Reply:
    """Read the row of a table that has only one, or prove it."""
    return _row(door, _table(door, table), b"", height, proof=proof)


LEDGER_ROUTES = (status, member_list, key, block, row, single_row)


def _row(door: Door, table: Table[Any], key: bytes, height: int | None, *, proof: bool) -> Reply:
    ledger = door.node.ledger
    _check_key(table, key)
    state_key = table.prefix + key
    if proof:
        return proof_answer(door.node.proofs.row(state_key), table.name)
    at = ledger.tip.height if height is None else height
    value, _ = ledger.prove(state_key, at)
    return answer(
        {
            "table": table.name,
            "key": key.hex(),
            "height": at,
            "row": None if value is None else plain(table.decode(value)),
        }
    )


def _check_key(table: Table[Any], key: bytes) -> None:
    fixed = sum(part.width for part in table.parts)
    has_text = any(part.width == 0 for part in table.parts)
    if (len(key) <= fixed) if has_text else (len(key) != fixed):
        parts = ", ".join(f"{one.name} ({one.width or '1-64'} B)" for one in table.parts)
        raise Problem(
            Category.MALFORMED,
            "KeyMalformed",
            f"{table.name}: expected the key {parts or '(none)'}",
        )


def _table(door: Door, name: str) -> Table[Any]:
    tables: tuple[Table[Any], ...] = door.node.ledger.machine.tables
    for table in tables:
        if table.name == name:
            return table
    raise Problem(
        Category.NOT_FOUND,
        "TableUnknown",
        "expected a table's name, as `audit.author`; the modules' reference pages list them",
    )


def _transaction(record: BlockRecord, at: int) -> dict[str, Any]:
    data, code = record.txs[at], record.results[at].code
    if 0 < code <= UNREADABLE_CODE_MAX:
        name = sha256(data)
    else:
        envelope = codec.decode(data, Envelope)
        name = transaction_id(envelope.key, envelope.body)
    return {"id": name.hex(), "code": code}


def _member(view: Any, member: bytes) -> dict[str, Any]:
    keys = {
        use: [one.hex() for one in found]
        for use in range(1, 7)
        if (found := members.keys(view, member, use, view.time_ms))
    }
    return {"id": member.hex(), **plain(members.member(view, member)), "keys": keys}
