"""
Members' clocks that are wrong (T7), as block times made of them.

CometBFT's clock cannot be faked, so CometBFT's side of ABCI is played: a block's time is the median
of its voters' clocks, and never before the block before (CometBFT, `spec/consensus/bft-time.md`).
Four real Apps, each on a clock as wrong as its voter's, execute the same blocks.
"""

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median_low

from salus.machine.refusals import TransactionExpired
from tests.conformance.abci.chain import NetworkChain
from tests.conformance.abci.driver import AppHost, CometSide, Decided
from tests.support.ledgers import term

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

SHIFTS_MS = (0, 5 * MINUTE_MS, -5 * MINUTE_MS, DAY_MS, -DAY_MS, -HOUR_MS)
STEP_MS = 1_000
"""Of true time between two blocks."""

SHIFT_EVERY = 5
"""Blocks between two steps of a clock."""

LIFETIME_MS = 10 * MINUTE_MS
DOUBLE = 2
"""A clock that runs so many times too fast."""

BLOCKS = 30
EXPIRED = TransactionExpired(until_ms=0, block_ms=0).code


@dataclass
class Clocks:
    """What became of some runs."""

    blocks: int = 0
    expired: int = 0
    """Transactions refused because block time had passed their end."""

    done: int = 0
    failures: list[str] = field(default_factory=list)


def run_clocks(seed: int, runs: int) -> Clocks:
    """Run after run, each on four empty ledgers."""
    clocks = Clocks()
    for number in range(seed, seed + runs):
        with tempfile.TemporaryDirectory() as name:
            try:
                _run(Path(name), number, clocks)
            except Exception as error:  # noqa: BLE001 (whatever a wrong clock does)
                clocks.failures.append(f"seed {number}: {type(error).__name__}: {error}")
    return clocks


def _run(folder: Path, seed: int, clocks: Clocks) -> None:
    random, chain = Random(seed), NetworkChain()
    with ExitStack() as opened:
        hosts = [AppHost(folder / f"app{number}", chain) for number in range(4)]
        sides = [CometSide(chain) for _ in hosts]
        for side, host in zip(sides, hosts, strict=True):
            opened.callback(host.close)
            side.connect(host)
            opened.callback(side.disconnect)
            side.handshake()
        _blocks(random, sides, clocks)


def _blocks(random: Random, sides: list[CometSide], clocks: Clocks) -> None:
    chain = sides[0].chain
    shifts = [0] * len(sides)
    fast = random.randrange(len(sides))
    last_ms = chain.time_ms
    for number in range(1, BLOCKS + 1):
        true_ms = chain.time_ms + number * STEP_MS
        if number % SHIFT_EVERY == 0:
            shifts[random.randrange(len(sides))] = random.choice(SHIFTS_MS)
        own_ms = [true_ms + shift for shift in shifts]
        own_ms[fast] += number * STEP_MS * (DOUBLE - 1)
        _set_clocks(sides, own_ms)
        # Each voter's time is after the block's it votes for; the lower of two middle ones counts.
        block_ms = median_low(max(one, last_ms + 1) for one in own_ms)
        until_ms = block_ms + random.choice((-1, 0, LIFETIME_MS))
        txs = [chain.sign(number % 4, term(number), until_ms=until_ms)]
        codes = _decide(sides, txs, block_ms, last_ms)
        expired = until_ms < block_ms
        expected = EXPIRED if expired else 0
        assert codes == [expected], f"block {number}: codes {codes}, expected {expected}"
        clocks.blocks += 1
        clocks.expired += expired
        clocks.done += not expired
        last_ms = block_ms


def _decide(sides: list[CometSide], txs: list[bytes], block_ms: int, last_ms: int) -> list[int]:
    """One block at all members, proposed once with a time that goes back; its codes."""
    found = set()
    for side in sides:
        # By its own clock a member may keep it out of its mempool; what is decided is block time's.
        side.check(*txs)
        assert not side.process(txs, last_ms - 1), "a block that goes back in time was accepted"
        assert side.process(txs, block_ms), "a lawful time was refused"
        side.blocks.append(Decided(txs, block_ms))
        answer = side.finalize(side.height)
        side.commit()
        found.add((answer.app_hash, tuple(one.code for one in answer.tx_results)))
    assert len(found) == 1, f"members differ at height {sides[0].height}: {found}"
    ((_, codes),) = found
    return list(codes)


def _set_clocks(sides: list[CometSide], own_ms: list[int]) -> None:
    for side, now_ms in zip(sides, own_ms, strict=True):
        side.host.clock.wall_ms = now_ms
