"""
A process that runs the embedded engine under load, to be killed at any moment.

    python -m tests.campaign.engine FOLDER ACKNOWLEDGED [SECONDS]

Submitters, one a member, keep some transactions under way each. Whatever is acknowledged is written
to the file ACKNOWLEDGED, one line by one write, before anything else is submitted: `id height
position code`. The first line is `open` and the milliseconds that took.
"""

import os
import sys
import threading
import time
from collections import deque
from concurrent.futures import wait as wait_for
from contextlib import closing
from pathlib import Path

from salus.base.errors import Problem, Refusal
from salus.chain import machine
from salus.machine.genesis import FORMAT, Genesis, write_genesis
from salus.machine.tables import NONCE
from salus.machine.transaction import sign
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.node.embedded import EmbeddedEngine
from salus.node.ledger import Ledger
from salus.node.mempool import Ticket
from salus.node.ports import RealClock
from salus.node.verify_pool import VerifyPool
from tests.support.machine import Actor

SEGMENT_BYTES = 256 * 1024
MEMBERS = 4
UNDER_WAY = 4
"""Transactions of one submitter without an answer."""

WINDOW = 256
"""Nonces that the last life may have used and whose outcome is not known."""

KINDS = (0, 1)
"""Of every fifty messages these define the terms that the others name."""

LIFETIME_MS = 3_600_000


def make_folder(folder: Path) -> bytes:
    """An empty folder with a genesis file; gives the file's bytes."""
    folder.mkdir(parents=True)
    actors = [Actor(number) for number in range(MEMBERS)]
    genesis = write_genesis(
        Genesis(
            format=FORMAT,
            name="campaign",
            time_ms=RealClock().now_ms() - 1_000,
            mode="embedded",
            version=1,
            members=[actor.genesis() for actor in actors],
            parameters={},
            modules={
                "consent": [
                    {"x": number + 1, "member": actor.id.hex()}
                    for number, actor in enumerate(actors)
                ]
            },
        )
    )
    (folder / "genesis.json").write_bytes(genesis)
    return genesis


def open_folder(folder: Path, *, reserve_bytes: int = 0) -> Ledger:
    """The ledger in it."""
    return Ledger.open(
        folder / "node",
        machine(),
        (folder / "genesis.json").read_bytes(),
        segment_bytes=SEGMENT_BYTES,
        reserve_bytes=reserve_bytes,
    )


class Submitter:
    """One member's load: lines, some of them refused, and a term now and then."""

    def __init__(self, number: int, ledger: Ledger, engine: EmbeddedEngine, sink: int) -> None:
        """`sink`: descriptor of the file of acknowledgements."""
        self._key = Actor(number).transaction
        window = ledger.view().read(NONCE, self._key.key_id)
        self._nonce = 0 if window is None else window.floor + WINDOW
        self._number = number
        self._ledger = ledger
        self._engine = engine
        self._sink = sink

    def run(self, until: threading.Event) -> None:
        """Submit until told to stop, or until the engine takes no more."""
        waiting: deque[Ticket] = deque()
        try:
            while not until.is_set():
                waiting.append(self._engine.submit(self._next()))
                if len(waiting) == UNDER_WAY:
                    self._note(waiting.popleft())
            while waiting:
                self._note(waiting.popleft())
        except (Problem, Refusal):
            return

    def _note(self, ticket: Ticket) -> None:
        wait_for([ticket.done])
        done = ticket.done.result()
        line = f"{done.id.hex()} {done.height} {done.position} {done.receipt.code}\n"
        os.write(self._sink, line.encode())

    def _next(self) -> bytes:
        now_ms = self._ledger.tip.time_ms
        number = self._nonce
        self._nonce += 1
        term = number // 50 * 50 % 65_536
        message: DefineTerm | RecordLine
        if number % 50 in KINDS:
            message = DefineTerm(kind=1 + number % 50, number=term, text=f"TERM_{self._number}")
        else:
            message = RecordLine(
                activity=term,
                node=self._number,
                ref=number,
                resource=term,
                time_ms=now_ms,
                user=5,
            )
        return sign(
            self._ledger.network,
            self._key,
            [message],
            nonce=number,
            until_ms=RealClock().now_ms() + LIFETIME_MS,
        )


def run_load(ledger: Ledger, sink: int, seconds: float) -> None:
    """All submitters on one engine for so long."""
    pool = VerifyPool(ledger.network, workers=0)
    engine = EmbeddedEngine(ledger, quarantine=Path(os.devnull), pool=pool)
    until = threading.Event()
    submitters = [Submitter(number, ledger, engine, sink) for number in range(MEMBERS)]
    threads = [threading.Thread(target=one.run, args=(until,)) for one in submitters]
    for thread in threads:
        thread.start()
    until.wait(seconds)
    until.set()
    for thread in threads:
        thread.join()
    engine.close()


def main(folder: str, acknowledged: str, seconds: str = "60") -> None:
    """Open, say so, and work until killed."""
    began = time.monotonic()
    with closing(open_folder(Path(folder))) as ledger:
        sink = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(sink, f"open {round((time.monotonic() - began) * 1000)}\n".encode())
        run_load(ledger, sink, float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
