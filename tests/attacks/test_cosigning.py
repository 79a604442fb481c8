"""Attacks on cosigning, each refused: other histories, steps back, others' names, no quorums."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.base import codec, note
from salus.base.errors import Problem
from salus.base.note import COSIGNER, Checkpoint, Line, Note, Signer
from salus.node.cosigner import CosignAsked, Cosigned, Cosigner
from salus.node.peers import Answer
from salus.node.signed_request import Request
from tests.support.ledgers import Chain, FakeClock, Nodes, add_block, term


class World:
    """Two histories of one network, and a cosigner that lives in the first."""

    def __init__(self, folder: Path) -> None:
        self.chain = Chain(members=3)
        self.ledger = self.chain.open(folder / "true")
        self.forged = self.chain.open(folder / "forged")
        for number in range(3):
            add_block(self.ledger, self.chain.sign(0, term(number), nonce=number))
            add_block(self.forged, self.chain.sign(0, term(number + 50), nonce=number))
        self.cosigner = Cosigner(folder / "seen", self.ledger, self.signer(1), FakeClock())

    def signer(self, number: int) -> Signer:
        """A member's log key under its name."""
        actor = self.chain.members[number]
        return Signer(note.origin(self.chain.network, actor.id), actor.log)

    def note(self, size: int, *, forged: bool = False, by: int = 0) -> Note:
        """A member's note of a size, of either history."""
        root = (self.forged if forged else self.ledger).log_root(size)
        return note.sign(Checkpoint(self.signer(by).name, size, root), self.signer(by))

    def ask(self, made: Note, old_size: int = 0, proof: list[bytes] | None = None) -> Cosigned:
        """Ask the cosigner."""
        if proof is None:
            size = made.checkpoint.size
            proof = self.ledger.consistency(old_size, size) if 0 < old_size < size else []
        return self.cosigner.cosign(
            CosignAsked(consistency=proof, note=made.text, old_size=old_size)
        )

    def close(self) -> None:
        self.ledger.close()
        self.forged.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Log sizes 1, 3, 5, 7 in both histories, equal only at 1."""
    world = World(tmp_path)
    yield world
    world.close()


def refused(world: World, made: Note, old_size: int = 0, proof: list[bytes] | None = None) -> str:
    """Why it is refused; the memory stays as it was."""
    before = world.cosigner.newest_size()
    with pytest.raises(Problem) as problem:
        world.ask(made, old_size, proof)
    assert before == world.cosigner.newest_size()
    return str(problem.value)


def test_another_history_is_refused_from_the_start(world: World) -> None:
    """The own copy says otherwise, though nothing was cosigned of this origin before."""
    assert "split view" in refused(world, world.note(5, forged=True))


def test_a_second_history_is_refused_after_the_first(world: World) -> None:
    """Same size, another root; and larger, without or with the other history's own proof."""
    world.ask(world.note(5))

    assert "NoteRefused" in refused(world, world.note(5, forged=True), 5)
    assert "NoteRefused" in refused(world, world.note(7, forged=True), 5, [])
    proof = world.forged.consistency(5, 7)
    assert "NoteRefused" in refused(world, world.note(7, forged=True), 5, proof)


def test_a_step_back_is_refused(world: World) -> None:
    """A smaller log, whatever the asker says it knew."""
    world.ask(world.note(5))

    assert "out of order" in refused(world, world.note(3), 5)
    for said in (0, 1, 3):
        assert "SizeKnown: 5" in refused(world, world.note(3), said)


def test_growth_needs_its_proof(world: World) -> None:
    """None, a cut, a longer, another one."""
    world.ask(world.note(3))
    good = world.ledger.consistency(3, 7)

    for proof in ([], good[:-1], [*good, bytes(32)], [bytes(32)] * len(good), [bytes(32)] * 64):
        assert "NoteRefused" in refused(world, world.note(7), 3, proof)


