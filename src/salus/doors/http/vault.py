"""A member's operator routes to its vault: what it has and lacks, and whose receipts are empty."""

from typing import Any

from litestar import get, post

from salus.doors.http.answers import PRIVATE, Reply, answer
from salus.doors.http.member import Door
from salus.modules.members import queries as members


@get("/vault", sync_to_thread=True)
def vault(door: Door) -> Reply:
    """
    Tell what this member's vault has, lacks, and knows of others.

    `unproven`: members that signed a storage receipt and could not prove in a probe that they have
    the container; each since when. A later probe that succeeds takes it off the list.
    """
    return answer(_standing(door), headers=PRIVATE)


@post("/vault/probe", status_code=200, sync_to_thread=True)
def probe(door: Door) -> Reply:
    """
    Probe the other members' vaults now: 100 random batches, and those that failed before.

    Every node does it once an hour by itself. Answers as `/vault`.
    """
    door.node.probe_vaults()
    return answer(_standing(door), headers=PRIVATE)


VAULT_ROUTES = (vault, probe)


def _standing(door: Door) -> dict[str, Any]:
    standing = door.node.vault.standing()
    view = door.node.ledger.view()
    rows = {one.member: members.member(view, one.member) for one in standing.unproven}
    return {
        "committed": standing.committed,
        "held": standing.held,
        "lacking": [batch.hex() for batch in standing.lacking],
        "unproven": [
            {
                "member": one.member.hex(),
                "member_name": "" if (row := rows[one.member]) is None else row.name,
                "batch": one.batch.hex(),
                "since_ms": one.since_ms,
            }
            for one in standing.unproven
        ],
    }
