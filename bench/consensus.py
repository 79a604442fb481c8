"""
B4: validators on this machine, Salus beside CometBFT's own key-value application.

All arms take turns in one run, under one loader, one configuration of CometBFT, transactions of one
size and as many in flight. The application in CometBFT's own process keeps its rows in memory; the
one behind the socket writes each to its database at commit, without a sync; Salus checks signatures
at every node, proves its state, and syncs its journal.
"""

import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.abci_cli import ProgramMissing, abci_cli, cometbft
from bench.consensus_arms import Running, started_kvstore, started_salus
from bench.consensus_load import Load, run_load
from bench.consensus_report import (
    BUILT_IN,
    KILLED,
    MEMBERS,
    MORE_MEMBERS,
    SALUS,
    SOCKET,
    TRANSACTION_BYTES,
    UNSIGNED,
    Run,
    Runs,
    cpu_line,
    killed_line,
    many_line,
    rate_line,
)
from bench.envelopes import one_row, sign_all
from bench.network import KEYS_A_MEMBER, Network
from bench.report import Line
from bench.runs import in_process, in_turns

IN_FLIGHT = {1: 500, 4: 1_600, 7: 1_600}
"""Members -> transactions in flight in all arms. A member may have 1,250 waiting at a node, which
still holds the block that the loader saw last."""

WARM_UP_S = 3.0

_TRIAL_BYTES = 100
"""A value of so many bytes tells how many make a transaction of the size asked for."""

FASTEST_PER_SECOND = {1: 12_000, 4: 4_000, 7: 2_000}
"""Members -> envelopes are made for this rate."""

Start = Callable[[Path, int], AbstractContextManager[Running]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How much is measured."""

    seconds: float
    """Of a run; with a node killed blocks come unevenly, so that arm runs three times as long."""

    times: int
    """Runs of the arms of four; one node and seven run once."""


STARTS: Mapping[str, Start] = {
    BUILT_IN: lambda folder, members: started_kvstore(folder, members, over_socket=False),
    SOCKET: lambda folder, members: started_kvstore(folder, members, over_socket=True),
    UNSIGNED: lambda folder, members: started_salus(folder, members, signatures=False),
    SALUS: started_salus,
    KILLED: started_salus,
}

KILLED_SECONDS = 3
"""So many times as long as the other arms."""


def measure(folder: Path, asked: Asked) -> Iterator[Line]:
    """B4; `folder`: for the nodes' folders, which are removed again."""
    starts, missing = _there()
    if not starts:
        yield Line(id="B4", what="validators of one machine", unit="tx/s", salus=None, note=missing)
        return
    runs = _run_all(folder, starts, asked)
    yield from (rate_line(members, runs, missing) for members in (1, MEMBERS, MORE_MEMBERS))
    yield killed_line(runs)
    yield from (cpu_line(members, runs) for members in (1, MEMBERS, MORE_MEMBERS))
    yield many_line(runs)


def _there() -> tuple[dict[str, Start], str]:
    """The arms whose programs can be had, and what is missing to the others."""
    try:
        cometbft()
    except ProgramMissing as missing:
        return {}, f"not run: {missing}"
    try:
        abci_cli()
    except ProgramMissing as missing:
        rest = {name: start for name, start in STARTS.items() if name != SOCKET}
        return rest, f"; {SOCKET}: not run: {missing}"
    return dict(STARTS), ""


def _run_all(folder: Path, starts: Mapping[str, Start], asked: Asked) -> Runs:
    def arms(members: int, names: Sequence[str]) -> dict[str, Callable[[], Run]]:
        return {
            f"{name}, {members} nodes": partial(run_arm, folder, name, members, asked.seconds)
            for name in names
            if name in starts
        }

    once = arms(1, (BUILT_IN, SOCKET, UNSIGNED, SALUS)) | arms(MORE_MEMBERS, (SOCKET, SALUS))
    several = arms(MEMBERS, (BUILT_IN, SOCKET, UNSIGNED, SALUS, KILLED))
    named = in_turns(several, asked.times) | in_turns(once, 1)
    return {
        (name, members): named[key]
        for name in starts
        for members in (1, MEMBERS, MORE_MEMBERS)
        if (key := f"{name}, {members} nodes") in named
    }


def run_arm(folder: Path, name: str, members: int, seconds: float) -> Run:
    """Start an arm's network, load it, stop it and remove its folder."""
    home = folder / "b4"
    with STARTS[name](home, members) as running:
        if name == KILLED:
            running.kill(members - 1)
            seconds *= KILLED_SECONDS
        load = in_process(
            _load,
            running.site.network.genesis if running.nodes else None,
            dict(zip(running.members, running.sockets, strict=True)),
            running.pids,
            members=members,
            seconds=seconds,
        )
        running.check(load.sent)
        journals = [node.count()[2] for node in running.nodes.values()]
        run = Run(
            load=load,
            journal_bytes=sum(journals) / max(len(journals), 1) / load.sent,
            comet_bytes=running.comet_bytes() / load.sent,
        )
    shutil.rmtree(home)
    return run


def _load(
    genesis: bytes | None,
    sockets: Mapping[int, Path],
    pids: Mapping[str, Sequence[int]],
    *,
    members: int,
    seconds: float,
) -> Load:
    """In a process of its own; `genesis`: of Salus, none: for the other application."""
    most = int(FASTEST_PER_SECOND[members] * (seconds + WARM_UP_S)) // len(sockets)
    make = of_kvstore if genesis is None else partial(of_salus, Network.of(genesis))
    return run_load(
        list(sockets.values()),
        [make(member, most) for member in sockets],
        pids,
        in_flight=IN_FLIGHT[members],
        warm_up_s=WARM_UP_S,
        seconds=seconds,
    )


def of_salus(network: Network, member: int, count: int) -> list[bytes]:
    """Transactions of one member: a new row each."""
    keys = network.keys[member * KEYS_A_MEMBER : (member + 1) * KEYS_A_MEMBER]
    own = Network(keys, network.genesis)
    (trial,) = sign_all(own, one_row(_TRIAL_BYTES, 0), range(1), 1)
    value_bytes = _TRIAL_BYTES + TRANSACTION_BYTES - len(trial)
    return sign_all(own, one_row(value_bytes, member), range(count), 1)


def of_kvstore(member: int, count: int) -> list[bytes]:
    """Transactions of the other application: a new key each, as `key=value` in printable text."""
    draw = random.Random(member)
    keys = (b"%02d-%012d=" % (member, number) for number in range(count))
    return [
        key + draw.randbytes(TRANSACTION_BYTES // 2).hex().encode()[: TRANSACTION_BYTES - len(key)]
        for key in keys
    ]
