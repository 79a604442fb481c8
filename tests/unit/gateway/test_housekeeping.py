"""What a member does unasked: anchors, repairs, and what was left half done."""

import pytest

from salus.base.errors import Category, Problem
from salus.modules.consent import queries as consent
from salus.modules.consent.state import RELEASES
from tests.acceptance.world import EVERYTHING, World
from tests.unit.gateway.fhir import bundle, observation, patient


def test_a_round_anchors_the_release_log(world: World) -> None:
    """After it the ledger holds the log as it stands; the next round adds nothing."""
    gateway = world.north.gateway
    gateway.import_fhir([("a.json", bundle(patient("anchored"), observation("anchored")))])
    handle = next(one.handle for one in gateway.patients() if one.source == "Patient/anchored")
    given = world.give(handle, EVERYTHING)
    world.south.gateway.open_chart(given.grant, "TREAT")
    lab = world.network["lab"]
    failed = lab.gateway.housekeeping.round()
    anchor = consent.anchor(lab.node.ledger.view(), lab.id, RELEASES)
    height = lab.node.ledger.tip.height
    again = lab.gateway.housekeeping.round()

    assert ([], []) == (failed, again)
    assert anchor is not None
    assert (lab.node.witness.log_size, lab.node.witness.log_root) == (anchor.size, anchor.root)
    assert height == lab.node.ledger.tip.height


def test_a_round_repairs_what_the_member_missed(world: World) -> None:
    """A member that was away while others committed holds everything after it tended its vault."""
    world.network.stop_member("lab")
    world.north.gateway.import_fhir([("b.json", bundle(patient("missed"), observation("missed")))])
    lab = world.network.start_member("lab")
    lab.node.ledger.wait_above(world.north.node.ledger.tip.height - 1, 10)
    failed = lab.gateway.housekeeping.tend()

    assert [] == failed
    assert [] == lab.node.repair_vault().fetched


def test_one_failing_duty_does_not_keep_the_others_from_theirs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is tried, and the failures are told by name, never with their words."""
    keeping = world.north.gateway.housekeeping
    done: list[str] = []

    def fails() -> None:
        raise Problem(Category.UNAVAILABLE, "PeerDown", "down")

    def breaks() -> None:
        raise ValueError("Ada Lovelace")

    monkeypatch.setattr(keeping._batches, "settle", fails)
    monkeypatch.setattr(keeping._grants, "resume", breaks)
    monkeypatch.setattr(keeping, "anchor", lambda: done.append("anchored"))

    assert ["PeerDown", "ValueError"] == keeping.round()
    assert ["anchored"] == done
