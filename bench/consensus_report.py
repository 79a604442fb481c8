"""What the runs of B4 show, as lines of the table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.consensus_arms import COMETBFT, NODE
from bench.consensus_load import Load
from bench.report import Line

TRANSACTION_BYTES = 300
"""Of every arm."""

MEMBERS = 4
MORE_MEMBERS = 7
MANY_MEMBERS = 16
RATIO_BAR = 0.6
"""Of the application behind the socket; and of all four, when one of them is killed."""

SALUS, UNSIGNED = "Salus", "Salus, signatures not checked"
BUILT_IN, SOCKET = "kvstore, built in", "kvstore, socket"
KILLED = "Salus, one killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one arm."""

    load: Load
    journal_bytes: float
    """What the journal of a node of Salus took for a transaction; 0 of others."""

    comet_bytes: float
    """What CometBFT's files of a node took for a transaction."""


Runs = Mapping[tuple[str, int], Sequence[Run]]
"""(Arm, members) -> its runs."""


def rate_line(members: int, runs: Runs, missing: str) -> Line:
    """Transactions a second of so many validators; the bar stands at four."""
    rates = _by_arm(members, runs, lambda run: run.load.per_second)
    salus = rates.pop(SALUS)
    rates.pop(KILLED, None)
    held_to = members == MEMBERS and SOCKET in rates
    return Line(
        id="B4",
        what=f"{members} validator{'s' if members > 1 else ''}, {TRANSACTION_BYTES} B",
        unit="tx/s",
        salus=salus,
        peers=rates,
        bar=RATIO_BAR * rates[SOCKET] if held_to else None,
        note=f"{_spent(members, runs)}{missing}",
    )


def killed_line(runs: Runs) -> Line:
    """One of four killed before the load, beside all four."""
    rates = _by_arm(MEMBERS, runs, lambda run: run.load.per_second)
    return Line(
        id="B4",
        what=f"{MEMBERS} validators, one of them killed",
        unit="tx/s",
        salus=rates[KILLED],
        peers={"all four": rates[SALUS]},
        bar=RATIO_BAR * rates[SALUS],
    )


def cpu_line(members: int, runs: Runs) -> Line:
    """Processor time a transaction, summed over all processes."""
    spent = _by_arm(members, runs, _cpu_us)
    spent.pop(KILLED, None)
    return Line(
        id="B4",
        what=f"CPU a transaction, all processes of {members}",
        unit="µs",
        salus=spent.pop(SALUS),
        peers=spent,
    )


def many_line(runs: Runs) -> Line:
    """From two sizes to a third: each node executes each transaction, and votes meet all nodes."""
    few, more = (
        _by_arm(members, runs, _cpu_us)[SALUS] / members for members in (MEMBERS, MORE_MEMBERS)
    )
    pair_us = (more - few) / (MORE_MEMBERS - MEMBERS)
    own_us = few - MEMBERS * pair_us
    node_us = own_us + MANY_MEMBERS * pair_us
    what = (
        f"CPU a transaction at a node of {MANY_MEMBERS}, by those of {MEMBERS} and {MORE_MEMBERS}"
    )
    if min(own_us, pair_us) < 0:
        why = (
            f"{few:.0f} µs at a node of {MEMBERS}, {more:.0f} at one of {MORE_MEMBERS}: too uneven"
        )
        return Line(id="B4", what=what, unit="µs", salus=None, note=why)
    return Line(
        id="B4",
        what=what,
        unit="µs",
        salus=node_us,
        note=f"a node spends {own_us:.0f} µs whatever the others do, and {pair_us:.0f} µs for each "
        f"node there is (gossip, votes): {MANY_MEMBERS} nodes of this machine's cores, one each, "
        f"would do {1e6 / node_us:,.0f} tx/s, and all of them on its two "
        f"{2e6 / node_us / MANY_MEMBERS:,.0f}",
    )


def _spent(members: int, runs: Runs) -> str:
    """Of each arm: block size, CPU by kind of process, bytes."""
    parts = []
    for (name, count), some in runs.items():
        if count != members:
            continue
        kinds = {kind: median(run.load.cpu_us[kind] for run in some) for kind in (NODE, COMETBFT)}
        parts.append(
            f"{name}: {median(run.load.block_size for run in some):,.0f} a block, "
            + ", ".join(f"{kind} {us:,.0f} ms" for kind, us in kinds.items() if us)
            + f" CPU per 1,000; {median(run.load.loopback_bytes for run in some):,.0f} B sent, "
            f"{median(run.comet_bytes for run in some):,.0f} B kept by CometBFT" + _journal(some)
        )
    return "; ".join(parts)


def _journal(runs: Sequence[Run]) -> str:
    size = median(run.journal_bytes for run in runs)
    return f", {size:,.0f} B by the journal" if size else ""


def _by_arm(members: int, runs: Runs, figure: Callable[[Run], float]) -> dict[str, float]:
    """Arm -> the median of a figure, of those that ran with so many members."""
    return {
        name: median(map(figure, some)) for (name, count), some in runs.items() if count == members
    }


def _cpu_us(run: Run) -> float:
    return sum(run.load.cpu_us.values())
