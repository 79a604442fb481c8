"""B5: the proof of one row, as a door makes it and as anybody checks it."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.loaded import Shelf
from bench.network import Network, open_ledger, row_key
from bench.quiet import prepare
from bench.report import Line
from bench.rows.state import ROW
from bench.runs import in_process
from salus.state.proof import verify_present

PROOFS = 5_000
MAKE_BAR_US = 50.0
CHECK_BAR_US = 100.0
SIZE_BAR_BYTES = 1_024.0


@dataclass(frozen=True, slots=True)
class _Proved:
    make_us: float
    check_us: float
    size_bytes: float
    largest_bytes: int


def measure(shelf: Shelf, rows: int) -> Iterator[Line]:
    """B5 at so many rows."""
    loaded = shelf.loaded(rows)
    proved = in_process(_prove, loaded.folder, loaded.network.genesis, rows)
    where = f"{rows:,} rows"
    for what, figure, unit, bar in (
        (f"make a row's proof, {where}", proved.make_us, "µs", MAKE_BAR_US),
        (f"check it, {where}", proved.check_us, "µs", CHECK_BAR_US),
        (f"its size, {where}", proved.size_bytes, "B", SIZE_BAR_BYTES),
    ):
        yield Line(id="B5", what=what, unit=unit, salus=figure, bar=bar, is_ceiling=True)


def _prove(folder: Path, genesis: bytes, rows: int) -> _Proved:
    draw = random.Random(5)
    prepare()
    ledger = open_ledger(folder, Network.of(genesis))
    make_ns, check_ns, sizes = [], [], []
    for _ in range(PROOFS):
        key = ROW.key(row_key(draw.randrange(rows)))
        start_ns = time.perf_counter_ns()
        value, proof = ledger.prove(key, ledger.tip.height)
        made_ns = time.perf_counter_ns()
        assert value is not None
        verify_present(ledger.tip.state_root, key, value, proof)
        checked_ns = time.perf_counter_ns()
        make_ns.append(made_ns - start_ns)
        check_ns.append(checked_ns - made_ns)
        sizes.append(len(proof))
    ledger.close()
    return _Proved(median(make_ns) / 1e3, median(check_ns) / 1e3, median(sizes), max(sizes))
