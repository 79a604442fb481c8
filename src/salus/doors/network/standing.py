"""
Where the members of a network stand, asked of each: its API, and its CometBFT beside it.

Nobody is believed about the others: every member is asked for its own app hash at each height that
another stands at, and whoever differs from more than half of those that answer is named.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import httpx
import msgspec

from salus.node.comet.rpc import UNANSWERED, ask
from salus.node.settings import Place

TIMEOUT_S = 5.0

EVIDENCE_BLOCKS = 500
"""So many of the newest blocks are searched for evidence."""

MISBEHAVED = "members.misbehaved"


@dataclass(frozen=True)
class Standing:
    """One member's own words."""

    name: str
    url: str
    member: str
    """Id, hex."""

    height: int
    app_hash: str
    """Hex."""

    network: str
    """Id, hex."""

    voting: str
    """`yes`, `catching up`, `no` (no validator), or `unknown`: its CometBFT does not answer."""

    peers: int
    """Nodes its CometBFT is connected with."""


@dataclass(frozen=True)
class Difference:
    """Two histories: what nobody may pass over."""

    name: str
    """Who has another app hash than more than half of those that answer."""

    height: int
    """The first at which it differs from them."""


class _SyncInfo(msgspec.Struct):
    catching_up: bool


class _ValidatorInfo(msgspec.Struct):
    voting_power: str


class _Status(msgspec.Struct):
    sync_info: _SyncInfo
    validator_info: _ValidatorInfo


class _NetInfo(msgspec.Struct):
    n_peers: str


class Observer:
    """Asks the members; one set of lines for all questions, closed by `close`."""

    def __init__(self, places: Sequence[Place]) -> None:
        """`places`: the members' configurations."""
        self._opened = ExitStack()
        self._clients = {
            place.settings.member.name: self._opened.enter_context(
                httpx.Client(base_url=url(place), timeout=TIMEOUT_S)
            )
            for place in places
        }
        self._sockets = {
            place.settings.member.name: place.comet.rpc_socket
            for place in places
            if place.comet is not None
        }

    def __enter__(self) -> Self:
        """Is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close all lines."""
        self._opened.close()

    def standings(self) -> dict[str, Standing]:
        """Where each member stands that answers, by name; all are asked at once."""
        with ThreadPoolExecutor(len(self._clients)) as threads:
            found = threads.map(self._standing, self._clients)
            return {one.name: one for one in found if one is not None}

    def differences(self, standings: Mapping[str, Standing]) -> list[Difference]:
        """Who has another history than most, each with the first height of it."""
        found: dict[str, Difference] = {}
        for height in sorted({one.height for one in standings.values() if one.height}):
            names = [name for name, one in standings.items() if one.height >= height]
            hashes = self._app_hashes(names, height)
            for name in minority(hashes):
                if name not in found:
                    other = next(one for one in hashes if hashes[one] != hashes[name])
                    found[name] = Difference(name, self._first_difference(name, other, height))
        return list(found.values())

    def evidence(self, standings: Mapping[str, Standing]) -> list[dict[str, Any]]:
        """Events in the newest blocks that say a member's node was caught lying, by its name."""
        if not standings:
            return []
        best = max(standings.values(), key=lambda one: one.height)
        heights = range(max(1, best.height - EVIDENCE_BLOCKS + 1), best.height + 1)
        names = {one.member: one.name for one in standings.values()}
        return [
            {"name": names.get(one["member"], ""), **one}
            for height, block in self._blocks(best.name, heights)
            for one in misbehaviour(height, block["events"])
        ]

    def elsewhere(self, standings: Mapping[str, Standing]) -> list[dict[str, Any]]:
        """Members that the ledger knows and no configuration here is of, but those removed."""
        if not standings:
            return []
        best = max(standings.values(), key=lambda one: one.height)
        told = _json(self._clients[best.name], "/v1/members") or {"members": []}
        here = {one.member for one in standings.values()}
        return [
            {name: one[name] for name in ("name", "id", "status", "power", "address")}
            for one in told["members"]
            if one["id"] not in here and one["status"] != "removed"
        ]

    def _standing(self, name: str) -> Standing | None:
        status = _json(self._clients[name], "/v1/status")
        if status is None:
            return None
        voting, peers = self._comet(name)
        return Standing(
            name=name,
            url=str(self._clients[name].base_url).rstrip("/"),
            member=status["member"],
            height=status["height"],
            app_hash=status["app_hash"],
            network=status["network"],
            voting=voting,
            peers=peers,
        )

    def _comet(self, name: str) -> tuple[str, int]:
        """Whether its CometBFT votes, and with how many it is connected."""
        socket = self._sockets[name]
        try:
            status = ask(socket, "status", _Status, TIMEOUT_S)
            peers = ask(socket, "net_info", _NetInfo, TIMEOUT_S)
        except UNANSWERED:
            return "unknown", 0
        if status.sync_info.catching_up:
            return "catching up", int(peers.n_peers)
        voting = "yes" if int(status.validator_info.voting_power) else "no"
        return voting, int(peers.n_peers)

    def _app_hashes(self, names: Sequence[str], height: int) -> dict[str, str]:
        return {
            name: block["app_hash"] for name in names for _, block in self._blocks(name, [height])
        }

    def _first_difference(self, name: str, other: str, height: int) -> int:
        """Between the first block and `height`, at which they differ; by halves."""
        low, high = 1, height
        while low < high:
            middle = (low + high) // 2
            if len(set(self._app_hashes([name, other], middle).values())) > 1:
                high = middle
            else:
                low = middle + 1
        return high

    def _blocks(self, name: str, heights: Sequence[int]) -> Iterator[tuple[int, Any]]:
        """Those the member has and answers with."""
        for height in heights:
            block = _json(self._clients[name], f"/v1/blocks/{height}")
            if block is not None:
                yield height, block


def misbehaviour(block: int, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Who was caught by a block's events: `block`, `member` (hex), `height`, `kind`."""
    return [
        {"block": block, **{name: event[name] for name in ("member", "height", "kind")}}
        for event in events
        if event["event"] == MISBEHAVED
    ]


def minority(hashes: Mapping[str, str]) -> list[str]:
    """Names whose hash is not the one that more than half have; nobody where no half agrees."""
    if not hashes:
        return []
    ((usual, count),) = Counter(hashes.values()).most_common(1)
    if 2 * count <= len(hashes):
        return []
    return [name for name, one in hashes.items() if one != usual]


def url(place: Place) -> str:
    """Where a member's API is."""
    door = place.settings.door
    return f"http://{door.host}:{door.port}"


def _json(client: httpx.Client, path: str) -> Any:
    """The answer, or None: a member that is down, or starts, or has no such block."""
    try:
        answer = client.get(path)
        return answer.json() if answer.is_success else None
    except (httpx.HTTPError, ValueError):
        return None
