"""Readiness: what a load balancer and an operator are told when a part of a node stopped."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar

from salus.base.errors import Problem
from salus.doors.http.health import health_routes
from salus.doors.http.member import MemberDoor
from salus.node.embedded import EmbeddedEngine
from tests.support.engines import wait_for
from tests.support.ledgers import VIEW, Chain


async def ask(engine: EmbeddedEngine, path: str) -> httpx.Response:
    """A question to the health routes of a node that has this engine."""
    node = SimpleNamespace(replica=None, engine=engine, ledger=engine.ledger)
    door = cast("MemberDoor", SimpleNamespace(name="north", node=node))
    app: Any = Litestar(health_routes([door]), openapi_config=None)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as client:
        return await client.get(path)


def fail(*_: object, **__: object) -> None:
    """What a lost disk looks like to the writer."""
    raise OSError


def test_a_node_whose_engine_stopped_is_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 with height and remedy; it still lives, since it can say so."""
    chain = Chain(members=2)
    with chain.engine(tmp_path) as engine:
        before = asyncio.run(ask(engine, "/health/ready"))
        monkeypatch.setattr(engine.ledger, "execute", fail)
        with pytest.raises(Problem, match="UnknownOutcome"):
            engine.submit_and_wait(chain.sign(0, VIEW, nonce=0))
        assert wait_for(lambda: engine.unready() is not None)
        after = asyncio.run(ask(engine, "/health/ready"))
        live = asyncio.run(ask(engine, "/health/live"))

    assert [200, 503, 200] == [one.status_code for one in (before, after, live)]
    assert {
        "height": 0,
        "unready": "its engine stopped at block 0 (OSError): look at its log and disk, then start "
        "it again",
    } == after.json()["members"]["north"]
