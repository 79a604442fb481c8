"""
One member of four lies in every way its program can (T9), on real processes under load.

An episode: the laboratory's node lies about proposals, votes, waiting transactions and handshakes
(`liar_app.py`), then computes another app hash. It must be named with that height by `salus network
status`; then its ledger is set aside and it takes every block from the others. All
the while the other three agree block by block, hold what was acknowledged, and no transaction that
breaks the form is in any block.
"""

import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from salus.doors.network.rejoin import set_ledger_aside
from salus.machine.refusals import SignatureInvalid
from salus.node.keys import load_keys
from tests.campaign.liar_app import orders
from tests.campaign.lies import REJECTED
from tests.campaign.network.check import Checker
from tests.campaign.network.load import Load
from tests.campaign.network.members import Members, Part
from tests.support.live_network import Network

LIAR = "lab"
HONEST = ("north", "south", "insurer")

EPISODE = 125
"""Blocks between two wrong app hashes of a long run."""

NAMED_S_MAX = 90.0
"""From the first wrong app hash until the liar is named, on a loaded machine."""

ANSWER_S = 30.0

BLOCK_S_MAX = 3.0
"""On average; a proposal that is voted down costs a round."""

SOON = 3
"""Blocks ahead at which a wrong app hash begins: none of them is under way yet."""

DIFFERS = 65
"""What `salus network status` exits with when two histories exist."""

LAST_FORM = SignatureInvalid.number
"""Machine refusals up to this one break the form: no honest member lets them into a block."""


@dataclass
class Lies:
    """What was told, and what became of it."""

    blocks: int = 0
    acknowledged: int = 0
    told: Counter[str] = field(default_factory=Counter)
    """Lie -> times; proposals by kind."""

    rejected: int = 0
    """Heights at which an honest member voted a proposal down."""

    named: list[int] = field(default_factory=list)
    """Heights of the wrong app hashes by which `salus network status` named the liar."""

    codes: Counter[int] = field(default_factory=Counter)
    """Codes of all transactions in all blocks."""

    failures: list[str] = field(default_factory=list)


def prelude(seed: int) -> str:
    """What makes a member's program lie, before its main."""
    return f"from tests.campaign import liar_app\nliar_app.lie({seed})\n"


def run_liar(seed: int, blocks: int, episode: int = EPISODE, keep: Path | None = None) -> Lies:
    """Let one lie until so many blocks were made; a failure's folder is kept in `keep`."""
    lies = Lies()
    with tempfile.TemporaryDirectory() as name:
        members = Members(Network(Path(name)))
        members.preludes[LIAR] = prelude(seed)
        with members:
            trial = Trial(members, seed)
            try:
                trial.run(blocks, episode, lies)
                check_codes(members.network, lies.blocks, lies)
                gather(members.folder, trial.load, lies)
                check_rejections(members.folder, lies)
            except AssertionError as error:
                lies.failures.append(f"seed {seed}: {error}")
                if keep is not None:
                    shutil.copytree(
                        members.folder, keep / f"liar-{seed}", ignore=_sockets, dirs_exist_ok=True
                    )
            finally:
                trial.close()
    return lies


