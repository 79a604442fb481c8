"""The machine a figure was measured on: without it the figure says little."""

import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

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

    sync_p50_ms: float
    """Median time of `fdatasync` after an append of 512 bytes, in the folder measured in."""

    sync_p99_ms: float
    """Time within which 99 of 100 of them ended."""

    def __str__(self) -> str:
        """One line for the head of a table."""
        return (
            f"{self.cores} cores, {self.cpu}, "
            f"fdatasync {self.sync_p50_ms:.3f} ms (p99 {self.sync_p99_ms:.3f} ms)"
        )


def describe(folder: Path) -> Machine:
    """Look at this machine and time syncs of a file in `folder`; takes under a second on a disk."""
    cuts = statistics.quantiles(_sync_times_ms(folder / "sync-probe"), n=100, method="inclusive")
    return Machine(
        cores=os.cpu_count() or 1, cpu=_cpu_model(), sync_p50_ms=cuts[49], sync_p99_ms=cuts[98]
    )


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
