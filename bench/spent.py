"""What processes of this machine spent: processor time, disk, bytes over the loopback."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

BLOCK_BYTES = 512
"""Unit of `st_blocks`, whatever the disk's own blocks are."""

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")

Pids = Mapping[str, Iterable[int]]
"""Kind of process -> the processes of that kind."""


def cpu_s(pids: Pids) -> dict[str, float]:
    """Kind -> processor time of all its processes and of their threads so far, s."""
    return {kind: sum(map(_cpu_s, some)) for kind, some in pids.items()}


def disk_bytes(folder: Path) -> int:
    """What the files below a folder take of the disk, B; what vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_blocks * BLOCK_BYTES
        except FileNotFoundError:
            continue
    return total


def loopback_bytes() -> int:
    """Bytes sent over the loopback since the machine started, whoever sent them; 0 off Linux."""
    devices = Path("/proc/net/dev")
    if not devices.exists():
        return 0
    lines = (line.split(":") for line in devices.read_text().splitlines() if ":" in line)
    return next((int(rest.split()[0]) for name, rest in lines if name.strip() == "lo"), 0)


def _cpu_s(pid: int) -> float:
    """User and system time, s; fields 14 and 15 of proc(5). Nothing of a process that ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S