class Trial:
    """Four members that run, the load on them, and who looks at them."""

    def __init__(self, members: Members, seed: int) -> None:
        """`members`: started."""
        self.members = members
        self.load = Load(members, seed)
        self._seed = seed
        self._checker = Checker(members, self.load, seed)

    def close(self) -> None:
        """Close all lines."""
        self._checker.close()

    def run(self, blocks: int, episode: int, lies: Lies) -> None:
        """Episode after episode; raises AssertionError with what does not hold."""
        with self.load.running():
            while True:
                self.lie_for(episode)
                lies.named.append(self.name_liar(self.spoil()))
                if self.look() >= blocks:
                    break
                self.begin_anew(prelude(self._seed + len(lies.named)))
        lies.blocks = self.look()

    def lie_for(self, blocks: int) -> None:
        """Let it lie; half way its CometBFT is killed, and handshakes with lies follow."""
        now = self._height()
        self._wait(now + blocks // 2, blocks)
        self.members.kill(LIAR, Part.COMET)
        self._wait(now + blocks, blocks)

    def spoil(self) -> int:
        """Let it compute another app hash; the first height of it."""
        height = self._height() + SOON
        orders(self.members.config(LIAR)).write_text(str(height))
        return height

    def name_liar(self, height: int) -> int:
        """Wait until `salus network status` names the liar, and nobody else, with this height."""
        began_s = time.monotonic()
        while True:
            code, told = self.members.network.status()
            if code == DIFFERS:
                break
            took_s = time.monotonic() - began_s
            assert took_s < NAMED_S_MAX, f"nobody is named {took_s:.0f} s after height {height}"
        expected = [{"name": LIAR, "height": height}]
        found = told["differences"]
        assert found == expected, f"expected {expected}, found {found}"
        return height

    def look(self) -> int:
        """Compare the honest members, block by block; the height they share."""
        return self._checker.look(HONEST)

    def begin_anew(self, code: str) -> None:
        """Take the liar's copy of the ledger away, and let it come back with other lies."""
        self.members.kill(LIAR, Part.BOTH)
        set_ledger_aside(self.members.places[LIAR])
        orders(self.members.config(LIAR)).unlink(missing_ok=True)
        self.members.preludes[LIAR] = code
        self.members.start(LIAR)
        self.members.wait_above(self._height() - 1, [LIAR], NAMED_S_MAX)

    def _height(self) -> int:
        return max(self.members.heights(HONEST).values())

    def _wait(self, height: int, blocks: int) -> None:
        """Until all honest members have a height; with a liar a block may take seconds."""
        self.members.wait_above(height - 1, HONEST, NAMED_S_MAX + BLOCK_S_MAX * blocks)


def gather(folder: Path, load: Load, lies: Lies) -> None:
    """Count lies, rejections and codes."""
    lies.acknowledged = load.count()
    for line in told(folder / f"{LIAR}.log", "liar."):
        kind = line.get("kind") or line["event"].removeprefix("liar.")
        lies.told[kind] += 1


def check_rejections(folder: Path, lies: Lies) -> None:
    """Whoever voted a proposal down named the liar, at a height at which it had proposed a lie."""
    proposed = {
        line["height"]
        for line in told(folder / f"{LIAR}.log", "liar.proposed")
        if line["kind"] in REJECTED
    }
    found = [line for name in HONEST for line in told(folder / f"{name}.log", "proposal.rejected")]
    liar = load_keys(folder / "keys" / LIAR, demo=True).member.hex()
    others = {line["member"] for line in found} - {liar}
    heights = {line["height"] for line in found}
    lies.rejected = len(heights)
    assert not others, f"expected no rejected proposal but of {liar}, found {others}"
    assert heights <= proposed, f"rejected without a lie: heights {sorted(heights - proposed)}"


def check_codes(network: Network, height: int, lies: Lies) -> None:
    """No block holds what breaks the form."""
    with httpx.Client(base_url=network.url(HONEST[0]), timeout=ANSWER_S) as client:
        for number in range(1, height + 1):
            block = client.get(f"/v1/blocks/{number}").raise_for_status().json()
            lies.codes.update(one["code"] for one in block["transactions"])
    bad = {code for code in lies.codes if 0 < code <= LAST_FORM}
    assert not bad, f"expected no transaction of bad form in any block, found codes {bad}"


def told(log: Path, event: str) -> Iterator[dict[str, Any]]:
    """A log's lines whose event begins so."""
    for text in log.read_text().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and str(line.get("event", "")).startswith(event):
            yield line


def _sockets(folder: str, names: Sequence[str]) -> list[str]:
    """What no copy can be made of."""
    return [name for name in names if (Path(folder) / name).is_socket()]
