"""The vectors stand, agree with the design's anchor, and open by primitives alone."""

import pytest

from salus.base.sealing import SealingKey, derive
from salus.client.unseal import Owner, open_as_author
from salus.sealed import checks, container, locks
from salus.sealed.shares import join_shares, shares_of
from tests.unit.sealed import vectors

H = bytes.fromhex


@pytest.mark.parametrize("name", vectors.MADE)
def test_vectors_are_remade_without_a_difference(name: str) -> None:
    """A changed byte in keys, covers, sheets or groups is a changed format."""
    expected = (vectors.FOLDER / f"{name}.json").read_text()

    assert expected == vectors.text(vectors.MADE[name]())


def test_the_designs_anchor() -> None:
    """First 8 bytes of each value, computed without this code (`patient-control.md` §10)."""
    keys = vectors.load("keys/one_root")["compartment_4"]
    group = vectors.load("group/one_group")

    assert "452af2da9854c3bf" == vectors.load("keys/one_root")["tags"][4][:16]
    assert "01c5d876935a9dbb51" == keys["control_0"][:18]
    assert "d956b91736a809e9" == keys["day_46346_public"][:16]
    assert "a2123a9d69784434" == keys["block_181_public"][:16]
    assert "2eeea85a41e0d493" == group["key"][:16]
    assert "3b013a7fdae6c7d8" == group["check"][:16]
    assert "6201507c74217fb2" == group["record_key_0"][:16]


def test_the_designs_cover() -> None:
    """The window 46300-46389, as counted in the design."""
    expected = [[2, 11575], [5, 1447], [5, 1448], [4, 2898], [2, 11596], [1, 23194]]

    assert expected == vectors.load("cover/windows")["windows"][0]["nodes"]


def test_the_container_opens_every_way() -> None:
    """A container written once opens by both locks, by its owners and by its author."""
    vector = vectors.load(vectors.OPENED)
    parsed = container.parse(H(vector["container"]))
    checks.check_complete(parsed)
    checks.check_author(parsed, H(vector["service_key"]))
    checks.check_blobs(parsed)
    checks.check_form(parsed)
    shares = {
        int(x): shares_of(parsed, int(x), SealingKey(H(private)))
        for x, private in vector["seats"].items()
    }
    author = list(open_as_author(parsed, H(vector["retention_key"])))

    assert vector["root"] == parsed.root.hex()
    assert len(vector["groups"]) == len(author)
    for number, case in enumerate(vector["groups"]):
        group = parsed.group(number)
        place = parsed.place(number)
        slot_key = SealingKey(H(case["slot_private"]))
        p = locks.open_patient_lock(slot_key, group.p, place)
        joined = join_shares(parsed, number, {x: of[number] for x, of in shares.items()})
        owner = Owner(parsed, group.tag, group.generation, SealingKey(H(case["owner_private"])))

        assert case["key"] == locks.group_key(p, joined.n, place).hex()
        assert case["key"] == next(owner.groups()).key.hex()
        assert case["key"] == author[number].key.hex()
        assert case["bodies"] == [each.body.decode() for each in author[number].records()]


def test_the_pruned_container_is_the_same_batch() -> None:
    """Pruning gives these bytes, under the same root."""
    vector = vectors.load(vectors.OPENED)
    parsed = container.parse(H(vector["container"]))

    assert vector["pruned_to_group_0"] == container.prune(parsed, {0}).hex()
    assert vector["root"] == container.parse(H(vector["pruned_to_group_0"])).root.hex()


def test_the_anchors_first_steps_by_hand() -> None:
    """The tag follows from the root by two derivations and nothing else."""
    root = H(vectors.load("keys/one_root")["root"])
    secret = derive(root, "compartment", b"\x04")

    assert vectors.load("keys/one_root")["tags"][4] == derive(secret, "tag").hex()[:32]
