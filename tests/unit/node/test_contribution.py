"""What members hand one another before a network knows them, and the genesis file made of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from salus.base.errors import Problem
from salus.base.signing import SigningKey
from salus.machine.genesis import network_id, read_genesis
from salus.node import contribution, founding
from salus.node.contribution import Contribution, Secrets, fingerprint
from salus.node.issuers import make_issuers, read_issuers
from salus.node.keys import make_demo_keys
from tests.support.machine import GENESIS_MS

TITLES = ("Harbour Laboratory", "North Hospital", "South Hospital", "Coast Insurance")


def secrets(folder: Path) -> Secrets:
    """A member's keys, made anew."""
    return Secrets(make_demo_keys(folder), SigningKey.random(), make_issuers(folder, None))


def contribute(folder: Path, title: str = TITLES[0], made_ms: int = GENESIS_MS) -> bytes:
    """A sound contribution."""
    return contribution.make(
        secrets(folder),
        title=title,
        address="https://lab.example:9443",
        listen="lab.example:26656",
        now_ms=made_ms,
    )


@pytest.fixture
def four(tmp_path: Path) -> list[Contribution]:
    """Four members', each made a second after the other."""
    return [
        contribution.read(contribute(tmp_path / str(at), title, GENESIS_MS + 1_000 * at))
        for at, title in enumerate(TITLES)
    ]


def altered(data: bytes, change: Callable[[Any], None]) -> bytes:
    """The file with a change in it, still in canonical form."""
    value = json.loads(data)
    change(value)
    return (json.dumps(value, sort_keys=True, indent=2) + "\n").encode()


MALFORMED: dict[str, Callable[[Any], None]] = {
    "another format": lambda one: one.update(format="salus-member/2"),
    "a field more": lambda one: one.update(more=1),
    "with power": lambda one: one["member"].update(power=10),
    "a use missing": lambda one: one["member"]["keys"].pop(),
    "a use twice": lambda one: one["member"]["keys"].append(one["member"]["keys"][-1]),
    "no sound key": lambda one: one["member"]["keys"][0].update(key="01" + "ff" * 32),
    "a short key": lambda one: one["member"]["keys"][0].update(key="01"),
    "one issuer": lambda one: one["member"]["issuers"].pop(),
    "one issuer twice": lambda one: one["member"]["issuers"].__setitem__(
        1, one["member"]["issuers"][0]
    ),
    "no address": lambda one: one["member"].update(address=None),
    "a plain address": lambda one: one["member"].update(address="http://lab.example"),
    "another node's name": lambda one: one.update(node="ab" * 20 + "@lab.example:26656"),
    "no node": lambda one: one.update(node="lab.example"),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_no_vote_would_take_is_malformed(
    change: Callable[[Any], None], tmp_path: Path
) -> None:
    """Each row is sound but for one thing; none of them is signed any more either."""
    with pytest.raises(Problem) as problem:
        contribution.read(altered(contribute(tmp_path), change))

    assert "ContributionMalformed" == problem.value.name


UNPROVEN: dict[str, Callable[[Any], None]] = {
    "another title": lambda one: one["member"].update(name="Somebody Else"),
    "another address": lambda one: one["member"].update(address="https://elsewhere.example"),
    "another place of the node": lambda one: one.update(node=one["node"].replace("lab.", "bad.")),
    "another time": lambda one: one.update(made_ms=GENESIS_MS + 1),
    "a proof missing": lambda one: one["proofs"].pop(),
    "a proof more": lambda one: one["proofs"].append(one["proofs"][0]),
    "a proof of another key": lambda one: one["proofs"].reverse(),
    "an issuer's credential": lambda one: one["member"]["issuers"][0].update(credential="00" * 32),
}


@pytest.mark.parametrize("change", UNPROVEN.values(), ids=UNPROVEN.keys())
def test_what_a_key_did_not_sign_is_not_proven(
    change: Callable[[Any], None], tmp_path: Path
) -> None:
    """Whatever is altered on the way, and whoever brings another's key."""
    with pytest.raises(Problem) as problem:
        contribution.read(altered(contribute(tmp_path), change))

    assert "ContributionNotProven" == problem.value.name


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff\xfe", b"[" * 10_000, b" " * 70_000])
def test_other_bytes_are_malformed(junk: bytes) -> None:
    """Never an error of a library."""
    with pytest.raises(Problem, match="ContributionMalformed"):
        contribution.read(junk)


def test_a_second_writing_is_refused(tmp_path: Path) -> None:
    """Equal contents in another form: the bytes must be those that were signed."""
    data = contribute(tmp_path)
    with pytest.raises(Problem, match="ContributionMalformed"):
        contribution.read(json.dumps(json.loads(data)).encode())


def test_issuers_are_known_by_their_files(tmp_path: Path) -> None:
    """Made once; without a file there is nobody to register people."""
    first = make_issuers(tmp_path, None)
    again = read_issuers(tmp_path, passphrase=None, demo=True)
    (tmp_path / "issuer-1.key").unlink()

    assert [one.id for one in first] == [one.id for one in again]
    assert 2 == len({one.id for one in first})
    assert [2] == [one.number for one in read_issuers(tmp_path, passphrase=None, demo=True)]


def test_everybody_makes_the_same_genesis(four: list[Contribution]) -> None:
    """In whatever order the files come; its time is the newest contribution's, powers are equal."""
    first, second = founding.found(four, "coast"), founding.found(four[::-1], "coast")
    genesis = read_genesis(first)

    assert first == second
    assert GENESIS_MS + 3_000 == genesis.time_ms
    assert ["network", [10] * 4] == [genesis.mode, [one["power"] for one in genesis.members]]
    assert network_id(first) != network_id(founding.found(four, "another"))


def test_one_fingerprint_in_file_genesis_and_vote(four: list[Contribution]) -> None:
    """What operators compare by eye is the hash of the action that is voted on."""
    told = {one.member: one.fingerprint for one in founding.table(founding.found(four, "coast"))}

    assert {one.id.hex(): one.fingerprint for one in four} == told
    assert {fingerprint(one.admission) for one in four} == set(told.values())
    assert 71 == len(four[0].fingerprint)


def test_who_is_not_in_the_genesis_unchanged_is_told(
    four: list[Contribution], tmp_path: Path
) -> None:
    """Left out, or with another address: both stop a member before it starts."""
    genesis = founding.found(four, "coast")
    stranger = contribution.read(contribute(tmp_path / "stranger"))
    founding.check(genesis, four)

    with pytest.raises(Problem, match="ContributionAbsent"):
        founding.check(genesis, [stranger])
    with pytest.raises(Problem, match="ContributionChanged"):
        founding.check(genesis.replace(b"https://lab.example", b"https://bad.example"), four)


def test_three_are_too_few_and_one_twice_is_refused(four: list[Contribution]) -> None:
    """A network of three could lose nobody; a member has one voice."""
    with pytest.raises(Problem, match="FoundersTooFew"):
        founding.found(four[:3], "coast")
    with pytest.raises(Problem, match="GenesisMalformed"):
        founding.found([*four, four[0]], "coast")
