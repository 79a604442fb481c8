"""
Load on a live network: whoever hands in writes down what was acknowledged.

Two workers a member, each with a transaction key of its own and one transaction, or one batch of
them, on its way. A worker asks its own member first and, if that gives no answer, hands the same
bytes to the next: the nonce makes it one transaction, and no worker goes on before it is told how
each ended.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.client.submit import NONCE_USED
from salus.doors.cli.acts import submit
from salus.doors.cli.site import Site
from salus.machine.module import Message
from salus.machine.transaction import sign
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.modules.members import rules
from salus.modules.members.messages import AddKey
from salus.modules.members.state import TRANSACTION
from salus.node.keys import load_keys
from salus.node.ports import RealClock
from tests.campaign.network.members import Members
from tests.support.live_network import NAMES

WORKERS = 2
"""Of each member."""

LIFETIME_MS = 3_600_000
"""Longer than any fault: what is handed in again is never refused as too old."""

ANSWER_S = 8.0
"""Before the next member is asked with the same bytes; a batch is given four times as long."""

PAUSE_S = 0.2
"""After nobody could be asked."""

TERM_EVERY = 20
"""Of so many messages the first two define the terms that the others name; a doubled one is
refused, which is an end like any other."""

KINDS = (1, 2)
"""Of terms: activity and resource."""

TRIES = 5


@dataclass(frozen=True)
class Acknowledged:
    """What a member promised: this transaction, in this block, ended so."""

    id: str
    height: int
    index: int
    code: int
    at_s: float
    """When the answer came, on the steady clock."""

    by: str
    """Whose API answered."""


class Load:
    """Keys are put on the ledger by the constructor."""

    def __init__(
        self, members: Members, seed: int, *, workers: int = WORKERS, batch: int = 1
    ) -> None:
        """
        Give each worker a key; nothing is handed in before `running`.

        `members`: level. `seed`: of the keys. `workers`: of each member. `batch`: transactions
        handed in at once.
        """
        self.batch = batch
        self._members = members
        self._network = bytes.fromhex(members.network.get("north", "/v1/status")["network"])
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._acknowledged: list[Acknowledged] = []
        self.refused: Counter[str] = Counter()
        """Names of the answers that promised nothing."""

        random = Random(seed)
        self._workers = [
            _Worker(self, name, SigningKey(random.randbytes(32)), number)
            for number, name in enumerate(NAMES * workers)
        ]
        for worker in self._workers:
            self._add_key(worker.name, worker.key)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hand in until the block ends; what is on its way then is given up."""
        self._stopping.clear()
        threads = [
            threading.Thread(target=one.run, args=(self._stopping,)) for one in self._workers
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def acknowledged(self, first: int = 0) -> list[Acknowledged]:
        """All from a position on, in the order in which they came."""
        with self._lock:
            return self._acknowledged[first:]

    def count(self) -> int:
        """Acknowledgements so far."""
        with self._lock:
            return len(self._acknowledged)

    def wait_more(self, seconds: float, *, at: str | None = None) -> float:
        """Until something more is acknowledged, by a given member if named; the seconds it took."""
        began_s, seen = time.monotonic(), self.count()
        while not any(at in (None, one.by) for one in self.acknowledged(seen)):
            took_s = time.monotonic() - began_s
            assert took_s < seconds, f"nothing acknowledged in {took_s:.0f} s: {self.refused}"
            time.sleep(0.02)
        return time.monotonic() - began_s

    def hand_in(self, envelopes: Sequence[bytes], worker: "_Worker") -> None:
        """To one member after another until all ends are told, or until stopped."""
        waiting = list(envelopes)
        first = NAMES.index(worker.name)
        for name in itertools.islice(itertools.cycle(NAMES), first, None):
            if self._stopping.is_set():
                return
            told = worker.ask(name, waiting)
            with self._lock:
                self._acknowledged += [one for one in told if one is not None]
            waiting = [data for data, one in zip(waiting, told, strict=True) if one is None]
            if not waiting:
                return
            self._stopping.wait(PAUSE_S)

    def sign(self, key: SigningKey, message: Message, nonce: int) -> bytes:
        """One message's envelope."""
        until_ms = RealClock().now_ms() + LIFETIME_MS
        return sign(self._network, key, [message], nonce=nonce, until_ms=until_ms)

    def url(self, name: str) -> str:
        """Where transactions are handed in."""
        path = "/v1/transactions" if self.batch == 1 else "/v1/transactions/batch"
        return self._members.network.url(name) + path

    def note_refusal(self, name: str) -> None:
        """Count an answer that promised nothing."""
        with self._lock:
            self.refused[name] += 1

    def _add_key(self, name: str, key: SigningKey) -> None:
        folder = self._members.folder / "keys" / name
        own = load_keys(folder, demo=True)
        data = rules.add_key_bytes(self._network, own.member, TRANSACTION, key.public)
        message = AddKey(use=TRANSACTION, key=key.public, proof=key.sign(data))
        for attempt in range(TRIES):
            try:
                submit(Site(self._members.network.url(name)), own.transaction, message)
            except Problem as problem:
                # The member itself may use the same nonce at the same time.
                if problem.name != NONCE_USED or attempt == TRIES - 1:
                    raise
                time.sleep(PAUSE_S)
            else:
                return


class _Worker:
    """One key; one transaction or batch on its way."""

    def __init__(self, load: Load, name: str, key: SigningKey, number: int) -> None:
        self.name = name
        self.key = key
        self._load = load
        self._number = number
        self._nonce = 0

    def run(self, until: threading.Event) -> None:
        """Hand in one after another."""
        timeout_s = ANSWER_S if self._load.batch == 1 else 4 * ANSWER_S
        with httpx.Client(timeout=timeout_s) as client:
            self._client = client
            while not until.is_set():
                # What is given up may still come into a block: its nonces are used no more.
                self._load.hand_in([self._next() for _ in range(self._load.batch)], self)

    def ask(self, name: str, envelopes: Sequence[bytes]) -> list[Acknowledged | None]:
        """One member; None for each of which it does not say how it ended."""
        nothing: list[Acknowledged | None] = [None] * len(envelopes)
        is_batch = self._load.batch > 1
        body = b"".join(map(_framed, envelopes)) if is_batch else envelopes[0]
        try:
            answer = self._client.post(self._load.url(name), content=body)
            told = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            self._load.note_refusal(type(error).__name__)
            return nothing
        if not answer.is_success:
            self._load.note_refusal(f"{answer.status_code} {told.get('title')}")
            return nothing
        return [self._ended(name, one) for one in (told["results"] if is_batch else [told])]

    def _ended(self, name: str, told: dict[str, Any]) -> Acknowledged | None:
        if "height" not in told:
            self._load.note_refusal(f"{told.get('status')} {told.get('title')}")
            return None
        return Acknowledged(
            id=told["id"],
            height=told["height"],
            index=told["index"],
            code=told["code"],
            at_s=time.monotonic(),
            by=name,
        )

    def _next(self) -> bytes:
        envelope = self._load.sign(self.key, self._message(), self._nonce)
        self._nonce += 1
        return envelope

    def _message(self) -> Message:
        number = self._nonce
        term = (self._number << 8) + number // TERM_EVERY % 256
        kind = number % TERM_EVERY + 1
        if kind in KINDS:
            return DefineTerm(kind=kind, number=term, text=f"TERM_{term}")
        return RecordLine(
            activity=term,
            node=self._number,
            ref=number,
            resource=term,
            time_ms=RealClock().now_ms(),
            user=5,
        )


def _framed(envelope: bytes) -> bytes:
    """As the batch route takes it: u32 length ‖ envelope."""
    return len(envelope).to_bytes(4, "big") + envelope
