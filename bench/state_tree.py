"""
What the state store costs: a changed row, a proof, a start, and the memory of it all.

Run `python bench/state_tree.py` (200 k and 1 M rows; `--full` adds 5 M; `--rows N` measures that
size alone). Blocks write as 1,000 transactions do, 3,256 rows each: 256 hot nonce rows, the rest
half new, half old. Bars (`ledger.md` §5.2, §9 B5): 16 µs a changed row at 200 k rows, about 24 at
5 M; a proof made in 50 µs, checked in 100, at most 1 KB; a start at 1 M rows in 2 s.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from statistics import mean, median

from salus.state.proof import verify_absent, verify_present
from salus.state.store import StateStore

BLOCK_TRANSACTIONS = 1_000
BLOCKS = 100
HOT_KEYS = 256
FILL_ROWS = 20_000
PROOFS = 2_000
PREFIX = b"\x0f\x01"


class Workload:
    """Blocks of changes like those of a busy ledger, from a fixed seed."""

    def __init__(self) -> None:
        """Start with no rows."""
        self.random = random.Random(17)
        self.count = 0
        self.hot = [key_of(-number) for number in range(1, HOT_KEYS + 1)]

    def fresh(self, count: int) -> dict[bytes, bytes | None]:
        """Rows that were never there: 100 B of value under 18 B of key."""
        first, self.count = self.count, self.count + count
        return {key_of(number): self.random.randbytes(100) for number in range(first, self.count)}

    def known(self, count: int) -> list[bytes]:
        """Keys of rows that are there."""
        return [key_of(number) for number in self.random.sample(range(self.count), count)]

    def block(self) -> dict[bytes, bytes | None]:
        """1,000 transactions: a nonce row and three others each, of which half are new."""
        changes = self.fresh(BLOCK_TRANSACTIONS * 3 // 2)
        for key in self.known(BLOCK_TRANSACTIONS * 3 // 2):
            changes[key] = self.random.randbytes(100)
        for key in self.hot:
            changes[key] = self.random.randbytes(50)
        return changes


def key_of(number: int) -> bytes:
    """The key of the workload's n-th row; so the workload itself needs no memory."""
    return PREFIX + sha256(number.to_bytes(8, "big", signed=True)).digest()[:16]


def main() -> None:
    """Measure each size in a process of its own and print what it costs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--full", action="store_true", help="also 5 M rows (some minutes)")
    parser.add_argument("--rows", type=int, help="this number of rows alone")
    arguments = parser.parse_args()
    if arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), arguments.rows)
        return
    for rows in [200_000, 1_000_000, *([5_000_000] if arguments.full else [])]:
        subprocess.run([sys.executable, __file__, "--rows", str(rows)], check=True)


def _measure(folder: Path, rows: int) -> None:
    work = Workload()
    store = StateStore.open(folder)
    fill_s, worst_s = _fill(store, work, rows)
    _say(rows, "fill", f"{fill_s / rows * 1e6:.1f} µs a row, longest block {worst_s:.2f} s")
    _blocks(store, work, rows)
    _proofs(store, work, rows)
    _say(rows, "memory", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB peak")
    store.close()
    del store
    _starts(folder, rows)


def _fill(store: StateStore, work: Workload, rows: int) -> tuple[float, float]:
    """Seconds in all, and of the longest block (that of a growing heap)."""
    worst_s = total_s = 0.0
    for height in range(rows // FILL_ROWS):
        changes = work.fresh(FILL_ROWS)
        begin = time.perf_counter()
        store.push(height, store.stage(changes))
        took_s = time.perf_counter() - begin
        total_s += took_s
        worst_s = max(worst_s, took_s)
    store.flush()
    return total_s, worst_s


def _blocks(store: StateStore, work: Workload, rows: int) -> None:
    stage_us, push_us, read_us = [], [], []
    for _ in range(BLOCKS):
        changes = work.block()
        keys = list(changes)
        start = time.perf_counter()
        store.get_many(keys)
        read = time.perf_counter()
        staged = store.stage(changes)
        done = time.perf_counter()
        store.push(store.tip_height + 1, staged)
        end = time.perf_counter()
        read_us.append((read - start) / len(keys) * 1e6)
        stage_us.append((done - read) / len(keys) * 1e6)
        push_us.append((end - done) / len(keys) * 1e6)
    total_us = [stage + push for stage, push in zip(stage_us, push_us, strict=True)]
    _say(
        rows,
        "changed row",
        f"median {median(total_us):.1f} µs, mean {mean(total_us):.1f}, worst block "
        f"{max(total_us):.1f} (stage {median(stage_us):.1f}, push {median(push_us):.1f}); "
        f"read {median(read_us):.1f} µs",
    )


def _proofs(store: StateStore, work: Workload, rows: int) -> None:
    keys = work.known(PROOFS)
    absent = [key_of(work.count + number) for number in range(PROOFS)]
    make_us, check_us, sizes = [], [], []
    for key in keys + absent:
        start = time.perf_counter()
        value, proof = store.prove(key)
        made = time.perf_counter()
        if value is None:
            verify_absent(store.root, key, proof)
        else:
            verify_present(store.root, key, value, proof)
        checked = time.perf_counter()
        make_us.append((made - start) * 1e6)
        check_us.append((checked - made) * 1e6)
        sizes.append(len(proof))
    oldest = store.base_height
    start = time.perf_counter()
    for key in keys[:200]:
        store.prove(key, oldest)
    old_us = (time.perf_counter() - start) / 200 * 1e6
    _say(
        rows,
        "proof",
        f"make {median(make_us):.0f} µs ({old_us:.0f} at the oldest height kept), check "
        f"{median(check_us):.0f} µs, mean {mean(sizes):.0f} B, largest {max(sizes)} B",
    )


def _starts(folder: Path, rows: int) -> None:
    start = time.perf_counter()
    store = StateStore.open(folder)
    clean_s = time.perf_counter() - start
    store.close()
    del store
    (folder / "heap").unlink()
    start = time.perf_counter()
    store = StateStore.open(folder)
    built_s = time.perf_counter() - start
    store.close()
    _say(rows, "start", f"{clean_s:.2f} s after a clean stop, {built_s:.2f} s from the buckets")


def _say(rows: int, what: str, text: str) -> None:
    sys.stdout.write(f"{rows:>9,} rows  {what:<12} {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
