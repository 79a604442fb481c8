"""
B7: four sites' audit lines on four nodes, a transaction a line, then questions at another node.

Each node hands in its own site's lines, through its engine as a door does, and answers when a block
that its own copy holds has them. In a second run one node is killed at a quarter of the way; its
site's clients then send all their lines to another node, where what was done before is done once.
"""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from bench.abci_cli import ProgramMissing, cometbft
from bench.consensus_arms import COMETBFT, NODE, NodeProcess, Running, started_salus
from bench.consensus_homes import SEGMENT_BYTES
from bench.consensus_load import Blocks
from bench.drive import journal_bytes
from bench.idash import LINES_A_SITE, SITES, Logs, published, read_logs
from bench.network import Network, add_block, new_validators, open_ledger
from bench.quiet import prepare
from bench.report import Line
from bench.runs import in_process
from bench.spent import cpu_s, disk_bytes

KEYS_A_SITE = 4
IN_FLIGHT = 480
"""Of a site; a key may have 200 waiting."""

ASKED_AT = SITES - 1
"""The node that is asked; any but the one a line came in by would do."""

COMPARED_WITH = 0
"""Its read model must give the same answers."""

KILLED = SITES - 1
TAKES_OVER = 0
KILLED_AT = 4
"""One node is killed when a quarter of all lines stand in blocks."""

ROWS = 10_040
"""Of the large answer, as in the consortium's own large query."""

TIMES = 5
"""Each question is asked so often; the median counts."""

RATE_BAR, RATIO_BAR = 1_500.0, 0.6
ROWS_MS_BAR, ROW_MS_BAR = 150.0, 2.0
BYTES_BAR = 350.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """One run of the load."""

    per_second: float
    cpu_us: dict[str, float]
    """Kind of process -> processor time a line of all its processes together, µs."""

    block_size: float
    journal_bytes: float
    comet_bytes: float
    """At a node, a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the asked node's read model took."""

    model_s: float
    rows: int
    rows_ms: float
    row_ms: float
    checked: int
    """Published counts that came out right, with lines equal at both nodes."""


def measure(folder: Path, lines_a_site: int) -> Iterator[Line]:
    """B7 with so many lines of each site; `folder`: for the nodes' folders, removed again."""
    try:
        cometbft()
    except ProgramMissing as missing:
        yield Line(id="B7", what="audit lines", unit="lines/s", salus=None, note=f"{missing}")
        return
    logs = read_logs(lines_a_site)
    home = folder / "b7"
    with started_salus(home, SITES, keys_a_member=KEYS_A_SITE) as running:
        all_four = _load(running, logs)
        answers = _ask(running.nodes[ASKED_AT], running.nodes[COMPARED_WITH], logs)
    shutil.rmtree(home)
    with started_salus(home, SITES, keys_a_member=KEYS_A_SITE) as running:
        one_killed = _load(running, logs, kills=True)
    shutil.rmtree(home)
    embedded = in_process(_embedded_bytes, home, lines_a_site)
    shutil.rmtree(home)
    yield from _report(SITES * lines_a_site, all_four, one_killed, answers, embedded)


def _report(
    lines: int, all_four: Loaded, one_killed: Loaded, answers: Answers, embedded: float
) -> Iterator[Line]:
    cpu = ", ".join(f"{kind} {us:,.0f} µs" for kind, us in all_four.cpu_us.items())
    yield Line(
        id="B7",
        what=f"{lines:,} audit lines, {SITES} nodes, {KEYS_A_SITE} keys a site",
        unit="lines/s",
        salus=all_four.per_second,
        bar=RATE_BAR,
        note=f"{all_four.block_size:,.0f} a block; CPU a line: {cpu}",
    )
    yield Line(
        id="B7",
        what="the same, one node killed at a quarter",
        unit="lines/s",
        salus=one_killed.per_second,
        peers={"all four": all_four.per_second},
        bar=RATIO_BAR * all_four.per_second,
        note="its site's lines are sent again, all of them, to another node; it came back level",
    )
    yield Line(
        id="B7", what=f"{answers.rows:,} rows at another node", unit="ms", salus=answers.rows_ms,
        bar=ROWS_MS_BAR, is_ceiling=True,
        note=f"{answers.checked} published counts right, lines equal at two nodes; "
        f"read model of all lines made in {answers.model_s:.1f} s",
    )  # fmt: skip
    yield Line(
        id="B7", what="1 row at another node", unit="ms", salus=answers.row_ms,
        bar=ROW_MS_BAR, is_ceiling=True,
    )  # fmt: skip
    yield Line(
        id="B7", what="a line on disk, embedded, read model apart", unit="B", salus=embedded,
        bar=BYTES_BAR, is_ceiling=True,
        note=f"at a node of the network the journal takes {all_four.journal_bytes:,.0f} B of it, "
        f"CometBFT {all_four.comet_bytes:,.0f} B beside it",
    )  # fmt: skip


