"""Keys of members: AddKey and RetireKey, each refusal in order, then what passes."""

import pytest

from salus.base.errors import Refusal
from salus.base.sealing import SealingKey, seal
from salus.base.signing import KeyRefused, SigningKey
from salus.machine.refusals import KeyInactive
from salus.machine.tables import KEY
from salus.modules.audit.messages import DefineTerm
from salus.modules.members import queries, refusals, rules
from salus.modules.members.events import KeyAdded, KeyRetired, ValidatorChanged
from salus.modules.members.handlers import add_key, retire_key
from salus.modules.members.messages import AddKey, RetireKey
from salus.modules.members.state import LOG, NODE, SEALING, SERVICE, TRANSACTION
from tests.support.machine import Actor, Ledger, told

NEW = SigningKey(b"\x05" * 32)
ELSE = SigningKey(b"\x06" * 32)
IDENTITY = b"\x01\x01" + bytes(31)
"""Ed25519's neutral point: of small order."""


def proven(ledger: Ledger, actor: Actor, use: int, key: SigningKey) -> AddKey:
    """AddKey with the new key's own signature."""
    proof = key.sign(rules.add_key_bytes(ledger.network, actor.id, use, key.public))
    return AddKey(use=use, key=key.public, proof=proof)


@pytest.fixture
def full(ledger: Ledger) -> Ledger:
    """A ledger whose first member has as many service and sealing keys as it may."""
    actor = ledger.members[0]
    second = AddKey(use=SEALING, key=SealingKey(b"\x09" * 32).public)
    for message in (proven(ledger, actor, SERVICE, ELSE), second):
        assert 0 == ledger.send(actor, message).code
    return ledger


def key_rows(ledger: Ledger) -> dict[str, tuple[AddKey, type[Refusal]]]:
    """AddKey's decision table, for a member whose service and sealing keys are full."""
    mine, theirs = ledger.members[0], ledger.members[1]
    proof = NEW.sign(rules.add_key_bytes(ledger.network, theirs.id, SERVICE, NEW.public))
    old_seal, new_seal = mine.sealing.public, SealingKey(b"\x08" * 32).public
    return {
        "use 3, though the key is used": (
            AddKey(use=3, key=mine.log.public), refusals.KeyInvalid),
        "use 0": (AddKey(use=0, key=NEW.public), refusals.KeyInvalid),
        "a point of small order": (AddKey(use=SERVICE, key=IDENTITY), refusals.KeyInvalid),
        "an unknown algorithm": (
            AddKey(use=SERVICE, key=b"\x02" + NEW.public[1:]), refusals.KeyInvalid),
        "a sealing key of low order": (
            AddKey(use=SEALING, key=b"\x01" + bytes(32)), refusals.KeyInvalid),
        "a sealing key of low order under the top bit": (
            AddKey(use=SEALING, key=b"\x01\x01" + bytes(30) + b"\x80"), refusals.KeyInvalid),
        "an own key of another use, unproven, full": (
            AddKey(use=SERVICE, key=mine.log.public), refusals.KeyExists),
        "another's key, unproven, full": (
            AddKey(use=SERVICE, key=theirs.service.public), refusals.KeyExists),
        "an own live sealing key, with a proof, full": (
            AddKey(use=SEALING, key=old_seal, proof=proof), refusals.KeyExists),
        "no proof, full": (AddKey(use=SERVICE, key=NEW.public), refusals.KeyNotProven),
        "a proof for another member, full": (
            AddKey(use=SERVICE, key=NEW.public, proof=proof), refusals.KeyNotProven),
        "a proof for another use, full": (
            AddKey(use=SERVICE, key=NEW.public, proof=proven(ledger, mine, LOG, NEW).proof),
            refusals.KeyNotProven),
        "a sealing key with a proof, full": (
            AddKey(use=SEALING, key=new_seal, proof=proof), refusals.KeyNotProven),
        "a third service key": (proven(ledger, mine, SERVICE, NEW), refusals.TooManyKeys),
        "a third sealing key": (AddKey(use=SEALING, key=new_seal), refusals.TooManyKeys),
    }  # fmt: skip


ROWS = tuple(key_rows(Ledger(members=3)))


@pytest.mark.parametrize("row", ROWS)
def test_add_key_refuses_in_order(full: Ledger, row: str) -> None:
    """Each row also breaks every later rule it can; the first refusal is the one told."""
    message, refusal = key_rows(full)[row]

    with pytest.raises(refusal):
        add_key(full.context(full.members[0]), message)


@pytest.mark.parametrize("use", [TRANSACTION, SERVICE, LOG, NODE])
def test_add_key_takes_a_proven_key(ledger: Ledger, use: int) -> None:
    """A new signature key that signs for itself is the newest of its use."""
    actor = ledger.members[0]

    receipt = ledger.send(actor, proven(ledger, actor, use, NEW))

    assert [KeyAdded(member=actor.id, use=use, generation=1)] == told(receipt.events, KeyAdded)
    assert [NEW.public, actor.keys[use]] == queries.keys(
        ledger.context(), actor.id, use, ledger.time_ms
    )
    owner = queries.key_owner(ledger.context(), NEW.key_id)
    assert owner is not None
    assert (actor.id, use, 1) == (owner.member, owner.use, owner.generation)


def test_a_copied_sealing_key_locks_nothing(ledger: Ledger) -> None:
    """A sealing key cannot prove itself, so another member's copy does not keep it from its own."""
    first, second = ledger.members[:2]
    key = SealingKey(b"\x08" * 32).public

    assert 0 == ledger.send(first, AddKey(use=SEALING, key=key)).code
    assert 0 == ledger.send(second, AddKey(use=SEALING, key=key)).code


