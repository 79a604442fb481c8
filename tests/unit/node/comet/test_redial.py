"""Which members' nodes are dialled again."""

from salus.modules.members.actions import Suspend
from salus.node.comet.redial import missing
from salus.node.comet.validators import node_id
from tests.support.machine import Ledger
from tests.unit.node.comet.test_upkeep import accept, change_node_key, view


def nodes_of(ledger: Ledger) -> list[str]:
    """Each member's node and where it listens."""
    return [
        f"{node_id(one.node.public)}@127.0.0.1:{port}"
        for port, one in enumerate(ledger.members, start=9_000)
    ]


def test_who_is_connected_is_left_alone() -> None:
    """One of four others is missing, and that one alone is dialled."""
    ledger = Ledger(members=5, mode="network", power=10)
    others = nodes_of(ledger)[1:]
    present = [one.partition("@")[0] for one in others[:3]]

    assert others[3:] == missing(view(ledger), others, present)
    assert [] == missing(view(ledger), others, [*present, others[3].partition("@")[0]])


def test_a_suspended_member_is_not_dialled() -> None:
    """It would be refused by the filter."""
    ledger = Ledger(members=5, mode="network", power=10)
    others = nodes_of(ledger)[1:]
    accept(ledger, Suspend(member=ledger.members[4].id))

    assert others[:3] == missing(view(ledger), others, [])


def test_a_new_node_key_is_dialled_by_its_own_name() -> None:
    """Whoever asks for the old name at the old place is shown another key."""
    ledger = Ledger(members=5, mode="network", power=10)
    others = nodes_of(ledger)[1:]
    new = change_node_key(ledger, 1)
    ledger.block()

    assert f"{node_id(new.public)}@127.0.0.1:9001" == missing(view(ledger), others, [])[0]
