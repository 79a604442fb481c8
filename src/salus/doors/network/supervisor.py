"""
Keeps the members of a network running, and says what happens to them.

A member that ends is started again after a pause; one that was told to stop, or cannot start, stays
down with the reason. A member whose app hash differs from most others' is stopped: whatever it says
from then on is of another history.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from salus.base.errors import Category, Problem
from salus.doors.network.member import MemberRun
from salus.doors.network.standing import Difference, Observer, Standing
from salus.node.folder_lock import FolderLock
from salus.node.listening import why_not
from salus.node.settings import Place

LOOK_S = 0.5
"""Between looks at the processes."""

COMPARE_S = 5.0
"""Between comparisons of the members' app hashes."""

BEGIN_S = 60.0
"""How long all members may take to vote on blocks after the start."""

PID = "network.pid"


class Supervisor:
    """Started by its constructor; `run` returns when it is told to stop."""

    def __init__(self, folder: Path, places: Sequence[Place], program: Path) -> None:
        """`program`: CometBFT. Raises Problem FolderInUse, PortInUse before anything is started."""
        self._lock = FolderLock(folder)
        try:
            for place in places:
                _check_ports(place)
        except Problem:
            self._lock.release()
            raise
        (folder / PID).write_text(str(os.getpid()))
        self._pid_file = folder / PID
        self._observer = Observer(places)
        self._members = [
            MemberRun(place, folder / f"{place.settings.member.name}.toml", program)
            for place in places
        ]
        self._told: set[str] = set()
        for member in self._members:
            member.start()

    def run(
        self,
        stopping: threading.Event,
        began: Callable[[Sequence[Standing]], None],
        say: Callable[[str], None],
    ) -> None:
        """
        Watch until `stopping` is set or no member is left.

        `began`: called once with where everybody stands when all vote, or after a minute with those
        that answer; `say`: told in sentences what happens later.
        """
        started_s = compared_s = time.monotonic()
        has_begun = False
        while not stopping.wait(LOOK_S) and not all(one.is_over for one in self._members):
            for words in self._looks():
                say(words)
            now_s = time.monotonic()
            if not has_begun:
                standings = self._observer.standings()
                if self._all_vote(standings) or now_s - started_s > BEGIN_S:
                    has_begun = True
                    began(list(standings.values()))
            elif now_s - compared_s > COMPARE_S:
                compared_s = now_s
                self._compare(say)

    def close(self) -> None:
        """Stop all members at once, and wait."""
        for member in self._members:
            member.stop()
        for member in self._members:
            member.wait()
        self._observer.close()
        self._pid_file.unlink(missing_ok=True)
        self._lock.release()

    def _looks(self) -> Iterator[str]:
        for member in self._members:
            happened = member.look()
            if happened is not None:
                yield f"{member.name} {happened}"

    def _all_vote(self, standings: dict[str, Standing]) -> bool:
        expected = {one.name for one in self._members if not one.is_over}
        return bool(expected) and expected <= {
            name for name, one in standings.items() if one.voting == "yes"
        }

    def _compare(self, say: Callable[[str], None]) -> None:
        standings = self._observer.standings()
        for one in self._observer.differences(standings):
            if one.name not in self._told:
                self._told.add(one.name)
                say(f"{differs(one)}. It is stopped now")
                next(member for member in self._members if member.name == one.name).stop()


def differs(one: Difference) -> str:
    """What an operator is told, and does, about a member of another history."""
    return (
        f"{one.name}'s app hash differs from most others' since height {one.height}. The others go "
        f"on and nothing is lost. Stop it, run `salus audit` on its folder {one.name}/node to see "
        f"why, then `salus network rejoin {one.name}`: it takes every block from the others"
    )


def _check_ports(place: Place) -> None:
    """Raise Problem PortInUse naming the first port that somebody else listens on."""
    for host, port in _listens(place):
        why = why_not(host, port)
        if why is not None:
            raise Problem(
                Category.UNAVAILABLE,
                "PortInUse",
                f"{place.settings.member.name} cannot listen on {host}:{port} ({why}): run `salus "
                "network down` if members are left from before, or choose other ports by `salus "
                "network up --port`",
                port=port,
            )


def _listens(place: Place) -> list[tuple[str, int]]:
    """API, peer door and CometBFT of a member."""
    settings = place.settings
    listens = [
        (settings.door.host, settings.door.port),
        (settings.peer_door.host, settings.peer_door.port),
    ]
    if settings.comet is not None:
        host, _, port = settings.comet.listen.rpartition(":")
        listens.append((host, int(port)))
    return listens
