"""
The App: what CometBFT asks of the machine, translated (ABCI 2.0, `ledger.md` §5.7).

CometBFT orders, this answers: may it wait, is this block lawful, what did it do. State changes in
`Commit` alone, so at a restart the ledger is level with CometBFT's store or one block behind, and
CometBFT hands over again what is missing.
"""

import re
from collections.abc import Callable, Sequence

import msgspec
import structlog

from salus.base.errors import Fault, Refusal
from salus.base.hashing import sha256
from salus.machine.block import Block
from salus.machine.refusals import SignatureInvalid
from salus.machine.tables import META
from salus.machine.transaction import Transaction
from salus.node.comet import validators
from salus.node.comet.abci_pb2 import (
    CheckTxType,
    ExecTxResult,
    Request,
    RequestCheckTx,
    RequestFinalizeBlock,
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestQuery,
    Response,
    ResponseApplySnapshotChunk,
    ResponseCheckTx,
    ResponseCommit,
    ResponseExtendVote,
    ResponseFinalizeBlock,
    ResponseInfo,
    ResponseInitChain,
    ResponseOfferSnapshot,
    ResponsePrepareProposal,
    ResponseProcessProposal,
    ResponseQuery,
    ResponseVerifyVoteExtension,
    ValidatorUpdate,
)
from salus.node.comet.proposals import Check, Proposals
from salus.node.comet.state_sync import Offers
from salus.node.comet.waiting import NOBODY, Waiting
from salus.node.ledger import Executed, Ledger
from salus.node.mempool import Ticket
from salus.node.ports import Clock, RealClock
from salus.node.quarantine import Quarantine
from salus.node.verify_pool import Remembered

log = structlog.get_logger()

HANDLER_BUG = 31_999
"""CheckTx's code for a transaction whose handler has a bug; no module has the number 31."""

CODESPACE = "salus"

_RECHECK = CheckTxType.RECHECK
"""Looked up once: protobuf's enumerations find a name anew each time."""


class AppState(msgspec.Struct, forbid_unknown_fields=True):
    """`app_state` of CometBFT's genesis file."""

    network: str
    """The network id, 64 hex."""

    height: int
    """Height of the ledger that the first network block follows."""


