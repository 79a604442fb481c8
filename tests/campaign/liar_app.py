"""
A member that lies to its own CometBFT, and so to the network: the real node with its App patched.

Imported by a `python -c` that then runs the command line's main (`liar.prelude`). By seed it

- proposes what `lies.py` makes, and says of it that it was acceptable;
- votes against lawful proposals, and for unlawful ones;
- says yes to whatever wants to wait, and hands in rubbish, which its CometBFT gossips on;
- names a wrong height or app hash when its CometBFT comes to shake hands;
- from the height on that `orders` names, once that file is there, computes another app hash;
- signs storage receipts and stores nothing.

What it did stands in its log, each lie under `liar.…`.
"""

import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import structlog

from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.machine import block as blocks
from salus.machine.tables import NONCE
from salus.node.comet.abci_pb2 import (
    CheckTxType,
    RequestCheckTx,
    RequestFinalizeBlock,
    RequestPrepareProposal,
    RequestProcessProposal,
    ResponseCheckTx,
    ResponseFinalizeBlock,
    ResponseInfo,
    ResponsePrepareProposal,
    ResponseProcessProposal,
)
from salus.node.comet.app import App
from salus.node.comet.home import CometHome
from salus.node.comet.rpc import RpcClient
from salus.node.keys import load_keys
from salus.node.ledger import Ledger
from salus.node.settings import Place, read_settings
from salus.node.vault.holdings import Holdings
from tests.campaign.lies import REJECTED, TAKEN, Author

log = structlog.get_logger()

REJECTED_SHARE = 0.6
"""Of its proposals; the others are lies that pass as lawful blocks, or no lies."""

HONEST_SHARE = 0.1

VOTE_SHARE = 0.25
"""Of others' proposals it votes the other way."""

HANDSHAKES = 2
"""So many handshakes of a process are lies, those after its first blocks."""

RUBBISH_S = 0.5
"""Between handfuls of rubbish."""

RUBBISH = 5
"""Envelopes in a handful."""


