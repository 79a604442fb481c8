"""Terms say all a patient allows; openings, packages and leaves say no more and no less."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salus.base import codec
from salus.base.codec import Malformed, Struct
from salus.base.hashing import domain
from salus.base.sealing import PaddingRefused
from salus.base.signing import SignatureRefused, SigningKey
from salus.sealed import grants
from salus.sealed.grants import Item, Leaf, Package, Reader, SignedLink, TagSeeds, Terms
from tests.unit.sealed.grant_world import (
    CHAIN,
    CONTROL_KEYS,
    GRANT_KEY,
    LEAF,
    PERSON,
    TAGS,
    TERMS,
    TERMS_BYTES,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "terms" / "terms.json"
ITEM = Item(era=0, first_day=0, last_day=0, tag=TAGS[0])
WALLET = SigningKey(bytes([40]) * 32)


def but(value: Struct, **fields: Any) -> dict[str, Any]:
    """A struct as a plain map with other fields, so that no constructor has a say."""
    plain = msgspec.msgpack.decode(codec.encode(value))
    return {
        **plain,
        **{name: msgspec.to_builtins(new, builtin_types=(bytes,)) for name, new in fields.items()},
    }


def test_vectors() -> None:
    """The bytes of terms and their commitment are the same in every language."""
    for case in json.loads(VECTORS.read_text())["cases"]:
        data = bytes.fromhex(case["terms"])
        terms = grants.read_terms(data)

        assert case["commitment"] == grants.commitment(data).hex()
        assert case["reader"] == (terms.reader.member or terms.reader.wallet or b"").hex()
        assert case["tags"] == [item.tag.hex() for item in terms.items]


TERMS_REFUSED = {
    "no item": {"items": []},
    "33 items": {"items": [ITEM] * 33},
    "items out of order": {"items": [*reversed(TERMS.items)]},
    "a tag twice": {"items": [ITEM, ITEM]},
    "a window without a day": {"items": [{**but(ITEM), "first_day": 1}]},
    "no purpose": {"purposes": []},
    "purposes out of order": {"purposes": ["TREAT", "ETREAT"]},
    "a purpose that is no code": {"purposes": ["TREAT\n"]},
    "practitioners twice": {"practitioners": [PERSON, PERSON]},
    "roles out of order": {"roles": [2, 1]},
    "over before it begins": {"until_ms": TERMS.from_ms},
    "an end of copies, though none may be kept": {"erase_ms": TERMS.until_ms},
    "no session": {"sessions_per_day": 0},
    "another mode": {"mode": "keep"},
    "no reader": {"reader": {}},
    "two readers": {"reader": {"member": PERSON, "wallet": WALLET.public}},
    "65 rules": {"residual": TERMS.residual * 65},
    "another version": {"v": 2},
}


@pytest.mark.parametrize("fields", TERMS_REFUSED.values(), ids=TERMS_REFUSED.keys())
def test_terms_out_of_form_do_not_decode(fields: dict[str, Any]) -> None:
    """Every bound and order of the terms is checked before anyone decides by them."""
    with pytest.raises(Malformed):
        grants.read_terms(codec.encode(but(TERMS, **fields)))


def test_terms_are_bounded() -> None:
    """Terms over 16 KiB are refused unread."""
    with pytest.raises(Malformed, match="16384"):
        grants.read_terms(bytes(16_385))


def test_terms_bind_the_key_that_stops_them() -> None:
    """A relay's own grant key gives other terms, hence another commitment (corrections 2)."""
    stolen = msgspec.structs.replace(TERMS, grant_key=WALLET.public)

    assert grants.commitment(TERMS_BYTES) != grants.commitment(codec.encode(stolen))
    assert GRANT_KEY.public == grants.read_terms(TERMS_BYTES).grant_key


def test_an_opening_holds_for_one_tag_and_one_grant() -> None:
    """Signed over D("opening") ‖ network id ‖ commitment ‖ tag by the tag's control key."""
    committed = grants.commitment(TERMS_BYTES)
    opening = grants.sign_opening(CONTROL_KEYS[0], CHAIN, TERMS_BYTES, TAGS[0])
    grants.check_opening(CONTROL_KEYS[0].public, CHAIN, committed, opening)
    said = domain("opening") + CHAIN + committed + TAGS[0]

    assert CONTROL_KEYS[0].sign(said) == opening.signature
    moved = msgspec.structs.replace(opening, tag=TAGS[1])
    for key, chain, what, shown in (
        (CONTROL_KEYS[1], CHAIN, committed, opening),
        (CONTROL_KEYS[0], bytes(32), committed, opening),
        (CONTROL_KEYS[0], CHAIN, bytes(32), opening),
        (CONTROL_KEYS[0], CHAIN, committed, moved),
    ):
        with pytest.raises(SignatureRefused):
            grants.check_opening(key.public, chain, what, shown)


def package(tags: int, seeds: int) -> Package:
    """A package of so many tags with so many seeds each."""
    return Package(
        keys=[
            TagSeeds(blocks=bytes(64), generation=0, nodes=bytes(32 * seeds), tag=bytes([i]) * 16)
            for i in range(tags)
        ],
        links=[SignedLink(link=bytes(90), signature=bytes(65))] * tags,
        openings=[
            grants.sign_opening(CONTROL_KEYS[0], CHAIN, TERMS_BYTES, bytes([i]) * 16)
            for i in range(tags)
        ],
        terms=TERMS_BYTES,
    )


@pytest.mark.parametrize(
    ("tags", "seeds", "size"), [(0, 0, 1_024), (1, 14, 4_096), (16, 14, 16_384)]
)
def test_a_package_shows_one_of_four_sizes(tags: int, seeds: int, size: int) -> None:
    """The padded size tells little; what was packed comes out."""
    padded = grants.pack_package(package(tags, seeds))

    assert size == len(padded)
    assert package(tags, seeds) == grants.unpack_package(padded)


def test_a_package_too_large_or_altered_is_refused() -> None:
    """Nothing is cut silently, and bytes behind the end are not ignored."""
    with pytest.raises(PaddingRefused):
        grants.pack_package(package(64, 30))
    with pytest.raises(PaddingRefused):
        grants.unpack_package(grants.pack_package(package(1, 1))[:-1] + b"\x01")


LEAF_REFUSED = {
    "a member without a person": {"reader": {"member": PERSON}, "practitioner": None},
    "a wallet with a practitioner": {"reader": {"wallet": WALLET.public}},
    "a session over 15 minutes": {"session_ms": 900_001},
    "a session of no time": {"session_ms": 0},
    "a kind that is reserved": {"kind": 1},
}


@pytest.mark.parametrize("fields", LEAF_REFUSED.values(), ids=LEAF_REFUSED.keys())
def test_leaves_out_of_form_do_not_decode(fields: dict[str, Any]) -> None:
    """Every reading names a person, and no session outlives 15 minutes."""
    plain = {name: value for name, value in but(LEAF, **fields).items() if value is not None}

    with pytest.raises(Malformed):
        codec.decode(codec.encode(plain), Leaf)


def test_a_reader_is_a_member_or_a_wallet() -> None:
    """Exactly one of the two, also where the struct is made in Python."""
    assert Reader(wallet=WALLET.public).member is None
    with pytest.raises(ValueError, match="not both"):
        Reader()
    assert isinstance(codec.decode(TERMS_BYTES, Terms).reader, Reader)