def test_nobody_signs_in_anothers_name(world: World) -> None:
    """A note of an origin is signed by that member's log key, and by no other key of it."""
    honest = world.note(5)
    thief = world.signer(2)
    service = Signer(honest.checkpoint.origin, world.chain.members[0].service)
    stolen = Note(honest.checkpoint, note.sign(
        Checkpoint(thief.name, 5, honest.checkpoint.root), thief
    ).lines)  # fmt: skip

    assert "no log key" in refused(world, stolen)
    assert "no log key" in refused(world, note.sign(honest.checkpoint, service))
    assert "no log key" in refused(world, Note(honest.checkpoint, (
        note.cosign(honest, world.signer(0), 1),
    )))  # fmt: skip


def test_strangers_and_other_networks_have_no_origin_here(world: World) -> None:
    """An origin is of this network and of an active member; its text names no file."""
    honest = world.note(5)
    for name in (
        note.origin(bytes(32), world.chain.members[0].id),
        note.origin(world.chain.network, bytes(16)),
        "../../escape",
    ):
        signer = Signer(name, world.chain.members[0].log)
        made = note.sign(Checkpoint(name, 5, honest.checkpoint.root), signer)
        assert "no log key" in refused(world, made)


def test_an_altered_note_is_refused(world: World) -> None:
    """Every character of it."""
    text = world.note(5).text
    for at in range(len(text)):
        altered = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        with pytest.raises(Problem, match="NoteRefused"):
            world.cosigner.cosign(CosignAsked(consistency=[], note=altered, old_size=0))


# False quorums: what dishonest doors answer to one who collects cosignatures.


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Four members with some blocks."""
    with Nodes(tmp_path_factory.mktemp("nodes")) as nodes:
        nodes.do([term(1)], nonce=0)
        yield nodes


LIES = {
    "another member's signature": "echo",
    "a signature over another note": "other",
    "nonsense": "nonsense",
    "a size that is no number": "words",
    "a size that never ends": "sizes",
    "a larger size than the log": "larger",
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_two_liars_make_no_quorum(nodes: Nodes, monkeypatch: pytest.MonkeyPatch, lie: str) -> None:
    """Honest are the origin and one more: two of four, however often one of them is shown."""
    origin, honest = nodes[0], nodes[1]
    checkpoints = origin.checkpoints
    monkeypatch.setattr(checkpoints, "_newest", None)

    def answer(request: Request) -> bytes:
        asked = codec.decode(request.body, CosignAsked)
        if lie == "words":
            return no("SizeKnown", "five")
        if lie == "sizes":
            return no("SizeKnown", str(1 if asked.old_size != 1 else 0))
        if lie == "larger":
            return no("SizeKnown", "1000000")
        if lie == "nonsense":
            return codec.encode(Answer(ok=b"\xc1"))
        made = note.parse(asked.note)
        if lie == "other":
            made = Note(Checkpoint(made.checkpoint.origin, 1, bytes(32)), made.lines)
        signer = Signer(note.origin(nodes.chain.network, honest.actor.id), honest.actor.log)
        line = note.cosign(made, signer, 1)
        return codec.encode(Answer(ok=codec.encode(Cosigned(name=line.name, blob=line.blob))))

    for peer in checkpoints._peers[2:]:
        monkeypatch.setattr(peer, "_transport", answer)
    with pytest.raises(Problem) as problem:
        checkpoints.covering(origin.ledger.tip.log_size)

    assert "QuorumMissing" == problem.value.name
    assert "2 members cosigned" in problem.value.text


def no(name: str, text: str) -> bytes:
    """A no with this name."""
    return codec.encode(Answer(category="CONFLICT", name=name, text=text))


def test_a_lying_member_does_not_stop_the_others(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three of four are enough, and the liar's line is not in the note."""
    checkpoints = nodes[0].checkpoints
    monkeypatch.setattr(checkpoints, "_newest", None)
    monkeypatch.setattr(checkpoints._peers[3], "_transport", lambda _call: no("SizeKnown", "-1"))

    made = checkpoints.covering(nodes[0].ledger.tip.log_size)

    liar = Line(note.origin(nodes.chain.network, nodes[3].actor.id), b"")
    assert 1 + 3 == len(made.lines)
    assert liar.name not in {line.name for line in made.lines}
    for member in range(3):
        actor = nodes[member].actor
        note.check(made, note.NoteKey(
            note.origin(nodes.chain.network, actor.id), COSIGNER, actor.log.public
        ))  # fmt: skip
