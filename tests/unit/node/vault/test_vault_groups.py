"""Who gets which groups: a reader its grant's, an owner its tag's, an author its own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.node.vault import groups as serving
from salus.node.vault.messages import GroupsAsk, GroupsAsked, GroupsFound, ReaderAsks
from salus.sealed import acts
from salus.sealed import container as containers
from salus.sealed.grants import Item, Reader
from tests.support.network import DAY, Network
from tests.support.parts import Granted

if TYPE_CHECKING:
    from tests.unit.node.vault.conftest import Held

ASKED = 2


def ask(
    network: Network, sender: int, signer: SigningKey | None = None, **claim: Any
) -> GroupsFound:
    """Ask member 2 as a member, signed by a key if one is given."""
    fields = {
        "created_ms": network.clock.now_ms(),
        "to": network.members[ASKED].id,
    }
    body = GroupsAsk(**{**fields, **claim})
    signature = None
    if signer is not None:
        signature = acts.sign(signer, network.ledger.network, body).signature
    asked = GroupsAsked(ask=codec.encode(body), signature=signature)
    return network.node(ASKED).vault.groups(network.members[sender].id, asked)


def reader(network: Network, granted: Granted, member: int = 1, **changes: Any) -> ReaderAsks:
    """A reader's claim."""
    fields = {
        "purpose": "TREAT",
        "shown": granted.shown,
        "practitioner": network.person(member).id,
    }
    return ReaderAsks(**{**fields, **changes})


def present(found: GroupsFound) -> list[tuple[bytes, int]]:
    """(tag, day) of all groups that are not blanked."""
    return sorted(
        (group.tag, group.index)
        for one in found.batches
        for group in containers.parse(one.container).groups
        if group is not None
    )


def places(held: "Held", days: Sequence[int], *compartments: int) -> list[tuple[bytes, int]]:
    """The groups of these compartments and days."""
    return sorted((held.patient.tag(number), day) for number in compartments for day in days)


def test_reader_gets_granted_tags_and_days(held: "Held") -> None:
    """Only the tag and the day of the grant are there; the root is still the ledger's."""
    network = held.network
    item = Item(era=0, first_day=DAY, last_day=DAY, tag=held.patient.tag(3))
    granted = network.grant(held.patient, 1, items=[item])
    found = ask(network, 1, reader=reader(network, granted))

    assert places(held, [DAY], 3) == present(found)
    assert [held.sealed.root] == [containers.parse(one.container).root for one in found.batches]


def test_owner_gets_all_days_by_control_key(held: "Held") -> None:
    """A tag's owner sees its groups without any grant, through any member."""
    found = ask(held.network, 3, held.patient.control(4), owner=held.patient.tag(4))

    assert places(held, [DAY, DAY - 1], 4) == present(found)


def test_author_gets_what_it_wrote(held: "Held") -> None:
    """The author sees the groups of its own batches, another member none of them."""
    tags = [held.patient.tag(3), held.patient.tag(4)]

    assert places(held, [DAY, DAY - 1], 3, 4) == present(ask(held.network, 0, author=tags))
    assert [] == ask(held.network, 1, author=tags).batches


def test_wallet_reads_by_its_own_key(held: "Held") -> None:
    """A wallet's claim counts only under its signature."""
    network = held.network
    wallet = SigningKey.random()
    granted = network.grant(held.patient, 1, reader=Reader(wallet=wallet.public))
    claim = reader(network, granted, practitioner=None)

    assert 4 == len(present(ask(network, 3, wallet, reader=claim)))
    with pytest.raises(Problem, match="AskUnsigned"):
        ask(network, 3, reader=claim)


@pytest.mark.parametrize("attack", ["stranger", "sender", "purpose", "person", "late", "to"])
def test_others_get_nothing(held: "Held", attack: str) -> None:
    """A stranger's signature, another member, purpose or person, an old or misdirected question."""
    network = held.network
    granted = network.grant(held.patient, 1)
    claim = reader(network, granted)
    tries: dict[str, tuple[int, SigningKey | None, dict[str, Any]]] = {
        "stranger": (3, SigningKey.random(), {"owner": held.patient.tag(3)}),
        "sender": (3, None, {"reader": claim}),
        "purpose": (1, None, {"reader": reader(network, granted, purpose="HRESCH")}),
        "person": (1, None, {"reader": reader(network, granted, member=3)}),
        "late": (1, None, {"reader": claim, "created_ms": network.clock.now_ms() - 60_001}),
        "to": (1, None, {"reader": claim, "to": network.members[3].id}),
    }
    names = {
        "stranger": "AskUnsigned",
        "sender": "ReaderNotNamed",
        "purpose": "PurposeNotNamed",
        "person": "ReaderNotValid",
        "late": "AskTooOld",
        "to": "AskMisdirected",
    }
    sender, signer, fields = tries[attack]
    with pytest.raises(Problem) as caught:
        ask(network, sender, signer, **fields)

    assert names[attack] == caught.value.name


def test_waiting_batch_is_not_served(held: "Held") -> None:
    """A container without its commitment is in nobody's sight."""
    network = held.network
    sealed = network.seal(held.patient, [DAY])
    network.node(ASKED).vault.put(network.members[0].id, sealed.container)
    found = ask(network, 0, held.patient.control(3), owner=held.patient.tag(3))

    assert [held.sealed.batch] == [one.batch for one in found.batches]


def test_pages_give_every_batch_once(held: "Held", monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one batch an answer, the cursor leads through all of them in order."""
    network = held.network
    sealed = [network.seal(held.patient, [DAY]) for _ in range(3)]
    for one in sealed:
        network.store(one)
    monkeypatch.setattr(serving, "VAULT_ANSWER_BYTES_MAX", 1)
    seen = []
    after = None
    for _ in range(4):
        found = ask(network, 0, held.patient.control(3), owner=held.patient.tag(3), after=after)
        seen += [one.batch for one in found.batches]
        after = found.next

    assert [held.sealed.batch, *(one.batch for one in sealed)] == seen
    assert after is None


def test_damaged_container_is_left_out(held: "Held") -> None:
    """A container that no longer has its root is not served, and is noted for repair."""
    network = held.network
    objects = network.node(ASKED).vault._holdings.objects
    data = bytearray(held.sealed.container)
    data[200] ^= 1
    objects.put(held.sealed.batch.hex(), bytes(data))
    found = ask(network, 0, held.patient.control(3), owner=held.patient.tag(3))

    assert [] == found.batches
    row = network.node(ASKED).vault._index.row(held.sealed.batch)
    assert row is not None
    assert not row.held
