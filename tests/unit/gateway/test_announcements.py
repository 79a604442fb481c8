"""Intents without a gap, however many sessions begin at once, and what ended sessions showed."""

import os
import threading

from salus.base import codec, merkle
from salus.base.hashing import ZERO32
from salus.gateway.announcements import CLOSED, WAITING, Announcements, Closed, Closing, Posted
from salus.modules.consent import queries as consent
from tests.acceptance.world import World


def _announcements(world: World) -> Announcements:
    gateway = world.south.gateway
    return Announcements(gateway.office, gateway.desk)


def _root(world: World, leaf: bytes, posted: Posted) -> tuple[bytes, bytes]:
    """(root on the ledger, root that the leaf leads to)."""
    view = world.south.node.ledger.view()
    row = consent.intents(view, world.south.id, posted.sequence)
    assert row is not None
    led = merkle.root_from_path(merkle.leaf_hash(leaf), posted.place, row.leaves, posted.path)
    return row.root, led


def _run(announcements: list[Announcements], leaves: list[bytes]) -> dict[bytes, Posted]:
    posted: dict[bytes, Posted] = {}

    def post(at: int, leaf: bytes) -> None:
        posted[leaf] = announcements[at % len(announcements)].post(leaf)

    threads = [threading.Thread(target=post, args=place) for place in enumerate(leaves)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return posted


def test_many_sessions_at_once_are_all_announced(world: World) -> None:
    """Each leaf stands under the root of its number; fewer numbers than leaves were needed."""
    leaves = [os.urandom(100) for _ in range(24)]
    first = consent.intent_count(world.south.node.ledger.view(), world.south.id)
    posted = _run([_announcements(world)], leaves)
    last = consent.intent_count(world.south.node.ledger.view(), world.south.id)

    assert set(leaves) == posted.keys()
    assert all(len(set(_root(world, leaf, posted[leaf]))) == 1 for leaf in leaves)
    assert last - first < len(leaves)


def test_two_processes_of_a_member_do_not_lose_an_intent(world: World) -> None:
    """Both take the same next number: the later one is told, and takes the one after."""
    leaves = [os.urandom(100) for _ in range(8)]
    posted = _run([_announcements(world), _announcements(world)], leaves)

    assert all(len(set(_root(world, leaf, posted[leaf]))) == 1 for leaf in leaves)


def test_closings_go_with_the_next_intents_and_can_be_proved(world: World) -> None:
    """Each ended session's list stands under the root that was posted (§5.4 step 7)."""
    announcements = _announcements(world)
    desk = world.south.gateway.desk
    closings = [
        Closing(ended_ms=1, intent=bytes([n]) * 16, salt=os.urandom(16), shown=[]) for n in range(3)
    ]
    for closing in closings:
        announcements.close(closing)
    posted = announcements.post(b"leaf")
    row = consent.intents(world.south.node.ledger.view(), world.south.id, posted.sequence)
    assert row is not None
    for closing in closings:
        closed = codec.decode(desk.get(CLOSED, closing.intent) or b"", Closed)

        assert codec.encode(closing) == closed.closing
        assert row.closings == merkle.root_from_path(
            merkle.leaf_hash(closed.closing), closed.place, closed.leaves, closed.path
        )
    assert [] == list(desk.all(WAITING))


def test_closings_without_an_opening_are_posted_by_housekeeping(world: World) -> None:
    """One random leaf carries them; with none waiting nothing is posted."""
    announcements = _announcements(world)
    announcements.close(Closing(ended_ms=1, intent=bytes(16), salt=bytes(16), shown=[]))
    announcements.post_closings()
    view = world.south.node.ledger.view()
    count = consent.intent_count(view, world.south.id)
    row = consent.intents(view, world.south.id, count)
    announcements.post_closings()

    assert row is not None
    assert (1, False) == (row.leaves, row.closings == ZERO32)
    assert count == consent.intent_count(world.south.node.ledger.view(), world.south.id)