def _load(running: Running, logs: Logs, *, kills: bool = False) -> Loaded:
    network, folder = running.site.network, running.site.folder
    files = [folder / f"site{site}.lines" for site in range(SITES)]
    for site, file in enumerate(files):
        file.write_bytes(msgspec.msgpack.encode(logs.sign(network, site, KEYS_A_SITE)))
    terms = folder / "terms"
    terms.write_bytes(msgspec.msgpack.encode([logs.define(network)]))
    running.nodes[0].ask("load", terms, 1)

    lines = sum(map(len, logs.sites))
    with closing(Blocks(running.sockets[0])) as blocks:
        blocks.look()
        before, began_s, spent_s = blocks.blocks, time.monotonic(), cpu_s(running.pids)
        for site, file in enumerate(files):
            running.nodes[site].tell("load", file, IN_FLIGHT)
        waited = list(running.nodes.values())
        if kills:
            _kill(running, blocks, lines // KILLED_AT)
            running.nodes[TAKES_OVER].tell("load", files[KILLED], IN_FLIGHT)
            waited[KILLED] = running.nodes[TAKES_OVER]
        for node in waited:
            node.read("load")
        seconds = time.monotonic() - began_s
        after_s = cpu_s(running.pids)
        blocks.wait_for(lines + 1)
    if kills:
        running.start(KILLED)
    running.check(lines + 1)
    return Loaded(
        per_second=lines / seconds,
        cpu_us={kind: (after_s[kind] - spent_s[kind]) / lines * 1e6 for kind in (NODE, COMETBFT)},
        block_size=lines / (blocks.blocks - before),
        journal_bytes=running.nodes[0].count()[2] / lines,
        comet_bytes=running.comet_bytes() / lines,
    )


def _kill(running: Running, blocks: Blocks, lines: int) -> None:
    """Wait for so many lines in blocks, then end a node at once."""
    blocks.wait_for(lines)
    running.kill(KILLED)


def _ask(node: NodeProcess, other: NodeProcess, logs: Logs) -> Answers:
    """
    Ask for many lines and for one, after the published queries if all lines are there.

    A published digest counts a site's lines by one key; four keys count four times, so the digests
    of two nodes are compared instead.
    """
    (model_s,) = map(float, node.ask("model"))
    other.ask("model")
    lines = sum(map(len, logs.sites))
    asked = published() if lines == SITES * LINES_A_SITE else []
    for one in asked:
        criteria = logs.criteria(one.query)
        found = [_question(each, lines, criteria)[:2] for each in (node, other)]
        assert found[0] == found[1], f"expected one answer, found {found}"
        assert one.rows == found[0][0], f"expected {one.rows} rows, found {found[0][0]}"
    single = next((logs.criteria(one.query) for one in asked if one.rows == 1), {"node": 1})
    many = [_question(node, min(ROWS, lines), {}) for _ in range(TIMES)]
    few = [_question(node, 1, single) for _ in range(TIMES)]
    return Answers(
        model_s=model_s,
        rows=many[0][0],
        rows_ms=median(one[2] for one in many),
        row_ms=median(one[2] for one in few),
        checked=len(asked),
    )


def _question(node: NodeProcess, limit: int, criteria: dict[str, int]) -> tuple[int, str, float]:
    rows, digest, spent_ms = node.ask("ask", limit, json.dumps(criteria))
    return int(rows), digest, float(spent_ms)


def _embedded_bytes(folder: Path, lines_a_site: int) -> float:
    """What a line takes of the disk of a ledger without CometBFT, in blocks of a thousand."""
    prepare()
    network, logs = new_validators(SITES, KEYS_A_SITE), read_logs(lines_a_site)
    ledger = open_ledger(folder, network, SEGMENT_BYTES)
    add_block(ledger, [logs.define(network)])
    for block in _blocks(network, logs):
        add_block(ledger, block)
    journal = journal_bytes(ledger)
    ledger.close()
    rest = sum(disk_bytes(folder / name) for name in ("state", "log"))
    return (journal + rest) / sum(map(len, logs.sites))


def _blocks(network: Network, logs: Logs) -> Iterator[Sequence[bytes]]:
    for site in range(SITES):
        envelopes = logs.sign(network, site, KEYS_A_SITE)
        for first in range(0, len(envelopes), 1_000):
            yield envelopes[first : first + 1_000]
