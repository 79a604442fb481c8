"""What is asked for and checked before CometBFT syncs, and what a failure leaves behind."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from salus.base.errors import Problem
from salus.node.comet.home import CometHome
from salus.node.comet.joining import join_by_state_sync, want_state_sync, wants_state_sync
from salus.node.comet.light import ROUTE
from salus.node.folder_lock import FolderLock
from tests.support.light import Light
from tests.support.lost_member import Case


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """Member 3 has nothing; 0, 1 and 2 have a snapshot, and a CometBFT that answers."""
    made = Case(tmp_path)
    for number, sender in enumerate(made.senders):
        sender.handlers[ROUTE] = Light(number).answer
    with ExitStack() as stack:
        for sender in made.senders:
            stack.callback(sender.close)
        yield made


@pytest.fixture
def home(tmp_path: Path) -> CometHome:
    """Of a member whose node key was put back."""
    made = CometHome(tmp_path / "comet", "127.0.0.1:1")
    made.node_key()
    return made


def join(case: Case, home: CometHome) -> None:
    """With a program that is never reached."""
    join_by_state_sync(
        case.folder, case.chain.machine, case.chain.genesis, home, case.peers,
        comet_program=home.folder / "nothing",
    )  # fmt: skip


def test_a_lost_node_key_ends_it_first(case: Case, tmp_path: Path) -> None:
    """Another key would be nobody's; nothing is touched."""
    with pytest.raises(Problem, match="NodeKeyMissing"):
        join(case, CometHome(tmp_path / "empty", "127.0.0.1:1"))
    assert not case.folder.exists()


def test_a_running_node_is_left_alone(case: Case, home: CometHome) -> None:
    """Its ledger would be removed under it."""
    lock = FolderLock(case.folder)
    with pytest.raises(Problem, match="FolderInUse"):
        join(case, home)
    lock.release()


def test_without_agreement_nothing_is_marked_or_removed(case: Case, home: CometHome) -> None:
    """`node run` goes on as it was once `--fast` is left out."""
    for sender in case.senders:
        sender.silent = True
    with pytest.raises(Problem, match="NoSnapshot"):
        join(case, home)
    assert not wants_state_sync(case.folder)


def test_a_moved_ledger_s_genesis_comes_from_another_member(case: Case, home: CometHome) -> None:
    """CometBFT's own genesis file names the block the ledger moved with: it is not known here."""
    with pytest.raises(Problem, match=r"CometGenesisMissing.*copy it from another member"):
        join(case, home)


def test_what_was_half_made_is_removed_at_the_next_try(case: Case, home: CometHome) -> None:
    """A ledger under the mark is one that CometBFT cannot go on from; vault and keys stay."""
    with closing(case.open()):
        pass
    want_state_sync(case.folder)
    (case.folder / "vault").mkdir()
    (home.folder / "data" / "blockstore.db").mkdir()
    with pytest.raises(Problem, match="CometGenesisMissing"):
        join(case, home)

    assert wants_state_sync(case.folder)
    assert {"joining", "lock", "vault"} == {one.name for one in case.folder.iterdir()}
    assert not (home.folder / "data" / "blockstore.db").exists()
