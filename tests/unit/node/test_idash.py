"""iDASH 2018, track 1: 40,000 audit lines of four sites, and 11 published answers."""

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.node.follower.follower import Follower
from salus.node.follower.lines import LinesAsked, LinesFound, find_lines
from salus.node.mempool import Done
from tests.support.ledgers import Nodes
from tests.support.machine import GENESIS_MS, LIFETIME_MS

FOLDER = Path(__file__).parents[2] / "data" / "idash"
QUERIES: list[dict[str, Any]] = json.loads((FOLDER / "queries_10000.json").read_text())
SITES = range(4)
LINES_A_SITE = 10_000
IN_FLIGHT = 190
"""Of one key; its quota is 200."""

pytestmark = pytest.mark.slow


def lines(site: int) -> list[list[str]]:
    """A site's lines: time, node, number, ref, user, activity, resource."""
    with gzip.open(FOLDER / f"node{site + 1}.tsv.gz", "rt") as file:
        return [line.rstrip("\r\n").split("\t") for line in file]


class World:
    """Two of four members run; all four sites' lines stand in their ledger."""

    def __init__(self, folder: Path) -> None:
        self.nodes = Nodes(folder, running=2)
        self.logs = [lines(site) for site in SITES]
        self.numbers = {
            kind: {text: number for number, text in enumerate(self.texts(column), 1)}
            for kind, column in ((1, 5), (2, 6))
        }
        terms = [
            DefineTerm(kind=kind, number=number, text=text)
            for kind, numbers in self.numbers.items()
            for text, number in numbers.items()
        ]
        self.record(0, iter([terms]), first_nonce=0)
        # The first site signs each line alone, the others a hundred at once.
        for site in SITES:
            messages = [self.message(fields) for fields in self.logs[site]]
            count = 1 if site == 0 else 100
            self.record(site, chunks(messages, count), first_nonce=1)
        tip = self.nodes[0].ledger.tip
        assert tip.height == self.nodes[1].ledger.wait_above(tip.height - 1, 60).height

    def texts(self, column: int) -> list[str]:
        """A column's different texts."""
        return sorted({fields[column] for log in self.logs for fields in log})

    def message(self, fields: list[str]) -> RecordLine:
        """One line."""
        time_ms, node, _, ref, user = map(int, fields[:5])
        return RecordLine(
            activity=self.numbers[1][fields[5]],
            node=node,
            ref=ref,
            resource=self.numbers[2][fields[6]],
            time_ms=time_ms,
            user=user,
        )

    def record(self, site: int, transactions: Iterator[list[Any]], first_nonce: int) -> None:
        """Sign and submit, many in flight; all must be done."""
        engine = self.nodes[0].engine
        assert engine is not None
        flying: list[Future[Done]] = []
        for nonce, messages in enumerate(transactions, first_nonce):
            envelope = self.nodes.chain.sign(
                site, *messages, nonce=nonce, until_ms=GENESIS_MS + LIFETIME_MS
            )
            flying.append(engine.submit(envelope).done)
            if len(flying) >= IN_FLIGHT:
                assert 0 == flying.pop(0).result(60).receipt.code
        assert {0} == {done.result(60).receipt.code for done in flying}

    def ask(self, follower: Follower, query: dict[str, Any]) -> LinesFound:
        """A published query, by the consortium's texts."""
        return find_lines(
            follower,
            LinesAsked(
                node=query.get("node"),
                ref=query.get("ref_id"),
                user=query.get("user"),
                activity=self.numbers[1].get(query.get("activity", "")),
                resource=self.numbers[2].get(query.get("resource", "")),
                start_ms=query.get("start"),
                end_ms=query.get("end"),
            ),
        )

    def check(self, follower: Follower) -> None:
        """All published answers, count and digest."""
        for published in QUERIES:
            found = self.ask(follower, published["query"])
            expected = (published["rows"], published["sha256_of_sorted_lines"])
            assert expected == (len(found.rows), found.digest.hex()), published["name"]


def chunks(messages: list[RecordLine], count: int) -> Iterator[list[RecordLine]]:
    """So many at once."""
    rest = iter(messages)
    while chunk := list(islice(rest, count)):
        yield chunk


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Takes most of a minute."""
    world = World(tmp_path_factory.mktemp("idash"))
    with world.nodes:
        yield world


def test_every_line_of_every_site_is_recorded(world: World, tmp_path: Path) -> None:
    """40,000 lines, each author's counted 1, 2, 3 …; and the published answers."""
    follower = Follower(world.nodes[0].ledger, f"sqlite:///{tmp_path / 'model.db'}")
    while follower.height < world.nodes[0].ledger.tip.height:
        follower.wait_for(follower.height + 1)

    found = find_lines(follower, LinesAsked())

    assert 4 * LINES_A_SITE == len(found.rows)
    assert sorted("\t".join(line) for log in world.logs for line in log) == sorted(found.lines)
    assert 11 == len(QUERIES)
    world.check(follower)
    follower.close()


def test_another_node_and_a_rebuilt_model_give_the_same_answers(
    world: World, tmp_path: Path
) -> None:
    """The copy that executed every block itself; then its read model, lost and made again."""
    path, ledger = tmp_path / "model.db", world.nodes[1].ledger
    for _ in range(2):
        path.unlink(missing_ok=True)
        follower = Follower(ledger, f"sqlite:///{path}")
        while follower.height < ledger.tip.height:
            follower.wait_for(follower.height + 1)
        world.check(follower)
        follower.close()