def test_an_added_transaction_key_signs_at_once(ledger: Ledger) -> None:
    """The new key signs in the very block that adds it."""
    actor = ledger.members[0]
    term = DefineTerm(kind=1, number=1, text="X")

    outcome = ledger.block(
        ledger.sign(actor, proven(ledger, actor, TRANSACTION, NEW)),
        ledger.sign(actor, term, key=NEW),
    )

    assert [0, 0] == [receipt.code for receipt in outcome.receipts]


def test_a_member_has_at_most_32_transaction_keys(ledger: Ledger) -> None:
    """The 33rd live transaction key is refused, and room is made by retiring one."""
    actor = ledger.members[0]
    keys = [SigningKey(bytes([100 + one]) * 32) for one in range(32)]
    receipt = ledger.send(actor, *(proven(ledger, actor, TRANSACTION, key) for key in keys[:31]))
    assert 0 == receipt.code
    last = proven(ledger, actor, TRANSACTION, keys[31])

    with pytest.raises(refusals.TooManyKeys):
        add_key(ledger.context(actor), last)

    assert 0 == ledger.send(actor, RetireKey(use=TRANSACTION, key=keys[0].public), last).code


@pytest.mark.parametrize("top_bit", [0, 0x80])
def test_refused_sealing_keys_are_those_one_cannot_seal_to(top_bit: int) -> None:
    """X25519 itself gives nothing for each listed point, with the top bit it ignores or without."""
    for point in rules.X25519_LOW_ORDER:
        key = b"\x01" + point[:31] + bytes([point[31] | top_bit])
        assert not rules.is_sealing_key(key)
        with pytest.raises(KeyRefused):
            seal(key, b"secret", "package", bytes(32))


RETIRED = {
    "an unknown use": (0, "transaction", refusals.KeyNotYours),
    "a key of another use": (SERVICE, "log", refusals.KeyNotYours),
    "the last of its use": (SERVICE, "service", refusals.LastKey),
}


@pytest.mark.parametrize(("use", "name", "refusal"), RETIRED.values(), ids=RETIRED.keys())
def test_retire_key_refuses_in_order(
    ledger: Ledger, use: int, name: str, refusal: type[Refusal]
) -> None:
    """A key must be a live one of the signer and this use, and not the last."""
    actor = ledger.members[0]

    with pytest.raises(refusal):
        retire_key(ledger.context(actor), RetireKey(use=use, key=getattr(actor, name).public))


def test_retire_key_refuses_anothers_key(ledger: Ledger) -> None:
    """A member cannot retire another's key."""
    other = ledger.members[1]

    with pytest.raises(refusals.KeyNotYours):
        retire_key(ledger.context(ledger.members[0]), RetireKey(use=LOG, key=other.log.public))


def test_a_retired_key_signs_no_more(ledger: Ledger) -> None:
    """A retired transaction key is inactive from that block on, and cannot come back."""
    actor = ledger.members[0]
    ledger.send(actor, proven(ledger, actor, TRANSACTION, NEW))

    receipt = ledger.send(actor, RetireKey(use=TRANSACTION, key=NEW.public))
    late = ledger.block(ledger.sign(actor, DefineTerm(kind=1, number=1, text="X"), key=NEW))

    assert [KeyRetired(member=actor.id, use=1, generation=1)] == told(receipt.events, KeyRetired)
    assert KeyInactive.number == late.receipts[0].code
    row = ledger.row(KEY, NEW.key_id)
    assert row is not None
    assert row.retired_ms is not None
    with pytest.raises(refusals.KeyExists):
        add_key(ledger.context(actor), proven(ledger, actor, TRANSACTION, NEW))
    with pytest.raises(refusals.KeyNotYours):
        retire_key(ledger.context(actor), RetireKey(use=TRANSACTION, key=NEW.public))


def test_a_key_stays_readable_by_its_generation(ledger: Ledger) -> None:
    """What a retired key signed can still be checked: its row names from and to."""
    actor = ledger.members[0]
    ledger.send(actor, proven(ledger, actor, SERVICE, NEW))
    ledger.send(actor, RetireKey(use=SERVICE, key=actor.service.public))
    view = ledger.context()

    old = queries.key(view, actor.id, SERVICE, 0)
    newest = queries.key(view, actor.id, SERVICE)

    assert old is not None
    assert newest is not None
    assert (actor.service.public, ledger.time_ms) == (old.key, old.retired_ms)
    assert (NEW.public, None) == (newest.key, newest.retired_ms)
    assert queries.key(view, actor.id, SERVICE, 2) is None
    assert queries.key(view, b"\x00" * 16, SERVICE) is None


def test_the_newest_node_key_has_the_weight() -> None:
    """Consensus follows a member's newest node key, and falls back when that is retired."""
    ledger = Ledger(members=1, power=10)
    actor = ledger.members[0]

    added = ledger.send(actor, proven(ledger, actor, NODE, NEW))
    retired = ledger.send(actor, RetireKey(use=NODE, key=NEW.public))

    weights = told(added.events, KeyAdded, ValidatorChanged)[:2]
    assert [
        ValidatorChanged(key=actor.node.public, member=actor.id, power=0),
        ValidatorChanged(key=NEW.public, member=actor.id, power=10),
    ] == weights
    weights = told(retired.events, KeyRetired, ValidatorChanged)[:2]
    assert [
        ValidatorChanged(key=NEW.public, member=actor.id, power=0),
        ValidatorChanged(key=actor.node.public, member=actor.id, power=10),
    ] == weights