class App:
    """Answers CometBFT; a `Handler` of the ABCI server."""

    def __init__(
        self,
        ledger: Ledger,
        waiting: Waiting,
        check: Check,
        quarantine: Quarantine,
        offers: Offers | None = None,
        clock: Clock | None = None,
    ) -> None:
        """
        Answer for a ledger.

        `check`: of signatures; `quarantine`: for transactions whose handler has a bug; `offers`:
        the snapshots that other members may take.
        """
        offers = offers or Offers(None)
        self._ledger = ledger
        self._waiting = waiting
        self._check = check
        self._quarantine = quarantine
        self._faulty = Remembered()
        self._proposals = Proposals(
            ledger, waiting.find, check, self._keep_aside, clock or RealClock()
        )
        self._answers: dict[str, Callable[[Request], Response]] = {
            "info": lambda _: Response(info=self._info()),
            "init_chain": lambda one: Response(init_chain=self._init_chain(one.init_chain)),
            "query": lambda one: Response(query=self._query(one.query)),
            "prepare_proposal": lambda one: Response(
                prepare_proposal=self._prepare(one.prepare_proposal)
            ),
            "process_proposal": lambda one: Response(
                process_proposal=self._process(one.process_proposal)
            ),
            "finalize_block": lambda one: Response(
                finalize_block=self._finalize(one.finalize_block)
            ),
            "commit": lambda _: Response(commit=self._commit()),
            "list_snapshots": lambda _: Response(list_snapshots=offers.list()),
            "load_snapshot_chunk": lambda one: Response(
                load_snapshot_chunk=offers.load(one.load_snapshot_chunk)
            ),
            **_SWITCHED_OFF,
        }

    def answer(self, request: Request) -> Response:
        """Answer one request; raises Fault for one of another protocol."""
        kind = request.WhichOneof("value")
        if kind not in self._answers:
            raise Fault("an unknown ABCI request: expected CometBFT of the 0.39 line")
        return self._answers[kind](request)

    def check_txs(self, requests: Sequence[RequestCheckTx]) -> list[ResponseCheckTx]:
        """May these wait? New ones' signatures are checked together."""
        known = [self._waiting.find(sha256(request.tx)) for request in requests]
        read = [one or self._read(request.tx) for one, request in zip(known, requests, strict=True)]
        strange = [
            at for at, one in enumerate(read) if known[at] is None and isinstance(one, Transaction)
        ]
        verdicts = self._check([requests[at].tx for at in strange])
        holds = dict(zip(strange, verdicts, strict=True))
        return [
            self._check_tx(request, one, signature_holds=holds.get(at, True))
            for at, (request, one) in enumerate(zip(requests, read, strict=True))
        ]

    def _read(self, data: bytes) -> Transaction | Refusal:
        try:
            return self._ledger.machine.form.read(data)
        except Refusal as refusal:
            return refusal

    def _check_tx(
        self, request: RequestCheckTx, read: Transaction | Refusal, *, signature_holds: bool
    ) -> ResponseCheckTx:
        if isinstance(read, Refusal):
            return _refused(read)
        if not signature_holds:
            return _refused(SignatureInvalid())
        if read.hash in self._faulty:
            return ResponseCheckTx(code=HANDLER_BUG, log="HandlerBug", codespace=CODESPACE)
        try:
            if request.type == _RECHECK:
                self._waiting.recheck(read)
            else:
                self._waiting.add(Ticket(request.tx, read, done=NOBODY))
        except Refusal as refusal:
            return _refused(refusal)
        return ResponseCheckTx()

    def _info(self) -> ResponseInfo:
        """Height 0 until the first network block: then CometBFT comes with InitChain."""
        tip = self._ledger.tip
        has_begun = tip.height >= self._initial_height()
        return ResponseInfo(
            data=CODESPACE,
            last_block_height=tip.height if has_begun else 0,
            last_block_app_hash=tip.app_hash,
        )

    def _init_chain(self, asked: RequestInitChain) -> ResponseInitChain:
        """Compare CometBFT's genesis with our own; may come again after a crash."""
        own = validators.validators(self._ledger.view())
        state = msgspec.json.decode(asked.app_state_bytes, type=AppState)
        found = {
            "chain_id": (chain_id(self._ledger.network), asked.chain_id),
            "initial_height": (self._initial_height(), asked.initial_height),
            "app_state.network": (self._ledger.network.hex(), state.network),
            "app_state.height": (self._ledger.tip.height, state.height),
            "validators": (
                [(one.pub_key.ed25519.hex(), one.power) for one in own],
                sorted((one.pub_key.ed25519.hex(), one.power) for one in asked.validators),
            ),
        }
        for name, (expected, told) in found.items():
            if told != expected:
                raise Fault(
                    f"CometBFT's genesis file: {name}: expected {expected}, found {told}. "
                    "Write it anew from this ledger's genesis."
                )
        return ResponseInitChain(validators=own, app_hash=self._ledger.tip.app_hash)

    def _query(self, asked: RequestQuery) -> ResponseQuery:
        """Who may connect; all other questions have doors of their own."""
        if asked.path.startswith("/p2p/filter/addr/"):
            return ResponseQuery()
        found = re.fullmatch(r"/p2p/filter/id/([0-9a-f]{40})", asked.path)
        if found and validators.may_connect(self._ledger.view(), found[1]):
            return ResponseQuery()
        return ResponseQuery(code=1, log="NotAMember" if found else "PathUnknown")

    def _prepare(self, asked: RequestPrepareProposal) -> ResponsePrepareProposal:
        block = self._block(asked)
        return ResponsePrepareProposal(txs=self._proposals.prepare(block, asked.max_tx_bytes))

    def _process(self, asked: RequestProcessProposal) -> ResponseProcessProposal:
        accepted = self._proposals.is_acceptable(self._block(asked))
        if not accepted:
            owners = validators.owners(self._ledger.view())
            proposer = owners.get(asked.proposer_address, validators.NOBODY)
            log.warning(
                "proposal.rejected",
                height=asked.height,
                count=len(asked.txs),
                member=proposer.hex(),
            )
        status = ResponseProcessProposal.ACCEPT if accepted else ResponseProcessProposal.REJECT
        return ResponseProcessProposal(status=status)

    def _finalize(self, asked: RequestFinalizeBlock) -> ResponseFinalizeBlock:
        executed = self._proposals.decide(self._block(asked))
        return ResponseFinalizeBlock(
            tx_results=[ExecTxResult(code=one.code) for one in executed.outcome.receipts],
            validator_updates=self._validator_changes(executed),
            app_hash=executed.sealed.app_hash,
        )

    def _commit(self) -> ResponseCommit:
        """Journal, sync, tip, then the callers; `retain_height` 0 keeps all blocks."""
        executed = self._proposals.take_decided()
        self._ledger.commit(executed)
        self._waiting.settle(executed)
        return ResponseCommit()

    def _validator_changes(self, executed: Executed) -> list[ValidatorUpdate]:
        before, after = self._ledger.view(), self._ledger.view_after(executed)
        return validators.changes(before, after)

    def _block(
        self, asked: RequestPrepareProposal | RequestProcessProposal | RequestFinalizeBlock
    ) -> Block:
        return Block(
            evidence=validators.evidence(self._ledger.view(), asked.misbehavior),
            height=asked.height,
            time_ms=asked.time.seconds * 1000 + asked.time.nanos // 1_000_000,
            txs=list(asked.txs),
        )

    def _initial_height(self) -> int:
        meta = self._ledger.view().read(META)
        return 1 if meta is None else meta.initial_height

    def _keep_aside(self, data: bytes, bug: Exception) -> None:
        """A handler's bug must not stop the network: keep the transaction, propose without it."""
        transaction = self._ledger.machine.form.read(data)
        self._faulty.add(transaction.hash)
        self._quarantine.keep(transaction.id, data, bug)


def chain_id(network: bytes) -> str:
    """What CometBFT calls the network: `salus-` and the first 16 hex of its id."""
    return f"salus-{network.hex()[:16]}"


def _refused(refusal: Refusal) -> ResponseCheckTx:
    return ResponseCheckTx(code=refusal.code, log=type(refusal).__name__, codespace=CODESPACE)


_SWITCHED_OFF: dict[str, Callable[[Request], Response]] = {
    "extend_vote": lambda _: Response(extend_vote=ResponseExtendVote()),
    "verify_vote_extension": lambda _: Response(
        verify_vote_extension=ResponseVerifyVoteExtension(status=ResponseVerifyVoteExtension.ACCEPT)
    ),
    "offer_snapshot": lambda _: Response(
        offer_snapshot=ResponseOfferSnapshot(result=ResponseOfferSnapshot.ABORT)
    ),
    "apply_snapshot_chunk": lambda _: Response(
        apply_snapshot_chunk=ResponseApplySnapshotChunk(result=ResponseApplySnapshotChunk.ABORT)
    ),
}
"""Votes carry no extensions; who has a ledger takes no snapshot (`joiner.py` does)."""
