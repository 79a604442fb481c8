"""One key after another: what the ledger hears, and which file is read from then on."""

from pathlib import Path

import pytest

from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.modules.members import rules
from salus.modules.members.messages import AddKey, SetAddress
from salus.node import tls
from salus.node.keys import MemberKeys, load_keys, make_demo_keys
from salus.node.rotation import Known, Rotatable, Rotation
from salus.node.settings import Place, read_settings
from tests.support.machine import GENESIS_MS

NETWORK = bytes(range(32))

CONFIG = """
[member]
name = "north"
folder = "north"
keys = "keys"
genesis = "genesis.json"
demo_keys = true
[peer_door]
url = "https://north.example"
[comet]
folder = "comet"
listen = "127.0.0.1:26656"
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A member with its keys and node key."""
    make_demo_keys(tmp_path / "keys")
    (tmp_path / "north.toml").write_text(CONFIG)
    made = read_settings(tmp_path / "north.toml")
    assert made.comet is not None
    made.comet.node_key()
    return made


def keys(place: Place) -> MemberKeys:
    """As the node's next start reads them."""
    return load_keys(place.path("keys"), demo=True)


def known(*live: bytes, certificates: tuple[bytes, ...] = ()) -> Known:
    """What the ledger says."""
    return Known(NETWORK, live, certificates)


def test_a_service_key_comes_with_its_certificate(place: Place) -> None:
    """Both are on the ledger beside the old ones before the node's next start shows them."""
    before = keys(place)
    old = tls.OwnCertificates(place.path("keys"), before.service, before.member, GENESIS_MS)
    shown = old.serving([])
    rotation = Rotation(place, Rotatable.SERVICE, None)
    told = known(before.service.public, certificates=(shown,))
    add, address = rotation.messages(told, GENESIS_MS + 5_000)
    rotation.take()
    after = keys(place)

    assert isinstance(add, AddKey)
    assert isinstance(address, SetAddress)
    signed = rules.add_key_bytes(NETWORK, before.member, 4, add.key)
    assert rules.is_proven(4, add.key, add.proof, signed)
    assert [shown, add.key] == [
        address.certificates[0],
        tls.certificate_key(address.certificates[1]),
    ]
    assert [add.key, before.member] == [after.service.public, after.member]
    following = tls.OwnCertificates(place.path("keys"), after.service, after.member, GENESIS_MS)
    assert address.certificates[1] == following.serving(address.certificates)


def test_a_rotation_that_broke_off_goes_on(place: Place) -> None:
    """The same new key again; what the ledger heard already is not said twice."""
    before = keys(place).service.public
    first = Rotation(place, Rotatable.SERVICE, None)
    add, address = first.messages(known(before), GENESIS_MS)
    again = Rotation(place, Rotatable.SERVICE, None)
    assert isinstance(add, AddKey)
    assert isinstance(address, SetAddress)
    heard = known(add.key, before, certificates=tuple(address.certificates))

    assert [] == list(again.messages(heard, GENESIS_MS))
    assert before == keys(place).service.public


def test_a_member_outlives_its_first_transaction_key(place: Place) -> None:
    """Its id was made of that key and stays, also through a second change."""
    member, seen = keys(place).member, {keys(place).transaction.public}
    for _ in range(2):
        rotation = Rotation(place, Rotatable.TRANSACTION, None)
        (add,) = rotation.messages(known(rotation.keys.transaction.public), GENESIS_MS)
        assert isinstance(add, AddKey)
        assert 1 == add.use
        rotation.take()
        seen.add(keys(place).transaction.public)

    assert 3 == len(seen)
    assert member == keys(place).member


def test_a_first_node_key_is_the_one_that_is_there(place: Place) -> None:
    """It is put on the ledger as it is; the next one waits beside it until the ledger says."""
    home = place.comet
    assert home is not None
    first = home.node_key().public
    rotation = Rotation(place, Rotatable.NODE, None)
    (add,) = rotation.messages(known(), GENESIS_MS)
    (following,) = rotation.messages(known(first), GENESIS_MS)
    rotation.take()

    assert isinstance(add, AddKey)
    assert isinstance(following, AddKey)
    assert [first, home.next_key().public] == [add.key, following.key]
    assert first == home.node_key().public


def test_all_but_the_present_key_are_retired(place: Place) -> None:
    """Never the present one, and nothing before the ledger knows it."""
    present, old = keys(place).service.public, SigningKey.random().public
    rotation = Rotation(place, Rotatable.SERVICE, None)

    assert [old] == [one.key for one in rotation.retirements(known(present, old))]
    assert [] == rotation.retirements(known(present))
    with pytest.raises(Problem, match="KeyNotOnLedger"):
        rotation.retirements(known(old))
