"""
The access logs of iDASH 2018, track 1, as signed transactions, and the published answers.

Data and origin: `tests/data/idash`. Each site signs its own lines, one a transaction.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.envelopes import sign_all
from bench.network import Network
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.modules.audit.state import ACTIVITY, RESOURCE

FOLDER = Path(__file__).parents[1] / "tests" / "data" / "idash"

SITES = 4
LINES_A_SITE = 10_000

TERMS_RUN, LINES_RUN = 1, 2
"""Of `sign_all`: nonces of their own."""

Fields = list[str]
"""A line: time (ms), node, the site's running number, ref, user, activity, resource."""


@dataclass(frozen=True)
class Logs:
    """The first lines of every site, and the numbers of their words."""

    sites: Sequence[Sequence[Fields]]
    activities: Mapping[str, int]
    resources: Mapping[str, int]

    def define(self, network: Network) -> bytes:
        """One transaction by the first member that gives the numbers their words."""
        messages = [
            DefineTerm(kind=kind, number=number, text=text)
            for kind, words in ((ACTIVITY, self.activities), (RESOURCE, self.resources))
            for text, number in words.items()
        ]
        return sign_all(network, lambda _: messages, range(1), TERMS_RUN)[0]

    def sign(self, network: Network, site: int, keys_a_site: int) -> list[bytes]:
        """A transaction a line, by the site's keys in turn."""
        keys = network.keys[site * keys_a_site : (site + 1) * keys_a_site]
        lines = self.sites[site]
        return sign_all(
            Network(keys, network.genesis),
            lambda number: [self._message(lines[number])],
            range(len(lines)),
            LINES_RUN,
        )

    def criteria(self, query: Mapping[str, Any]) -> dict[str, int]:
        """A published query as `LinesAsked` takes it."""
        told = {
            "node": query.get("node"),
            "ref": query.get("ref_id"),
            "user": query.get("user"),
            "activity": self.activities.get(query.get("activity", "")),
            "resource": self.resources.get(query.get("resource", "")),
            "start_ms": query.get("start"),
            "end_ms": query.get("end"),
        }
        return {name: value for name, value in told.items() if value is not None}

    def _message(self, fields: Fields) -> RecordLine:
        time_ms, node, _, ref, user = map(int, fields[:5])
        return RecordLine(
            activity=self.activities[fields[5]],
            node=node,
            ref=ref,
            resource=self.resources[fields[6]],
            time_ms=time_ms,
            user=user,
        )


@dataclass(frozen=True)
class Published:
    """A query, and how many rows every sound answer to it has."""

    query: Mapping[str, Any]
    rows: int


def read_logs(lines_a_site: int = LINES_A_SITE) -> Logs:
    """Read the first lines of each site."""
    sites = [_lines(site)[:lines_a_site] for site in range(SITES)]
    return Logs(sites, _numbers(sites, 5), _numbers(sites, 6))


def published() -> list[Published]:
    """The queries and answers, which hold for all lines of all sites."""
    told = json.loads((FOLDER / "queries_10000.json").read_text())
    return [Published(one["query"], one["rows"]) for one in told]


def _lines(site: int) -> list[Fields]:
    with gzip.open(FOLDER / f"node{site + 1}.tsv.gz", "rt") as file:
        return [line.rstrip("\r\n").split("\t") for line in file]


def _numbers(sites: Sequence[Sequence[Fields]], column: int) -> dict[str, int]:
    texts = sorted({fields[column] for lines in sites for fields in lines})
    return {text: number for number, text in enumerate(texts, 1)}
