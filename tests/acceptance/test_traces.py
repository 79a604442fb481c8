"""One trace through two members' processes, taken by a collector that speaks OTLP."""

import time
from pathlib import Path

import httpx
import pytest

from tests.support.live import one_at_a_time
from tests.support.member_processes import member_processes
from tests.support.traces import Collector

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
"""The example of W3C Trace Context §3.2; sampled."""

NAME = "Dr Ada Lovelace"


@pytest.mark.slow
@one_at_a_time
def test_an_act_at_one_member_is_followed_to_the_others_block(tmp_path: Path) -> None:
    """Request, call, the ordering member's checks, block and journal: one trace, and no name."""
    collector = Collector()
    with member_processes(tmp_path) as network:
        for name in ("north", "south"):
            with network.config(name).open("a") as file:
                file.write(f'\n[telemetry]\ntraces = "{collector.url}"\nsample = 0\n')
        network.start("north", "--new")
        network.wait_ready("north")
        network.start("south")
        network.wait_ready("south")
        headers = {
            "authorization": f"Bearer {network.plan.token('south')}",
            "traceparent": PARENT,
        }
        url = f"http://127.0.0.1:{network.ports['south'][0]}/south/gateway/v1/practitioners"
        answer = httpx.post(url, headers=headers, json={"name": NAME}, timeout=30)
        assert 201 == answer.status_code, answer.text
        end_s = time.monotonic() + 30
        while "block.apply" not in {span.name for _, span in collector.spans()}:
            assert time.monotonic() < end_s
            time.sleep(0.1)
        assert [0, 0] == [network.stop(name) for name in ("south", "north")]
    collector.close()
    spans = {(name, span.name) for name, span in collector.spans()}

    assert {
        ("south", "POST /south/gateway/v1/practitioners"),
        ("south", "peer.call"),
        ("north", "POST /peer/v1"),
        ("north", "peer.answer"),
        ("north", "transaction.verify"),
        ("north", "transaction.admit"),
        ("north", "transaction.commit"),
        ("north", "block"),
        ("north", "block.execute"),
        ("north", "block.journal"),
        ("north", "block.apply"),
    } <= spans
    assert {bytes.fromhex(PARENT[3:35])} == {span.trace_id for _, span in collector.spans()}
    assert not any(b"Lovelace" in one.SerializeToString() for one in collector.taken)
