"""Cosigning: sign only what grew, what the own copy holds, and what was stored before."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salus.base import note
from salus.base.errors import Fault, Problem
from salus.base.note import COSIGNER, Checkpoint, Signer
from salus.node import cosigner as cosigner_module
from salus.node.cosigner import CosignAsked, Cosigner, SizeKnown
from salus.node.ledger import Ledger
from salus.node.small_file import write_whole
from tests.support.ledgers import Chain, FakeClock, add_block, term


class World:
    """A ledger of some blocks, its first member's notes, and the second one as cosigner."""

    def __init__(self, folder: Path) -> None:
        self.chain = Chain(members=3)
        self.clock = FakeClock()
        self.folder = folder
        self.ledger: Ledger = self.chain.open(folder / "ledger")
        for number in range(4):
            add_block(self.ledger, self.chain.sign(0, term(number), nonce=number))
        self.cosigner = self.open()

    def open(self) -> Cosigner:
        """The cosigner of a process that starts now."""
        return Cosigner(self.folder / "cosigned", self.ledger, self.signer(1), self.clock)

    def signer(self, number: int) -> Signer:
        """A member's log key under its name."""
        actor = self.chain.members[number]
        return Signer(note.origin(self.chain.network, actor.id), actor.log)

    def asked(self, size: int, old_size: int = 0, by: int = 0, **changes: Any) -> CosignAsked:
        """An honest request for a size."""
        signer = self.signer(by)
        root = changes.pop("root", self.ledger.log_root(min(size, self.ledger.tip.log_size)))
        made = note.sign(Checkpoint(signer.name, size, root), signer)
        proof = self.ledger.consistency(old_size, size) if 0 < old_size < size else []
        return CosignAsked(**{
            "consistency": proof, "note": made.text, "old_size": old_size, **changes
        })  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Log sizes 1, 3, 5, 7, 9."""
    world = World(tmp_path)
    yield world
    world.ledger.close()


def test_the_first_note_of_an_origin_is_signed(world: World) -> None:
    """The line is the cosigner's, dated by its clock, over the note's very text."""
    asked = world.asked(5)

    cosigned = world.cosigner.cosign(asked)

    parsed = note.parse(asked.note).add(note.Line(cosigned.name, cosigned.blob))
    assert world.clock.now_ms() // 1_000 == note.check(parsed, world.signer(1).public(COSIGNER))
    assert 5 == world.cosigner.newest_size()


def test_a_log_that_grew_is_signed_from_where_it_stood(world: World) -> None:
    """From size to size, by a proof; the same size again is no step back."""
    world.cosigner.cosign(world.asked(3))
    world.cosigner.cosign(world.asked(7, old_size=3))
    world.cosigner.cosign(world.asked(7, old_size=7))
    world.cosigner.cosign(world.asked(9, old_size=7))

    assert 9 == world.cosigner.newest_size()


def test_who_asks_from_another_size_learns_the_right_one(world: World) -> None:
    """409 with the size, as C2SP's witness protocol says; then it passes."""
    world.cosigner.cosign(world.asked(5))

    with pytest.raises(SizeKnown) as known:
        world.cosigner.cosign(world.asked(9))

    assert "5" == known.value.text
    world.cosigner.cosign(world.asked(9, old_size=5))


def test_every_member_is_its_own_origin(world: World) -> None:
    """One member's notes do not move what is known of another's; the own one is cosigned too."""
    for by, size in enumerate((9, 3, 5)):
        world.cosigner.cosign(world.asked(size, by=by))

    world.cosigner.cosign(world.asked(5, old_size=3, by=1))
    assert 9 == world.cosigner.newest_size()


def test_what_was_signed_is_remembered_over_a_restart(world: World) -> None:
    """A new process knows the size, and asks for growth from there."""
    world.cosigner.cosign(world.asked(5))

    again = world.open()

    with pytest.raises(SizeKnown, match="5"):
        again.cosign(world.asked(3))
    again.cosign(world.asked(7, old_size=5))


def test_what_was_signed_is_on_disk_before_the_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it cannot be written there is no signature, and the older memory stays."""
    world.cosigner.cosign(world.asked(3))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cosigner_module, "write_whole", fail)
        with pytest.raises(OSError, match="No space"):
            world.cosigner.cosign(world.asked(5, old_size=3))

    assert 3 == world.open().newest_size()
    steps: list[str] = []

    def write(path: Path, data: bytes) -> None:
        write_whole(path, data)
        steps.append("stored")

    def sign(*_: object) -> note.Line:
        steps.append("signed")
        return note.Line("x", b"")

    monkeypatch.setattr(cosigner_module, "write_whole", write)
    monkeypatch.setattr(note, "cosign", sign)
    world.cosigner.cosign(world.asked(5, old_size=3))
    assert ["stored", "signed"] == steps


def test_an_unreadable_memory_is_a_fault(world: World) -> None:
    """Without it the member could sign two histories: nobody guesses."""
    world.cosigner.cosign(world.asked(3))
    (path,) = (world.folder / "cosigned").glob("*.seen")
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(Fault, match="two histories"):
        world.open().cosign(world.asked(5, old_size=3))
    with pytest.raises(Fault):
        world.open().newest_size()


def test_the_own_copy_may_catch_up(world: World) -> None:
    """A note of a block that this member gets a moment later is signed after it."""
    other = World(world.folder / "ahead")
    add_block(other.ledger, other.chain.sign(0, term(9), nonce=4))
    asked = other.asked(11)

    add_block(world.ledger, world.chain.sign(0, term(9), nonce=4))
    world.cosigner.cosign(asked)

    other.ledger.close()


def test_a_size_nobody_has_seen_is_refused_in_bounded_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though blocks keep coming, it does not wait for ever."""
    monkeypatch.setattr(cosigner_module, "CATCH_UP_S", 0.2)
    wait = world.ledger.wait_above

    def tick(height: int, timeout_s: float) -> Any:
        world.clock.pass_ms(100)
        add_block(world.ledger)
        return wait(height, timeout_s)

    monkeypatch.setattr(world.ledger, "wait_above", tick)
    with pytest.raises(Problem, match="not seen so large a log"):
        world.cosigner.cosign(world.asked(1_000_001))

    assert world.ledger.tip.height < 10
    assert 0 == world.cosigner.newest_size()
