"""
The heart: one block over one state, read top-down.

Due actions, then per transaction: form, signature, key, expiry, nonce, then its messages in order;
a refusal rolls all of them back. No I/O, clock, randomness or float: equal blocks over equal states
give equal outcomes on every machine.
"""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

from salus.base import codec, merkle
from salus.base.entry import TransactionEntry
from salus.base.errors import Fault, Outdated, Refusal
from salus.base.hashing import sha256
from salus.base.limits import LIFETIME_MS_MAX
from salus.base.types import Count
from salus.machine import nonces, refusals
from salus.machine.block import Block, Evidence, Outcome, Receipt
from salus.machine.context import Context, View
from salus.machine.declarations import Declarations
from salus.machine.module import Event, Message, Module, check_modules
from salus.machine.signer import Signer, admit
from salus.machine.tables import KEY, META, NONCE, TABLES, Nonce
from salus.machine.transaction import Form, Transaction, check_signature
from salus.state.overlay import Overlay

VERSION = 1
"""Version of the rules this program knows; a voted higher one stops the node before its height."""

_ZERO_SIGNER = bytes(16)


class Refused(Event, frozen=True, tag="machine.refused"):
    """The one event of a refused transaction."""

    code: Count
    at: Count | None = None
    """Position of the refused message; absent for codes 1-14."""


class HandlerBug(Exception):
    """A handler raised something that is no refusal: a bug, never a lawful outcome."""


class Machine:
    """The modules, checked against one another, and the execution of blocks over them."""

    def __init__(self, modules: Sequence[Module]) -> None:
        """`modules`: in order of their numbers; a contradiction between them is a Fault."""
        self.modules = tuple(modules)
        check_modules(self.modules)
        self.declared = Declarations(self.modules)
        self.form = Form([message for module in modules for message in module.messages])
        self.tables = TABLES + tuple(table for module in modules for table in module.tables)
        self._event_kinds: Any = functools.reduce(
            operator.or_, (event for module in modules for event in module.events), Refused
        )
        self._handlers: dict[type[Message], Callable[[Context, Message], None]] = {
            message: module.handler(message) for module in modules for message in module.messages
        }
        self._agendas = [module.agenda for module in modules if module.agenda is not None]
        self._is_active = next((module.active for module in modules if module.active), None)
        self._lifetime_ms = next(
            (module.lifetime_ms for module in modules if module.lifetime_ms), None
        )
        self._lawful = frozenset(refusal for module in modules for refusal in module.refusals)
        self._refusals = {
            refusal.module * 1000 + refusal.number: refusal
            for refusal in (*refusals.REFUSALS, *self._lawful)
        }

    def execute(
        self,
        network: bytes,
        read: Callable[[bytes], bytes | None],
        block: Block,
        *,
        parsed: Sequence[Transaction] | None = None,
        signatures: Sequence[bool] | None = None,
        drop: Callable[[bytes, Exception], None] | None = None,
    ) -> Outcome:
        """
        Execute a block over the state that `read` shows.

        `parsed`: the block's transactions whose form and signature are known to hold.
        `signatures`: answers already known, one a transaction; without either each is checked here.
        `drop`: called with a transaction whose handler has a bug, which then is left out (an engine
        that builds a block); without it such a bug is a Fault (a replay, a decided block).
        """
        overlay = Overlay(read)
        run = _Run(self, network, overlay, block)
        run.do_due()
        for position, data in enumerate(block.txs):
            try:
                if parsed is not None:
                    run.authenticate(data, parsed[position])
                else:
                    known = None if signatures is None else signatures[position]
                    run.transact(data, signature_holds=known)
            except HandlerBug as bug:
                overlay.rollback()
                if drop is None:
                    raise Fault(f"a handler failed in block {block.height}: {bug}") from bug
                drop(data, bug)
        return run.outcome()

    def next_due(self, view: View) -> int | None:
        """Height of the next due action of any module, or None."""
        dues = [due for agenda in self._agendas if (due := agenda.next_due(view)) is not None]
        return min(dues, default=None)

    def signer(self, view: View, key_id: bytes) -> Signer:
        """What a state says of a transaction key; refuses with KeyUnknown."""
        row = view.read(KEY, key_id)
        if row is None:
            raise refusals.KeyUnknown(key_id=key_id)
        is_active = self._is_active is None or self._is_active(view, row.member)
        return Signer(row, is_active, view.read(NONCE, key_id) or nonces.NEW)

    def lifetime_ms(self, view: View) -> int:
        """The longest a transaction may wait, ms; at most a day."""
        return LIFETIME_MS_MAX if self._lifetime_ms is None else self._lifetime_ms(view)

    def refusal(self, code: int) -> type[Refusal] | None:
        """The refusal class behind a receipt's code, or None."""
        return self._refusals.get(code)

    def read_event(self, data: bytes) -> Event:
        """An event of its canonical bytes, as receipts hold them."""
        event: Event = codec.decode_loose(data, self._event_kinds)
        return event

    def handle(self, ctx: Context, message: Message) -> None:
        """Hand one message to its handler; raises its Refusal, or HandlerBug."""
        before = ctx.begin_message()
        try:
            self._handlers[type(message)](ctx, message)
            ctx.end_message(before)
        except Exception as error:
            if type(error) in self._lawful:
                raise
            raise HandlerBug(f"{type(message).__name__}: {type(error).__name__}") from error

    def apply_due(self, ctx: Context) -> None:
        """
        Do what falls due at the context's height, module by module.

        Raises Outdated: a version this program does not know, voted for this height or before.
        """
        for agenda in self._agendas:
            due = agenda.next_due(ctx)
            if due is not None and due <= ctx.height:
                agenda.apply_due(ctx)
        meta = ctx.read(META)
        if meta is not None and meta.version > VERSION:
            raise Outdated(
                f"from block {ctx.height} on the members' rules are of version {meta.version}; "
                f"this program knows {VERSION}. Install a newer salus and start again; nothing is "
                "lost"
            )

    def tell_evidence(self, ctx: Context, evidence: Evidence) -> None:
        """Hand a word of misbehaviour to the module that knows members."""
        for module in self.modules:
            if module.evidence is not None:
                module.evidence(ctx, evidence)


