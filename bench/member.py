"""
One validator's node in a process of its own, spoken to by lines.

    python -m bench.member GENESIS FOLDER LISTEN PEER,PEER,… on|off

Prints `open` and its CometBFT's process id, then answers each line of its input with one of its own
until the input ends. `off` takes every signature for good: an arm that shows what checking costs;
no node of Salus can be told so.

    tip                 height and app hash
    count               transactions in blocks, refused ones, bytes of the journal
    load NAME COUNT     hands in the envelopes of a file with so many waiting; answers when all have
                        an end: their number and the seconds it took. Other lines are answered
                        meanwhile
    model               makes the read model of all blocks; seconds
    ask LIMIT QUERY     asks it for lines, QUERY as JSON of `LinesAsked`; rows, digest, milliseconds
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import msgspec

from bench.consensus_homes import SEGMENT_BYTES
from bench.drive import journal_bytes
from bench.network import Network, open_ledger
from bench.quiet import prepare
from salus.node.comet.home import CometHome
from salus.node.cometbft import CometEngine
from salus.node.follower.follower import Follower
from salus.node.follower.lines import LinesAsked, find_lines
from salus.node.ledger import Ledger
from salus.node.mempool import Done
from salus.node.verify_pool import VerifyPool

WAIT_S = 120.0

Envelopes = msgspec.msgpack.Decoder(list[bytes])
"""What a file for `load` holds."""


class TrustingPool(VerifyPool):
    """Says yes to every signature."""

    def submit(self, data: bytes, answer: Callable[[bool], None]) -> None:  # noqa: ARG002 (nothing is looked at)
        """Yes at once."""
        answer(True)  # noqa: FBT003 (a callback's one argument)

    def check(self, envelopes: Sequence[bytes]) -> list[bool]:
        """Yes to all."""
        return [True] * len(envelopes)


class Member:
    """The node, and what it answers."""

    def __init__(self, folder: Path, home: CometHome, network: Network, pool: VerifyPool) -> None:
        self._folder = folder
        self._pool = pool
        self._ledger: Ledger = open_ledger(folder / "ledger", network, SEGMENT_BYTES)
        self.engine = CometEngine(self._ledger, home, quarantine=folder / "quarantine", pool=pool)
        self._follower: Follower | None = None
        self._printing = threading.Lock()

    def serve(self) -> None:
        """Until the input ends."""
        self._say("open", self.engine.process.pid)
        for line in sys.stdin:
            match line.split(maxsplit=2):
                case ["tip"]:
                    tip = self._ledger.tip
                    self._say("tip", tip.height, tip.app_hash.hex())
                case ["count"]:
                    self._say("count", *self._count())
                case ["load", name, count]:
                    threading.Thread(target=self._load, args=(Path(name), int(count))).start()
                case ["model"]:
                    self._say("model", self._make_model())
                case ["ask", limit, query]:
                    self._say("ask", *self._ask(int(limit), query))

    def close(self) -> None:
        """Stop."""
        if self._follower is not None:
            self._follower.close()
        self.engine.close()
        self._pool.close()
        self._ledger.close()

    def _count(self) -> tuple[int, int, int]:
        codes = [
            result.code
            for height in range(1, self._ledger.tip.height + 1)
            for result in self._ledger.record(height).results
        ]
        return len(codes), len(codes) - codes.count(0), journal_bytes(self._ledger)

    def _load(self, file: Path, in_flight: int) -> None:
        try:
            self._say("load", *self._hand_in(file, in_flight))
        except Exception as error:  # noqa: BLE001 (whoever waits for the answer is told)
            self._say("failed", type(error).__name__)

    def _hand_in(self, file: Path, in_flight: int) -> tuple[int, float]:
        envelopes = Envelopes.decode(file.read_bytes())
        began_s = time.monotonic()
        waiting: deque[Future[Done]] = deque()
        for envelope in envelopes:
            if len(waiting) >= in_flight:
                assert waiting.popleft().result(WAIT_S).receipt.code == 0
            waiting.append(self.engine.submit(envelope).done)
        for done in waiting:
            assert done.result(WAIT_S).receipt.code == 0
        return len(envelopes), time.monotonic() - began_s

    def _make_model(self) -> float:
        """All blocks into a new read model; s."""
        height = self._ledger.tip.height
        began_s = time.monotonic()
        self._follower = Follower(self._ledger, f"sqlite:///{self._folder / 'model.db'}")
        while self._follower.height < height:
            self._follower.wait_for(min(height, self._follower.height + 1))
        return time.monotonic() - began_s

    def _ask(self, limit: int, query: str) -> tuple[int, str, float]:
        assert self._follower is not None
        asked = msgspec.json.decode(query, type=LinesAsked)
        began_s = time.monotonic()
        found = find_lines(self._follower, replace(asked, limit=limit))
        spent_ms = (time.monotonic() - began_s) * 1e3
        return len(found.rows), found.digest.hex(), spent_ms

    def _say(self, *words: object) -> None:
        """A line at once, whichever thread says it."""
        with self._printing:
            print(*words, flush=True)


def main() -> None:
    """Run until the input ends."""
    genesis, folder, listen, peers, signatures = sys.argv[1:]
    prepare()
    network = Network.of(Path(genesis).read_bytes())
    home = CometHome(Path(folder) / "comet", listen, tuple(peers.split(",") if peers else ()))
    make_pool = {"on": VerifyPool, "off": TrustingPool}[signatures]
    member = Member(Path(folder), home, network, make_pool(network.id, workers=0))
    try:
        member.serve()
    finally:
        member.close()


if __name__ == "__main__":
    main()
