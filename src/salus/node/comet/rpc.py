"""
CometBFT's JSON-RPC (2.0) over its Unix socket: hand over transactions, ask how it is.

`broadcast_tx_sync` returns when CheckTx has answered: taken into the mempool, or not.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

from salus.base.errors import Category, Problem

TIMEOUT_S = 10.0


class TxResult(msgspec.Struct):
    """What CheckTx said."""

    code: int
    log: str = ""


class RpcError(msgspec.Struct):
    """CometBFT's own "no": the mempool is full, or has seen the transaction."""

    code: int
    message: str = ""
    data: str = ""


class _Answer(msgspec.Struct):
    id: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: RpcError | None = None


_ANSWERS = msgspec.json.Decoder(list[_Answer])
_ANSWER = msgspec.json.Decoder(_Answer)


class RpcClient:
    """One connection's worth of calls; used by one thread at a time."""

    def __init__(self, socket: Path) -> None:
        """`socket`: need not be there yet."""
        self._http = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(socket)),
            base_url="http://cometbft",
            timeout=TIMEOUT_S,
        )

    def broadcast(self, envelopes: Sequence[bytes]) -> list[TxResult | RpcError]:
        """Hand over up to a batch; one answer each, in order. Raises Problem CometDown."""
        calls = [
            {
                "jsonrpc": "2.0",
                "id": number,
                "method": "broadcast_tx_sync",
                "params": {"tx": base64.b64encode(data).decode()},
            }
            for number, data in enumerate(envelopes)
        ]
        answers = {one.id: one for one in _decode(_ANSWERS, self._post(calls))}
        return [
            answers[number].error or msgspec.json.decode(answers[number].result, type=TxResult)
            for number in range(len(envelopes))
        ]

    def call(self, method: str, **parameters: object) -> Any:
        """Any other method's result, as plain JSON; raises Problem CometDown, CometRefused."""
        question = {"jsonrpc": "2.0", "id": 0, "method": method, "params": parameters}
        answer = _decode(_ANSWER, self._post(question))
        if answer.error is not None:
            raise Problem(
                Category.UNAVAILABLE, "CometRefused", f"{method}: code {answer.error.code}"
            )
        return msgspec.json.decode(answer.result)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _post(self, body: object) -> bytes:
        try:
            answer = self._http.post("/", content=msgspec.json.encode(body))
        except httpx.TransportError as error:
            raise _down(type(error).__name__) from None
        return answer.content


def _decode(decoder: msgspec.json.Decoder[Any], data: bytes) -> Any:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError:
        raise _down("an answer that is no JSON-RPC") from None


def _down(why: str) -> Problem:
    return Problem(
        Category.UNAVAILABLE, "CometDown", f"CometBFT does not answer ({why}); it is started again"
    )
