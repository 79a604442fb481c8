"""
What must hold on a live network after any fault, asked of every member's own API.

Blocks are compared whole: app hash, log, state, transactions and codes of a height are the same at
every member, so none has another history. Each acknowledged transaction stands at its height with
its code, once; some are also compared receipt by receipt.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx

from salus.machine.refusals import LAST_UNSPENT
from salus.node.audit.audit import audit_folder
from tests.campaign.network.load import Acknowledged, Load
from tests.campaign.network.members import Members

RECEIPTS = 10
"""Transactions of one look whose receipts are compared."""

LEVEL_S_MAX = 60.0
"""Until all members have every block that one had when the look began."""


@dataclass
class Blocks:
    """What was seen of the ledger so far."""

    height: int = 0
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Height and code of each transaction whose nonce a block spent."""

    log_size: int = 0


class Checker:
    """One network's; looks go on from one another."""

    def __init__(self, members: Members, load: Load, seed: int) -> None:
        """`seed`: of the choice of receipts."""
        self.blocks = Blocks()
        self.acknowledged = 0
        """Acknowledgements found at all members so far."""

        self._members = members
        self._load = load
        self._random = Random(seed)
        self._http = httpx.Client(timeout=30.0)

    def close(self) -> None:
        """Close the lines."""
        self._http.close()

    def look(self, names: Sequence[str] | None = None) -> int:
        """
        Compare everything new at some members, else at all that run; the height they share.

        Raises AssertionError with the first thing that does not hold.
        """
        promised = self._load.acknowledged(self.acknowledged)
        names = names or self._members.running()
        height = max(self._members.heights(names).values())
        height = max([height, *(one.height for one in promised)])
        self._members.wait_above(height - 1, names, LEVEL_S_MAX)
        for number in range(self.blocks.height + 1, height + 1):
            self._block(number, names)
        for one in promised:
            self._promise(one)
        for one in self._random.sample(promised, min(RECEIPTS, len(promised))):
            self._receipt(one, names)
        self.acknowledged += len(promised)
        return height

    def _block(self, height: int, names: Sequence[str]) -> None:
        """A height's block is the same everywhere and follows the one before."""
        found = self._everywhere(f"/v1/blocks/{height}", names)
        block = next(iter(found.values()))
        for name, other in found.items():
            assert other == block, f"two blocks of height {height}: {name} differs, {found}"
        assert block["log_size"] >= self.blocks.log_size, f"the log shrank at height {height}"
        for one in block["transactions"]:
            if 0 < one["code"] <= LAST_UNSPENT:
                continue
            before = self.blocks.places.setdefault(one["id"], (height, one["code"]))
            assert before == (height, one["code"]), f"{one['id']} is in two blocks"
        self.blocks.height, self.blocks.log_size = height, block["log_size"]

    def _promise(self, one: Acknowledged) -> None:
        """What was acknowledged is where and as it was said."""
        place = self.blocks.places.get(one.id)
        assert place == (one.height, one.code), f"{one} was acknowledged, found at {place}"

    def _receipt(self, one: Acknowledged, names: Sequence[str]) -> None:
        """All members tell the same of a transaction."""
        found = self._everywhere(f"/v1/transactions/{one.id}", names)
        receipt = next(iter(found.values()))
        assert all(other == receipt for other in found.values()), f"receipts differ: {found}"
        told = (receipt["height"], receipt["index"], receipt["code"])
        assert told == (one.height, one.index, one.code), f"{one}: found {receipt}"

    def _everywhere(self, path: str, names: Sequence[str]) -> dict[str, Any]:
        return {name: self._json(self._members.network.url(name) + path) for name in names}

    def _json(self, url: str) -> Any:
        answer = self._http.get(url)
        assert answer.is_success, f"{url}: {answer.text}"
        return answer.json()


def audit(members: Members, name: str) -> None:
    """Re-check a stopped member's folder offline; raises AssertionError with what differs."""
    place = members.places[name]
    report = audit_folder(
        place.home / "node",
        Path(place.path(place.settings.member.genesis)).read_bytes(),
        workers=0,
    )
    assert report.sound, f"{name}: {report.findings[0]}"


def wait_for_block(members: Members, names: Sequence[str], seconds: float) -> float:
    """Until each of the members has a block that none of them had before; the seconds it took."""
    began_s = time.monotonic()
    height = max(members.heights(names).values())
    members.wait_above(height, names, seconds)
    return time.monotonic() - began_s
