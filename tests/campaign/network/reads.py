"""What a member still answers when no block can be made: everything that only reads."""

from collections.abc import Iterable

import httpx

from tests.campaign.network.members import Members

READS = ("/v1/status", "/v1/members", "/v1/blocks/1", "/v1/state/members.roster", "/log/checkpoint")

ANSWER_S = 20.0


def read_all(members: Members, names: Iterable[str]) -> None:
    """Ask each member for everything; raises AssertionError naming what was not answered."""
    with httpx.Client(timeout=ANSWER_S) as client:
        for name in names:
            for path in READS:
                answer = client.get(members.network.url(name) + path)
                assert answer.is_success, f"{name} {path}: {answer.status_code} {answer.text}"
