"""
The long fault campaigns, each with its count and a summary line; `make test` runs short ones.

    python -m tools.campaign kill --cycles 1000           kill -9 of a working engine (T1)
    python -m tools.campaign flips --cycles 10000         single flipped bits, all files (T4)
    python -m tools.campaign crash-images --cycles 10000  power loss under the engine (T3), control
    python -m tools.campaign full-disk --cycles 200       a disk that fills up (T5)
    python -m tools.campaign sync-errors --cycles 1000    a sync that fails, wherever it is (T6)
    python -m tools.campaign determinism --cycles 100000  transactions replayed in every way (T10)
    python -m tools.campaign network-kills --cycles 220   four real members, one or all killed (T2)
    python -m tools.campaign partitions --cycles 90       their links cut, slow, lossy (T8)
    python -m tools.campaign network-faults --cycles 9    two gone, paused, a full disk, clocks
    python -m tools.campaign liar --cycles 1000           blocks with one member of four lying (T9)
    python -m tools.campaign all                          one after another

A failure prints its seed and the command that runs it again; its folder is kept in
`campaign-failures`. Ends with 1 if anything failed, 69 if a campaign needs what this machine lacks.
"""

import argparse
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from random import Random

import structlog

from tests.campaign import crash_images, determinism, flips, full_disk, kill, liar, sync_errors
from tests.campaign.network.drills import run_drills
from tests.campaign.network.kills import run_kills as run_network_kills
from tests.campaign.network.partitions import run_partitions
from tests.support.live import has_comet

KEEP = Path("campaign-failures")
BATCH = {"kill": 8, "flips": 100, "crash-images": 100, "full-disk": 10, "sync-errors": 8,
         "network-kills": 22, "partitions": 9, "network-faults": 9, "liar": 1_000}  # fmt: skip
"""Cycles of one seed: what a failure's command repeats at most."""

CYCLES = {"kill": 1_000, "flips": 10_000, "crash-images": 10_000, "full-disk": 200,
          "sync-errors": 1_000, "determinism": 100_000, "network-kills": 220, "partitions": 90,
          "network-faults": 9, "liar": 1_000}  # fmt: skip
SAID_MAX = 9
"""Lines shown of what the batches said, the last ones: each drill of `network-faults` has one."""

MISSING = 69
COMET = "CometBFT 0.39 (or Go 1.25 to build it)"

ALONE = ("network-kills", "partitions", "network-faults", "liar")
"""Their batches follow one another: each has eight processes of its own."""


@dataclass
class Result:
    """One batch's, and summed up a campaign's."""

    cycles: int = 0
    said: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run_kill(seed: int, cycles: int) -> Result:
    """Kills on one folder after another."""
    done = kill.run_kills(seed, cycles, KEEP)
    said = (
        f"{done.acknowledged} acknowledgements checked, slowest start {done.start_s_max:.2f} s,"
        f" {dict(done.how)}"
    )
    return Result(done.cycles, [said], done.failures)


def run_flips(seed: int, cycles: int) -> Result:
    """Flips on one folder."""
    done = flips.run_flips(seed, cycles, KEEP)
    said = f"found {done.found.total()}, harmless {done.harmless.total()}"
    return Result(cycles, [said], done.failures)


def run_crash_images(seed: int, cycles: int) -> Result:
    """Images of the engine, and of the control that must be caught."""
    done = crash_images.run_images(seed, cycles)
    control = crash_images.run_images(seed, cycles, kind=crash_images.HastyLedger)
    failures = list(done.failures)
    if not control.failures:
        failures.append(f"seed {seed}: the control acknowledges before it syncs and was not caught")
    said = (
        f"{done.acknowledged} acknowledgements kept, control caught {len(control.failures)} times"
    )
    return Result(cycles, [said], failures)


