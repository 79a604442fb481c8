"""
Transactions: handing in, looking up, proving.

`POST /v1/transactions` is the busiest route: a bare ASGI handler that stands in front of the
framework (`front.py`) and is described by hand in `openapi.py`.
"""

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, PathParameter, QueryParameter, SkipValidation
from litestar.types import ASGIApp, Receive, Scope, Send

from salus.base import proof_file
from salus.base.entry import UNREADABLE_CODE_MAX
from salus.base.errors import Category, Problem
from salus.base.limits import BLOCK_BYTES_MAX, MESSAGES_MAX, TRANSACTION_BYTES_MAX
from salus.doors.http.answers import Reply, answer, told_of
from salus.doors.http.asgi import JSON, only_post, send_answer, send_problem
from salus.doors.http.bodies import read_body
from salus.doors.http.heads import bounded
from salus.doors.http.member import Door
from salus.doors.http.plain import event, from_hex, plain
from salus.doors.http.submitting import Ended, Submitting, Wait
from salus.node.proofs import Proofs

SUBMIT_PATH = "/v1/transactions"

BATCH_BYTES_MAX = BLOCK_BYTES_MAX
BATCH_ENVELOPES_MAX = MESSAGES_MAX
"""One batch fills at most about one block (`ledger.md` §6)."""

Sends = SkipValidation[NamedDependency[Submitting]]
"""The member's way to the engine, given by the router."""

TxId = Annotated[str, PathParameter(description="Transaction id, 64 hex digits.")]

_WAITS = {b"": Wait.COMMITTED} | {f"wait={one.value}".encode(): one for one in Wait}
_ENCODER = msgspec.json.Encoder()


def submit_route(submitting: Submitting) -> ASGIApp:
    """`POST /v1/transactions?wait=admitted|committed|proved`, body an envelope."""

    async def submit(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            only_post(scope)
            wait = _wait_of(scope)
            envelope = await read_body(scope, receive, TRANSACTION_BYTES_MAX)
            ended = await submitting.submit(envelope, wait)
        except Exception as error:  # noqa: BLE001 (a door answers whatever happens)
            await send_problem(send, told_of(error))
            return
        status = 202 if wait is Wait.ADMITTED else 200
        await send_answer(send, status, JSON, _ENCODER.encode(ended))

    return bounded(submit)


@post("/v1/transactions/batch", status_code=200, request_max_body_size=BATCH_BYTES_MAX)
async def submit_batch(submitting: Sends, request: Request[Any, Any, Any]) -> Reply:
    """
    Hand in many envelopes at once and wait for their blocks.

    Body: u32 length ‖ envelope, repeated; at most 1,000 of them, about 4 MiB in all. Answers
    one result an envelope, in order: as a single one is answered, or its problem document.
    """
    envelopes = split_batch(await request.body())
    results = await asyncio.gather(
        *(submitting.submit(one, Wait.COMMITTED) for one in envelopes), return_exceptions=True
    )
    return answer({"results": [_result(one) for one in results]})


@get("/v1/transactions/{tx_id:str}", sync_to_thread=True)
def transaction(door: Door, submitting: Sends, tx_id: TxId) -> Reply:
    """
    Tell what became of a transaction.

    `status` is pending or committed; a committed one is shown with its block's time, its
    messages and events as everybody on the ledger sees them.
    """
    return answer(shown(door, submitting.find(from_hex(tx_id, 32, "transaction id"))))


@get("/v1/transactions/{tx_id:str}/proof", sync_to_thread=True)
def proof(
    door: Door,
    tx_id: TxId,
    message: FromQuery[int | None] = None,
    event: FromQuery[int | None] = None,
    proof_format: Annotated[str, QueryParameter(name="format")] = "salus",
) -> Reply:
    """
    Prove a transaction, or one message or event of it, to anybody offline.

    `message`, `event`: position from 0. `format`: `salus`, a file for `salus verify`; `tlog`,
    the C2SP `.tlog-proof` inside it, for others' tools.
    """
    if proof_format not in ("salus", "tlog"):
        raise Problem(Category.MALFORMED, "ParameterMalformed", "format: expected salus or tlog")
    name = from_hex(tx_id, 32, "transaction id")
    if proof_format == "tlog":
        data = _proof(door.node.proofs.noted, name, message, event)
        return Response(proof_file.tlog_text(data).encode(), media_type="text/plain")
    return proof_answer(_proof(door.node.proofs, name, message, event), tx_id[:16])


TRANSACTION_ROUTES = (submit_batch, transaction, proof)


def proof_answer(data: bytes, name: str) -> Reply:
    """A proof file as a download."""
    headers = {"content-disposition": f'attachment; filename="{name}.salus-proof"'}
    return answer(data, headers=headers)


def split_batch(body: bytes) -> list[bytes]:
    """The envelopes of a batch's body; raises Problem BatchMalformed, BatchTooLarge."""
    envelopes: list[bytes] = []
    at = 0
    while at < len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        if at + 4 + size > len(body):
            raise Problem(
                Category.MALFORMED,
                "BatchMalformed",
                "expected u32 length ‖ envelope, repeated; the last one is cut short",
            )
        envelopes.append(body[at + 4 : at + 4 + size])
        at += 4 + size
        if len(envelopes) > BATCH_ENVELOPES_MAX:
            raise Problem(
                Category.TOO_LARGE,
                "BatchTooLarge",
                f"expected at most {BATCH_ENVELOPES_MAX} envelopes; send the rest in another batch",
            )
    return envelopes


def shown(door: Door, ended: Ended) -> dict[str, Any]:
    """A transaction with what everybody on the ledger sees of it."""
    told: dict[str, Any] = msgspec.to_builtins(ended)
    if ended.height is None:
        return told
    ledger = door.node.ledger
    _, position = ledger.find(bytes.fromhex(ended.id)) or (0, 0)
    record, stored = ledger.record(ended.height), ledger.receipts(ended.height)
    told["time_ms"] = record.time_ms
    told["events"] = [event(one) for one in stored.receipts[position].events]
    if 0 < record.results[position].code <= UNREADABLE_CODE_MAX:
        return told
    transaction = ledger.machine.form.read(record.txs[position])
    told["signer"] = transaction.key_id.hex()
    told["messages"] = [plain(one) for one in transaction.messages]
    return told


def _proof(proofs: Proofs, tx_id: bytes, message: int | None, event: int | None) -> bytes:
    if message is not None:
        return proofs.message(tx_id, message)
    if event is not None:
        return proofs.event(tx_id, event)
    return proofs.transaction(tx_id)


def _result(ended: "Ended | BaseException") -> Any:
    if isinstance(ended, BaseException):
        return told_of(ended).document
    return ended


def _wait_of(scope: Scope) -> Wait:
    wait = _WAITS.get(scope["query_string"])
    if wait is None:
        raise Problem(
            Category.MALFORMED,
            "ParameterMalformed",
            "expected nothing or wait=admitted|committed|proved after the question mark",
        )
    return wait
