"""What a running CometBFT is restarted for: its node key changed, or a removed member connected."""

from pathlib import Path

import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.machine.module import Action
from salus.modules.governance.messages import Propose, Vote
from salus.modules.members import rules
from salus.modules.members.actions import Remove
from salus.modules.members.messages import AddKey, RetireKey
from salus.node.comet.home import NEWEST_VOTE, CometHome
from salus.node.comet.nodes import newest_names, read_nodes, write_nodes
from salus.node.comet.upkeep import acts, has_removed, removed, turn
from salus.node.comet.validators import node_id
from tests.support.machine import Ledger

NODE = 6
HOUR_MS = 3_600_000


@pytest.fixture
def ledger() -> Ledger:
    """Five validators."""
    return Ledger(members=5, mode="network", power=10)


def accept(ledger: Ledger, action: Action) -> None:
    """Put an action to the vote, accept it, and let it happen."""
    name = bytes(16)
    closes_ms = ledger.time_ms + 2 * HOUR_MS
    propose = Propose(proposal=name, actions=[codec.encode(action)], closes_ms=closes_ms)
    assert 0 == ledger.send(ledger.members[0], propose).code
    for member in ledger.members[1:3]:
        assert 0 == ledger.send(member, Vote(proposal=name, yes=True)).code
    for _ in range(3):
        ledger.block()


def change_node_key(ledger: Ledger, member: int) -> SigningKey:
    """Give a member another node key; the block that holds it is the newest."""
    actor, new = ledger.members[member], SigningKey.random()
    proof = new.sign(rules.add_key_bytes(ledger.network, actor.id, NODE, new.public))
    assert 0 == ledger.send(actor, AddKey(use=NODE, key=new.public, proof=proof)).code
    return new


def view(ledger: Ledger) -> object:
    """The state at the newest block's time."""
    ctx = ledger.context()
    ctx.time_ms, ctx.height = ledger.time_ms, ledger.height
    return ctx


def test_a_key_acts_with_the_block_after_its_own(ledger: Ledger) -> None:
    """The old key signs those two: without it a network with f members down would halt."""
    new = change_node_key(ledger, 1)

    assert not acts(view(ledger), new.public)
    ledger.block()
    assert acts(view(ledger), new.public)


def test_a_key_that_another_followed_acts_no_more(ledger: Ledger) -> None:
    """Nor does one that was retired, or that nobody has."""
    first = change_node_key(ledger, 1)
    assert 0 == ledger.send(ledger.members[1], RetireKey(use=NODE, key=first.public)).code
    ledger.block()

    assert not acts(view(ledger), first.public)
    assert not acts(view(ledger), SigningKey.random().public)
    assert acts(view(ledger), ledger.members[2].node.public)
    assert not acts(view(ledger), ledger.members[2].service.public)


def test_removed_members_and_strangers_are_not_let_stay(ledger: Ledger) -> None:
    """A member's older keys are its own; a removed member's are nobody's any more."""
    nodes = [node_id(one.node.public) for one in ledger.members]
    newer = node_id(change_node_key(ledger, 3).public)
    assert not has_removed(view(ledger))
    accept(ledger, Remove(member=ledger.members[4].id))

    assert has_removed(view(ledger))
    assert [nodes[4], "ab" * 20] == removed(view(ledger), [*nodes, newer, "ab" * 20])


def test_members_restart_one_after_another(ledger: Ledger) -> None:
    """Each has a turn of its own, whoever works it out."""
    nodes = [node_id(one.node.public) for one in ledger.members]

    assert set(range(5)) == {turn(view(ledger), one) for one in nodes}
    assert 5 == turn(view(ledger), "ab" * 20)


def test_nodes_are_called_by_their_newest_keys(ledger: Ledger, tmp_path: Path) -> None:
    """What was noted before a key changed still leads to its member; a stranger stays as noted."""
    old = node_id(ledger.members[1].node.public)
    noted = [f"{old}@south.example:26656", f"{'ab' * 20}@nowhere:1"]
    write_nodes(tmp_path / "comet", noted)
    new = node_id(change_node_key(ledger, 1).public)

    assert tuple(noted) == read_nodes(tmp_path / "comet")
    expected = (f"{new}@south.example:26656", noted[1])
    assert expected == newest_names(view(ledger), read_nodes(tmp_path / "comet"))


@pytest.mark.parametrize("line", ["", "south.example:26656", "ab@south:1", "AB" * 20 + "@south:1"])
def test_a_line_that_is_no_node_is_refused(line: str, tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "nodes").write_text(f"{line}\n")
    with pytest.raises(Problem, match="NodesMalformed"):
        read_nodes(tmp_path)


def test_no_crash_leaves_an_old_key_without_its_newest_vote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the change stops at, the old key is gone first; the next call ends it."""
    home = CometHome(tmp_path, "127.0.0.1:1")
    old, new = home.node_key().public, home.next_key().public
    state = tmp_path / "data" / NEWEST_VOTE
    state.write_text('{"height": "9", "round": 0, "step": 3}')

    def crash(_self: CometHome, _key: SigningKey) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CometHome, "put_key", crash)
        with pytest.raises(KeyboardInterrupt):
            home.change_key()
    assert not home.has_node_key()
    home.change_key()

    assert [new, False] == [home.node_key().public, home.has_next_key()]
    assert old != new
    assert '"height": "0"' in state.read_text()
