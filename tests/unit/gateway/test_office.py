"""What the gateway waits for: its own copy, when another member has a newer block."""

import threading
import time

from salus.gateway.office import CATCH_UP_S
from tests.acceptance.world import World
from tests.unit.gateway.fhir import bundle, patient


def test_a_view_waits_for_the_block_others_have_and_no_longer(own_world: World) -> None:
    """The next block ends the wait; a time that never comes ends it after two seconds."""
    office, ledger = own_world.north.gateway.office, own_world.north.node.ledger
    now_ms = ledger.tip.time_ms
    own_world.clock.forward(1_000)
    document = bundle(patient("ahead"))
    later = threading.Timer(0.3, own_world.north.gateway.import_fhir, [[("ahead.json", document)]])
    later.start()
    view = office.view_at(now_ms + 1)
    later.join()
    began_s = time.monotonic()
    last = office.view_at(ledger.tip.time_ms + 1)

    assert view.time_ms > now_ms
    assert time.monotonic() - began_s >= CATCH_UP_S
    assert last.time_ms == ledger.tip.time_ms
