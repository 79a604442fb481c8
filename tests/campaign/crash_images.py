"""
Power loss under the embedded engine (T3): images a disk may leave, and an engine to be caught.

The journal and the log files lie on a disk in memory that loses, reorders and tears whatever was
not synced; the state store is gone altogether, since nobody promised it. Whatever the engine
acknowledged must be in the journal that is left. `HastyLedger` is the control: it lets the engine
answer before the journal has the block, and a harness that does not catch it shows nothing.
"""

import tempfile
from concurrent.futures import wait as wait_for
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from salus.base import codec
from salus.base.errors import Fault, Problem
from salus.chain import machine
from salus.machine.genesis import network_id
from salus.machine.transaction import sign
from salus.modules.audit.messages import DefineTerm
from salus.node.embedded import EmbeddedEngine
from salus.node.history import GENESIS
from salus.node.journal import Journal
from salus.node.ledger import Executed, Ledger
from salus.node.log_files import LogFiles
from salus.node.mempool import Done, Ticket
from salus.node.ports import RealClock
from salus.node.record import record_of
from salus.node.room import Room
from salus.node.verify_pool import VerifyPool
from salus.state.store import StateStore
from tests.campaign.engine import LIFETIME_MS, MEMBERS, make_folder
from tests.faults.journal.crash_disk import CrashDisk, PowerLost
from tests.support.machine import Actor

JOURNAL, LOG = Path("/journal"), Path("/log")
SEGMENT_BYTES = 8 * 1024
"""So small that a life sees several segments born."""

OPERATIONS_MAX = 120
"""Changing calls a life may make before the power goes."""

ROUNDS = 12
"""Transactions each member has acknowledged at most, one after another."""


class HastyLedger(Ledger):
    """The control: moves the tip first, and writes the journal when the next block comes."""

    _late: Executed | None = None

    def commit(self, executed: Executed) -> None:
        """Acknowledge at once."""
        late, self._late = self._late, executed
        if late is not None:
            record = record_of(late.block, late.outcome, late.sealed)
            self._journal.append(record.height, codec.encode(record))
        self._apply(executed)


@dataclass
class Images:
    """What became of some power losses."""

    images: int = 0
    acknowledged: int = 0
    failures: list[str] = field(default_factory=list)


def run_images(seed: int, count: int, *, kind: type[Ledger] = Ledger) -> Images:
    """Let the power fail so often, each time on a fresh ledger; `kind`: the one under test."""
    images = Images()
    with tempfile.TemporaryDirectory() as name:
        genesis = make_folder(Path(name) / "genesis")
        for number in range(count):
            random = Random(f"{seed}/{number}")
            images.images += 1
            try:
                images.acknowledged += _life(Path(name) / str(number), genesis, random, kind)
            except AssertionError as error:
                images.failures.append(f"seed {seed}, image {number}: {error}")
    return images


def _life(folder: Path, genesis: bytes, random: Random, kind: type[Ledger]) -> int:
    """Work until the power fails, then look at what is left; gives how much was acknowledged."""
    disk = CrashDisk()
    acknowledged: list[Done] = []
    with suppress(PowerLost), ExitStack() as opened:
        ledger = _open(folder / "before", genesis, disk, kind, opened)
        disk.operations_left = random.randrange(OPERATIONS_MAX)
        _work(ledger, acknowledged)
    image = disk.after_power_loss(random)
    with ExitStack() as opened:
        try:
            left = _open(folder / "after", genesis, image, Ledger, opened)
        except Fault as fault:
            raise AssertionError(f"the journal that is left does not open: {fault}") from None
        for done in acknowledged:
            found = left.find(done.id)
            expected = (done.height, done.position)
            assert expected == found, f"acknowledged at {expected}, found at {found}"
            assert done.receipt == left.receipts(done.height).receipts[done.position]
    return len(acknowledged)


def _open(
    folder: Path, genesis: bytes, disk: CrashDisk, kind: type[Ledger], opened: ExitStack
) -> Ledger:
    """A ledger whose journal and log lie on the crash disk, its state in a new folder."""
    store = StateStore.open(folder)
    opened.callback(store._disk.drop)
    journal = Journal.open(JOURNAL, network_id(genesis), disk=disk, segment_bytes=SEGMENT_BYTES)
    log_files = LogFiles.open(LOG, disk=disk)
    ledger = kind(machine(), genesis, store, journal, log_files, Room(folder, 0), GENESIS)
    ledger._start()
    return ledger


def _work(ledger: Ledger, acknowledged: list[Done]) -> None:
    """Rounds of one transaction a member, each answered before the next, until the power fails."""
    pool = VerifyPool(ledger.network, workers=0)
    engine = EmbeddedEngine(ledger, quarantine=Path("/quarantine"), pool=pool)
    try:
        for number in range(ROUNDS):
            tickets = [_submit(ledger, engine, member, number) for member in range(MEMBERS)]
            wait_for([ticket.done for ticket in tickets])
            done = [ticket.done for ticket in tickets]
            acknowledged += [one.result() for one in done if one.exception() is None]
            if any(one.exception() for one in done):
                return
    except Problem:
        return
    finally:
        engine.close()


def _submit(ledger: Ledger, engine: EmbeddedEngine, member: int, number: int) -> Ticket:
    message = DefineTerm(kind=1, number=number * MEMBERS + member, text="TERM")
    return engine.submit(
        sign(
            ledger.network,
            Actor(member).transaction,
            [message],
            nonce=number,
            until_ms=RealClock().now_ms() + LIFETIME_MS,
        )
    )