class Liar:
    """One process's lies."""

    def __init__(self, seed: int) -> None:
        """Of the node whose configuration the command line names."""
        self._random = Random(seed)
        self._orders = orders(Path(sys.argv[-1]))
        self._is_wrong = False
        self._proposed: list[bytes] | None = None
        self._handshakes = 0
        self._place = read_settings(Path(sys.argv[-1]))
        self._key = _transaction_key(self._place)

    def prepare(self, app: App, asked: RequestPrepareProposal) -> ResponsePrepareProposal:
        """A lie instead of a proposal."""
        self._at(asked.height)
        honest = list(_HONEST["_prepare"](app, asked).txs)
        kind, lie = self._lie()
        self._proposed = honest if lie is None else lie(self._author(app._ledger), honest)
        log.warning("liar.proposed", kind=kind, height=asked.height, count=len(self._proposed))
        return ResponsePrepareProposal(txs=self._proposed)

    def process(self, app: App, asked: RequestProcessProposal) -> ResponseProcessProposal:
        """Yes to its own; sometimes no to what is lawful, and yes to whatever it is."""
        self._at(asked.height)
        if list(asked.txs) == self._proposed:
            return ResponseProcessProposal(status=ResponseProcessProposal.ACCEPT)
        if self._random.random() < VOTE_SHARE:
            says = self._random.choice(
                [ResponseProcessProposal.ACCEPT, ResponseProcessProposal.REJECT]
            )
            name = ResponseProcessProposal.ProposalStatus.Name(says)
            log.warning("liar.voted", height=asked.height, kind=f"voted {name}")
            return ResponseProcessProposal(status=says)
        honest: ResponseProcessProposal = _HONEST["_process"](app, asked)
        return honest

    def finalize(self, app: App, asked: RequestFinalizeBlock) -> ResponseFinalizeBlock:
        """The block as it is; its app hash is another from the given height on."""
        self._at(asked.height)
        if self._is_wrong:
            log.warning("liar.hashed", height=asked.height)
        honest: ResponseFinalizeBlock = _HONEST["_finalize"](app, asked)
        return honest

    def check_txs(self, app: App, requests: Sequence[RequestCheckTx]) -> list[ResponseCheckTx]:
        """Yes to all that is new."""
        answers = _HONEST["check_txs"](app, requests)
        return [
            honest if one.type == CheckTxType.RECHECK else ResponseCheckTx()
            for one, honest in zip(requests, answers, strict=True)
        ]

    def info(self, app: App) -> ResponseInfo:
        """A height it has not, or another app hash; then the truth, or it would never start."""
        told: ResponseInfo = _HONEST["_info"](app)
        if self._handshakes < HANDSHAKES and told.last_block_height:
            self._handshakes += 1
            log.warning("liar.shook_hands", count=self._handshakes, height=told.last_block_height)
            if self._random.random() < 0.5:
                told.last_block_height += 5
            else:
                told.last_block_app_hash = bytes(reversed(told.last_block_app_hash))
        return told

    def app_hash(self, log_size: int, log_root: bytes, state_root: bytes) -> bytes:
        """Reversed where it is to be wrong."""
        honest = _APP_HASH(log_size, log_root, state_root)
        return bytes(reversed(honest)) if self._is_wrong else honest

    def spread(self, home: CometHome) -> None:
        """Hand rubbish to its own CometBFT, which gossips what its App said yes to."""
        random = Random(self._random.random())
        client = RpcClient(home.rpc_socket)
        while True:
            threading.Event().wait(RUBBISH_S)
            rubbish = [random.randbytes(random.randrange(1, 600)) for _ in range(RUBBISH)]
            with suppress(Problem):  # its CometBFT starts, or was killed
                client.broadcast(rubbish)
                log.warning("liar.spread", count=len(rubbish))

    def start(self) -> None:
        """Take the App's place, and begin to spread."""
        _patch(App, "_prepare", self.prepare)
        _patch(App, "_process", self.process)
        _patch(App, "_finalize", self.finalize)
        _patch(App, "check_txs", self.check_txs)
        _patch(App, "_info", self.info)
        blocks.app_hash = self.app_hash
        threading.Thread(target=self.spread, args=(self._place.comet,), daemon=True).start()

    def _at(self, height: int) -> None:
        if self._orders.exists():
            self._is_wrong = height >= int(self._orders.read_text())

    def _lie(self) -> tuple[str, Any]:
        share = self._random.random()
        if share < HONEST_SHARE:
            return "none", None
        kinds = REJECTED if share < HONEST_SHARE + REJECTED_SHARE else TAKEN
        return self._random.choice(sorted(kinds.items()))

    def _author(self, ledger: Ledger) -> Author:
        view = ledger.view()
        window = view.read(NONCE, self._key.key_id)
        return Author(
            view.network, self._key, ledger.tip.time_ms, 0 if window is None else window.floor
        )


def orders(config: Path) -> Path:
    """A file with the first height of another app hash; there is none at first."""
    return config.with_suffix(".orders")


def lie(seed: int) -> None:
    """From now on this process's node lies."""
    Liar(seed).start()


def store_nothing() -> None:
    """From now on this process's vault signs receipts over containers it throws away."""
    Holdings.keep = lambda *_: None  # type: ignore[method-assign]  # the lie itself


def vote_nil() -> None:
    """From now on this process's node votes against every proposal: the second of two voices."""
    no = ResponseProcessProposal(status=ResponseProcessProposal.REJECT)
    App._process = lambda *_: no  # type: ignore[method-assign]  # the lie itself


_HONEST: dict[str, Any] = {
    name: getattr(App, name) for name in ("_prepare", "_process", "_finalize", "check_txs", "_info")
}
_APP_HASH = blocks.app_hash


def _patch(kind: type, name: str, instead: Any) -> None:
    # A function of the class is given the App; a bound method in its place would not be.
    def method(*arguments: Any) -> Any:
        return instead(*arguments)

    setattr(kind, name, method)


def _transaction_key(place: Place) -> SigningKey:
    return load_keys(place.path(place.settings.member.keys), demo=True).transaction
