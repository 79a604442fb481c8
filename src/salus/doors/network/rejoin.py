"""
A stopped member's copy of the ledger set aside, so that it takes another one from the others.

Its vault, witness, gateway and notes stay, and so does the newest vote of its node key: whoever
loses that may vote twice.
"""

from pathlib import Path

from salus.base.errors import Category, Problem
from salus.doors.network.stopping import is_running
from salus.node.comet.joining import MARK, want_state_sync
from salus.node.restore import MAKING, PLACES
from salus.node.settings import Place
from salus.node.whole_history import TAKING_OVER, WHOLE

LEDGER = (*PLACES, "snapshots", WHOLE, TAKING_OVER, MAKING)
"""What is made of blocks, and of them alone."""


def set_ledger_aside(place: Place, *, fast: bool = False) -> Path:
    """
    Move the ledger into a new folder beside the member's, forget CometBFT's blocks; that folder.

    `fast`: the next start takes a snapshot, not every block. Raises Problem MemberRuns, NoNetwork.
    """
    node, home = place.home / "node", place.comet
    if home is None:
        raise Problem(
            Category.CONFLICT,
            "NoNetwork",
            "this member follows an ordering member: start it by `salus node run --fast`",
        )
    if is_running(node):
        raise Problem(
            Category.CONFLICT,
            "MemberRuns",
            f"{place.settings.member.name} runs: stop it first, or all by `salus network down`",
        )
    aside = _unused(place.home)
    aside.mkdir(parents=True)
    for name in LEDGER:
        if (node / name).exists():
            (node / name).rename(aside / name)
    (node / MARK).unlink(missing_ok=True)
    home.forget_blocks()
    if fast:
        want_state_sync(node)
    return aside


def _unused(home: Path) -> Path:
    number = 1
    while (found := home.with_name(f"{home.name}.aside-{number}")).exists():
        number += 1
    return found