class _Run:
    """One block's execution."""

    def __init__(self, machine: Machine, network: bytes, overlay: Overlay, block: Block) -> None:
        self.machine = machine
        self.network = network
        self.overlay = overlay
        self.block = block
        self.txs: list[bytes] = []
        self.ids: list[bytes] = []
        self.receipts: list[Receipt] = []
        self.entries: list[bytes] = []
        self.events: list[bytes] = []
        self.lifetime_ms = 0
        """Read once what falls due is done."""

    def context(self) -> Context:
        return Context(
            self.overlay,
            network=self.network,
            height=self.block.height,
            time_ms=self.block.time_ms,
            declared=self.machine.declared,
        )

    def do_due(self) -> None:
        ctx = self.context()
        for evidence in self.block.evidence:
            self.machine.tell_evidence(ctx, evidence)
        self.machine.apply_due(ctx)
        self.events = ctx.events
        # Parameters change by what falls due alone, so this one stands for the whole block.
        self.lifetime_ms = self.machine.lifetime_ms(ctx)

    def transact(self, data: bytes, *, signature_holds: bool | None) -> None:
        try:
            transaction = self.machine.form.read(data)
            self._check_signature(transaction, signature_holds)
        except Refusal as refusal:
            self._keep(data, sha256(data), _refused(refusal.code), _ZERO_SIGNER, [])
        else:
            self.authenticate(data, transaction)

    def authenticate(self, data: bytes, transaction: Transaction) -> None:
        ctx = self.context()
        try:
            signer = self.machine.signer(ctx, transaction.key_id)
            window = admit(signer, transaction, ctx.time_ms, self.lifetime_ms)
        except Refusal as refusal:
            self._record(data, transaction, _refused(refusal.code))
            return
        ctx.signer, ctx.member = transaction.key_id, signer.row.member
        self._act(ctx, data, transaction, window)

    def _check_signature(self, transaction: Transaction, known: bool | None) -> None:  # noqa: FBT001 (private, named at the call)
        if known is None:
            check_signature(self.network, transaction)
        elif not known:
            raise refusals.SignatureInvalid

    def _act(self, ctx: Context, data: bytes, transaction: Transaction, window: Nonce) -> None:
        self.overlay.begin()
        at = 0
        try:
            for at, message in enumerate(transaction.messages):  # noqa: B007 (the refused position)
                self.machine.handle(ctx, message)
        except Refusal as refusal:
            self.overlay.rollback()
            receipt = _refused(refusal.code, at)
        else:
            self._keep_rows()
            receipt = Receipt(code=0, events=ctx.events)
        ctx.write(NONCE, window, transaction.key_id)
        self._record(data, transaction, receipt)

    def _keep_rows(self) -> None:
        try:
            self.overlay.commit()
        except Exception as error:
            raise HandlerBug(f"a row that cannot be stored: {type(error).__name__}") from error

    def _record(self, data: bytes, transaction: Transaction, receipt: Receipt) -> None:
        self._keep(
            data, transaction.id, receipt, transaction.key_id, transaction.message_bytes,
            transaction.hash,
        )  # fmt: skip

    def _keep(
        self,
        data: bytes,
        tx_id: bytes,
        receipt: Receipt,
        signer: bytes,
        messages: Sequence[bytes],
        tx_hash: bytes | None = None,
    ) -> None:
        self.txs.append(data)
        self.ids.append(tx_id)
        self.receipts.append(receipt)
        entry = TransactionEntry(
            code=receipt.code,
            event_count=len(receipt.events),
            events=merkle.root(receipt.events),
            height=self.block.height,
            message_count=len(messages),
            messages=merkle.root(messages),
            signer=signer,
            time_ms=self.block.time_ms,
            tx=tx_hash or sha256(data),
        )
        self.entries.append(codec.encode(entry))

    def outcome(self) -> Outcome:
        return Outcome(
            height=self.block.height,
            time_ms=self.block.time_ms,
            txs=self.txs,
            ids=self.ids,
            receipts=self.receipts,
            entries=self.entries,
            events=self.events,
            has_evidence=bool(self.block.evidence),
            changes=self.overlay.changes(),
        )


def _refused(code: int, at: int | None = None) -> Receipt:
    return Receipt(code=code, events=[codec.encode(Refused(code=code, at=at))])