def run_full_disk(seed: int, cycles: int) -> Result:
    """Disks with more or less room left."""
    random = Random(seed)
    result = Result(cycles)
    for _ in range(cycles):
        left = random.randrange(full_disk.DISK_BYTES // 4)
        problem = full_disk.run_full_disk([left])
        if problem is not None:
            result.failures.append(f"seed {seed}: {problem}")
    return result


def run_failed_syncs(seed: int, cycles: int) -> Result:
    """Failed syncs on one folder after another."""
    done = sync_errors.run_sync_errors(seed, cycles, KEEP)
    said = f"{done.acknowledged} acknowledgements checked, failed in {dict(done.where)}"
    return Result(done.cycles, [said], done.failures)


def run_kills_of_members(seed: int, cycles: int) -> Result:
    """Kills on one network."""
    done = run_network_kills(seed, cycles, KEEP)
    return Result(done.cycles, [str(done)], done.failures)


def run_links(seed: int, cycles: int) -> Result:
    """Faults of the links of one network."""
    done = run_partitions(seed, cycles, KEEP)
    return Result(done.cycles, [str(done)], done.failures)


def run_network_drills(seed: int, cycles: int) -> Result:
    """All other faults of a network."""
    done = run_drills(seed, cycles)
    return Result(done.cycles, done.said, done.failures)


def run_lies(seed: int, blocks: int) -> Result:
    """One member's lies on one network."""
    done = liar.run_liar(seed, blocks, keep=KEEP)
    said = [
        f"{done.acknowledged} acknowledged; proposals voted down at {done.rejected} heights",
        f"named for another app hash at {done.named}; lies {dict(done.told)}",
        f"receipt codes {dict(done.codes)}",
    ]
    return Result(done.blocks, said, done.failures)


RUN: dict[str, Callable[[int, int], Result]] = {
    "kill": run_kill,
    "flips": run_flips,
    "crash-images": run_crash_images,
    "full-disk": run_full_disk,
    "sync-errors": run_failed_syncs,
    "network-kills": run_kills_of_members,
    "partitions": run_links,
    "network-faults": run_network_drills,
    "liar": run_lies,
}


def main(words: list[str]) -> int:
    """Run what was asked for; see the top of the file."""
    parser = argparse.ArgumentParser(prog="python -m tools.campaign")
    parser.add_argument("name", choices=[*CYCLES, "all"])
    parser.add_argument("--cycles", type=int, help="default: the campaign's own number")
    parser.add_argument("--seed", type=int, default=1, help="of the first batch")
    asked = parser.parse_args(words)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    names = list(CYCLES) if asked.name == "all" else [asked.name]
    return max(campaign(name, asked.seed, asked.cycles or CYCLES[name]) for name in names)


def campaign(name: str, seed: int, cycles: int) -> int:
    """One campaign; prints progress, failures and a summary line; gives the exit code."""
    lacking = [tool for tool in needs(name) if not is_here(tool)]
    if lacking:
        print(f"{name}: not run: {', '.join(lacking)} is not on PATH")
        return MISSING
    KEEP.mkdir(exist_ok=True)
    began_s = time.monotonic()
    total = Result()
    for result in results(name, seed, cycles):
        total.cycles += result.cycles
        total.said += result.said
        for failure in result.failures:
            total.failures.append(failure)
            print(f"\n{name} FAILED: {failure}\n  again: {command(name, failure)}", flush=True)
        spent_s = time.monotonic() - began_s
        print(
            f"\r{name}: {total.cycles} of {cycles}, {len(total.failures)} failed, {spent_s:.0f} s",
            end="",
            flush=True,
        )
    print()
    for line in total.said[-SAID_MAX:]:
        print(f"  {line}")
    print(f"{name}: {total.cycles} cycles, {len(total.failures)} failures")
    return 1 if total.failures else 0


def needs(name: str) -> tuple[str, ...]:
    """Programs a campaign cannot do without."""
    if name in ALONE:
        return (COMET,)
    tools = {"kill": ("strace",), "sync-errors": ("strace",), "full-disk": ("unshare", "mount")}
    return tools.get(name, ())


def is_here(tool: str) -> bool:
    """Whether a program is on PATH; CometBFT also if it can be built."""
    return has_comet() if tool == COMET else shutil.which(tool) is not None


def results(name: str, seed: int, cycles: int) -> Iterator[Result]:
    """The results of a campaign's batches, as they come, from a process a core."""
    if name == "determinism":
        done = determinism.run_determinism(seed, cycles, make_environments=True)
        said = (
            f"{done.ways} ways, Python {', '.join(done.pythons)}; skipped: {done.skipped or 'none'}"
        )
        yield Result(done.transactions, [said], done.failures)
        return
    sizes = [min(BATCH[name], cycles - first) for first in range(0, cycles, BATCH[name])]
    lanes = 1 if name in ALONE else os.cpu_count() or 1
    pool = ProcessPoolExecutor(lanes, get_context("spawn"), initializer=keep_quiet)
    with pool:
        waiting = [pool.submit(RUN[name], seed + number, size) for number, size in enumerate(sizes)]
        for future in as_completed(waiting):
            yield future.result()


def keep_quiet() -> None:
    """A node's log is no part of a campaign's output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def command(name: str, failure: str) -> str:
    """The command that runs a failure's batch again; what draws true randomness may differ."""
    seed = failure.removeprefix("seed ").split(",")[0].split(":")[0]
    cycles = BATCH.get(name, CYCLES[name])
    return f"python -m tools.campaign {name} --seed {seed} --cycles {cycles}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
