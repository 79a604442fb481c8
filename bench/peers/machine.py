"""The machine a figure was measured on: without it the figure says little."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from salus.base.hashing import sha256
from salus.base.signing import SigningKey, verify

_REPEATS = 2_000
"""Hashes and signature checks timed one by one."""

_SIGNED_BYTES = 300
"""About what a transaction's signature covers in B1."""

_SYNCS = 500
_SYNC_BYTES = 512
"""About what one small transaction adds to a log: a row of 316 bytes and what stands around it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What decides durable writes a second."""

    cores: int
    """Cores the system reports."""

    cpu: str
    """Processor model as the system names it."""

    check_us: float
    """Median time of one Ed25519 check of 300 bytes, called from Python on one core."""

    hash_us: float
    """Median time of one SHA-256 of a tree node's 65 bytes, called so too."""

    sync_p50_ms: float
    """Median time of `fdatasync` after an append of 512 bytes, in the folder measured in."""

    sync_p99_ms: float
    """Time within which 99 of 100 of them ended."""

    def __str__(self) -> str:
        """One line for the head of a table."""
        return (
            f"{self.cores} cores, {self.cpu}, "
            f"Ed25519 check {self.check_us:.0f} µs, SHA-256 of 65 B {self.hash_us:.2f} µs, "
            f"fdatasync {self.sync_p50_ms:.3f} ms (p99 {self.sync_p99_ms:.3f} ms)"
        )


def describe(folder: Path) -> Machine:
    """Look at this machine: a core's pace, and syncs of a file in `folder`; about a second."""
    cuts = statistics.quantiles(_sync_times_ms(folder / "sync-probe"), n=100, method="inclusive")
    key, data, node = SigningKey.random(), os.urandom(_SIGNED_BYTES), os.urandom(65)
    signature = key.sign(data)
    return Machine(
        cores=os.cpu_count() or 1,
        cpu=_cpu_model(),
        check_us=_median_us(lambda: verify(key.public, signature, data)),
        hash_us=_median_us(lambda: sha256(node)),
        sync_p50_ms=cuts[49],
        sync_p99_ms=cuts[98],
    )


def _median_us(call: Callable[[], object]) -> float:
    times_ns = []
    for _ in range(_REPEATS):
        began_ns = time.perf_counter_ns()
        call()
        times_ns.append(time.perf_counter_ns() - began_ns)
    return statistics.median(times_ns) / 1e3


def _sync_times_ms(path: Path) -> list[float]:
    times_ms = []
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        for _ in range(_SYNCS):
            os.write(descriptor, os.urandom(_SYNC_BYTES))
            began_ns = time.monotonic_ns()
            os.fdatasync(descriptor)
            times_ms.append((time.monotonic_ns() - began_ns) / 1e6)
    finally:
        os.close(descriptor)
        path.unlink()
    return times_ms


def _cpu_model() -> str:
    """Read the first processor's name on Linux; elsewhere say what Python knows."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
