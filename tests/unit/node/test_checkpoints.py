"""A node's own notes: the quorum of members, kept and made anew, with one stopped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.base import note
from salus.base.errors import Problem
from salus.base.note import LOG
from salus.node.member_keys import log_keys, member_keys
from tests.support.ledgers import Nodes, term


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    """Four members and one block."""
    with Nodes(tmp_path) as nodes:
        nodes.do([term(1)], nonce=0)
        yield nodes


def cosigners(made: note.Note) -> int:
    """How many members cosigned; one line is the log's own."""
    return len({line.name for line in made.lines if len(line.blob) == 76})


def test_all_members_cosign_each_others_logs(nodes: Nodes) -> None:
    """The origin's own cosignature counts; the newest note serves every smaller size."""
    for number in range(4):
        made = nodes[number].checkpoints.covering(3)
        assert (3, 4, 5) == (made.checkpoint.size, cosigners(made), len(made.lines))
        assert made is nodes[number].checkpoints.covering(1)
        assert made is nodes[number].checkpoints.newest
        assert 3 == nodes[number].checkpoints.quorum()


def test_one_stopped_member_stops_nothing(nodes: Nodes) -> None:
    """Three of four; when it is back it is asked from the size it signed last."""
    nodes[1].checkpoints.covering(3)
    nodes.stop(3)
    nodes.do([term(2)], nonce=1)
    made = nodes[1].checkpoints.covering(5)
    assert (5, 3) == (made.checkpoint.size, cosigners(made))

    nodes.start(3)
    nodes.do([term(3)], nonce=2)

    made = nodes[1].checkpoints.covering(7)
    assert (7, 4) == (made.checkpoint.size, cosigners(made))


def test_two_stopped_members_are_told(nodes: Nodes) -> None:
    """No note without its quorum; the older one still stands."""
    older = nodes[0].checkpoints.covering(3)
    nodes.stop(2)
    nodes.stop(3)
    nodes.do([term(2)], nonce=1)

    with pytest.raises(Problem) as problem:
        nodes[0].checkpoints.covering(5)

    assert "QuorumMissing" == problem.value.name
    assert "2 members cosigned log size 5, 3 are needed" in problem.value.text
    assert older is nodes[0].checkpoints.covering(3)


def test_notes_survive_restarts(nodes: Nodes) -> None:
    """The file holds the newest note; a new process goes on from it."""
    made = nodes[2].checkpoints.covering(3)
    nodes.stop(2)

    again = nodes.start(2)

    assert made == again.checkpoints.newest
    nodes.do([term(2)], nonce=1)
    assert 5 == again.checkpoints.covering(5).checkpoint.size


def test_a_note_of_any_earlier_size_is_consistent(nodes: Nodes) -> None:
    """Invariant 2: each note extends the one before."""
    sizes = []
    for nonce in range(1, 5):
        made = nodes[0].checkpoints.covering(nodes[0].ledger.tip.log_size)
        sizes.append(made.checkpoint.size)
        assert nodes[0].ledger.log_root(made.checkpoint.size) == made.checkpoint.root
        nodes.do([term(nonce + 10)], nonce=nonce)

    assert [3, 5, 7, 9] == sizes


def test_a_log_key_belongs_to_one_origin(nodes: Nodes) -> None:
    """Of active members alone, by the name of member and network."""
    view = nodes[0].ledger.view()
    actor = nodes[1].actor
    name = note.origin(nodes.chain.network, actor.id)

    assert [note.NoteKey(name, LOG, actor.log.public)] == log_keys(view, name)
    assert log_keys(view, name) == member_keys(view, actor.id, LOG)
    assert [] == log_keys(view, note.origin(bytes(32), actor.id))


def test_a_lone_member_is_its_own_quorum(tmp_path: Path) -> None:
    """One of one."""
    with Nodes(tmp_path, members=1) as nodes:
        nodes.do([term(1)], nonce=0)
        made = nodes[0].checkpoints.covering(3)
        assert (1, 1) == (nodes[0].checkpoints.quorum(), cosigners(made))
