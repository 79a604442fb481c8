"""A signed struct counts for one key, one network and one meaning."""

import msgspec
import pytest

from salus.base import codec
from salus.base.codec import Malformed
from salus.base.hashing import DOMAINS, ZERO32, domain
from salus.base.signing import SignatureRefused, SigningKey
from salus.sealed import acts
from salus.sealed.acts import Link, SignedStruct, StopTagAct, TagRegistration, UpdateTagAct
from salus.sealed.grants import Leaf, PutGrantAct, RevokeGrantAct
from salus.sealed.receipts import StorageReceipt

CHAIN = bytes(range(32))
TAG = bytes([7]) * 16
KEY = SigningKey(bytes([1]) * 32)
STRANGER = SigningKey(bytes([2]) * 32)
STOP = StopTagAct(era=1, sequence=1, tag=TAG)
KINDS: tuple[type[SignedStruct], ...] = (
    UpdateTagAct,
    StopTagAct,
    Link,
    PutGrantAct,
    RevokeGrantAct,
    Leaf,
    StorageReceipt,
)


def test_every_kind_has_a_domain_of_its_own() -> None:
    """Bytes signed as one kind never pass for another, and no domain is unlisted."""
    domains = [kind.domain for kind in KINDS]

    assert len(KINDS) == len(set(domains))
    assert set(domains) <= DOMAINS


def test_the_signature_covers_domain_network_and_bytes() -> None:
    """Ed25519 over D("act-stop") ‖ network id ‖ the transmitted bytes, nothing else."""
    signed = acts.sign(KEY, CHAIN, STOP)

    assert codec.encode(STOP) == signed.data
    assert KEY.sign(domain("act-stop") + CHAIN + signed.data) == signed.signature
    assert STOP == acts.check(StopTagAct, KEY.public, CHAIN, *signed)


SIGNED = acts.sign(KEY, CHAIN, STOP)
LINK = Link(emergency=False, era=0, tag=TAG, until=1)
REFUSED = {
    "a stranger's key": (StopTagAct, STRANGER.public, CHAIN, *SIGNED),
    "another network": (StopTagAct, KEY.public, ZERO32, *SIGNED),
    "other bytes": (
        StopTagAct,
        KEY.public,
        CHAIN,
        codec.encode(msgspec.structs.replace(STOP, era=2)),
        SIGNED.signature,
    ),
    "another algorithm byte": (
        StopTagAct,
        KEY.public,
        CHAIN,
        SIGNED.data,
        b"\x02" + SIGNED.signature[1:],
    ),
    "a link signed as a grant's end": (
        Link,
        KEY.public,
        CHAIN,
        codec.encode(LINK),
        KEY.sign(domain("grant-revoke") + CHAIN + codec.encode(LINK)),
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_check_refuses(case: tuple[type[SignedStruct], bytes, bytes, bytes, bytes]) -> None:
    """Another key, network, meaning, or a byte changed on the way: no signature holds."""
    with pytest.raises(SignatureRefused):
        acts.check(*case)


def test_check_refuses_bytes_that_are_not_canonical() -> None:
    """A twin of the bytes, though signed, is refused: one value has one encoding."""
    twin = msgspec.msgpack.encode({"tag": TAG, "sequence": 1, "era": 1})
    signature = KEY.sign(acts.signed_bytes("act-stop", CHAIN, twin))

    with pytest.raises(Malformed):
        acts.check(StopTagAct, KEY.public, CHAIN, twin, signature)


def test_a_new_key_proves_itself_on_the_act() -> None:
    """The proof stands under a domain of its own: the act's signature is none."""
    signed = acts.sign(KEY, CHAIN, STOP)
    acts.check_new_key(KEY.public, CHAIN, signed.data, acts.prove_new_key(KEY, CHAIN, signed.data))

    with pytest.raises(SignatureRefused):
        acts.check_new_key(KEY.public, CHAIN, *signed)


def test_a_tag_is_registered_by_its_own_key() -> None:
    """Nobody registers a tag for a key he does not hold, nor one proof for two tags."""
    good = acts.register_tag(KEY, CHAIN, TAG)
    acts.check_registration(CHAIN, good)

    for forged in (
        msgspec.structs.replace(good, control_key=STRANGER.public),
        msgspec.structs.replace(good, tag=bytes(16)),
    ):
        with pytest.raises(SignatureRefused):
            acts.check_registration(CHAIN, forged)
    assert TagRegistration(control_key=KEY.public, signature=good.signature, tag=TAG) == good


def test_a_link_without_writer_is_for_any_member() -> None:
    """An absent writer is left out of the bytes and read as "any member"."""
    data = codec.encode(LINK)

    assert b"writer" not in data
    assert codec.decode(data, Link).writer is None
