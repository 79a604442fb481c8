"""Proofs by validators' votes: real ones verify, say who voted, and move what was seen forward."""

import shutil
from pathlib import Path

import pytest

from salus.base import merkle, proof_file
from salus.base.comet.commit import Tally
from salus.base.comet.proof import KnownSet
from salus.base.comet.validators import set_hash
from salus.base.errors import Problem
from salus.base.proof_file import MessageClaim, RowClaim, TransactionClaim
from salus.client import trust as trust_file
from salus.client.trust import Anchor, CometTrust, Trust
from salus.client.verify import Growth, Unverified, Verified, describe, verify
from tests.support.comet_chain import STATE, CometChain, anchor, app_hash, keys, trust_in
from tests.support.proof_log import ProofLog, consistency, path, signers, trust_of

RECORDED = Path(__file__).parents[2] / "vectors" / "comet" / "recorded"
TRUST = trust_file.load(RECORDED / "trust.json")
MEMBERS = signers(4)
MESSAGES = [b"first", b"second"]
CHAIN = CometChain(keys(4))


def recorded(name: str) -> bytes:
    """A proof of a real network."""
    return (RECORDED / f"{name}.salus-proof").read_bytes()


def seen_by(saved: Anchor | None) -> Trust:
    """The recorded network's trust, of a reader who saw that."""
    return Trust.of(TRUST.network, TRUST.policy_text, saved, TRUST.comet)


def file_of(log: ProofLog, height: int, chain: CometChain = CHAIN) -> bytes:
    """A proof of the log's first message, under a block of that height."""
    signed = chain.block(height, app_hash(log, STATE))
    return proof_file.build_message(
        log.network, anchor(log, 1, signed), MESSAGES[0], 0, path(MESSAGES, 0)
    )


def grown(blocks: int) -> ProofLog:
    """A log of that many blocks, a transaction each."""
    log = ProofLog(MEMBERS)
    for _ in range(blocks):
        log.transact(MESSAGES)
        log.block({})
    return log


@pytest.mark.parametrize(
    ("name", "claim", "votes", "height"),
    [
        ("three_of_four", TransactionClaim, Tally(3, 4, 30, 40), 2),
        ("one_link", MessageClaim, Tally(3, 4, 45, 55), 15),
        ("two_links", RowClaim, Tally(3, 4, 30, 35), 31),
    ],
)
def test_a_real_network_s_proof_verifies(name: str, claim: type, votes: Tally, height: int) -> None:
    """By the validators of its start alone, over as many changes as there were."""
    seen = verify(recorded(name), TRUST)

    assert isinstance(seen.claim, claim)
    assert (votes, Growth.FIRST) == (seen.votes, seen.growth)
    assert ((), (0, 0), 0) == (seen.cosigners, seen.quorum, seen.cosigned_s)
    assert TRUST.comet is not None
    assert TRUST.comet.chain_id == seen.origin
    assert seen.anchor is not None
    assert seen.anchor.validators is not None
    assert height == seen.anchor.validators.height


def test_the_line_says_who_voted() -> None:
    """Heads and power."""
    assert describe(verify(recorded("one_link"), TRUST)).endswith(
        "; log size 19, 3 of 4 validators voted (power 45 of 55)"
    )


def test_a_reader_goes_on_from_the_validators_seen_last() -> None:
    """Links before them are passed over; a proof by validators replaced since does not count."""
    middle = verify(recorded("one_link"), TRUST).anchor
    newest = verify(recorded("two_links"), seen_by(middle))
    assert Growth.NOT_SHOWN is newest.growth

    assert newest.anchor is not None
    assert middle is not None
    assert (middle.size, middle.root) == (newest.anchor.size, newest.anchor.root)
    assert 31 == getattr(newest.anchor.validators, "height", None)
    for known in (middle, newest.anchor):
        with pytest.raises(Unverified, match="step 8") as refused:
            verify(recorded("three_of_four"), seen_by(known))
        assert "newer proof" in refused.value.next_step


def test_the_same_file_verifies_again(tmp_path: Path) -> None:
    """What it left behind in the trust file does not stand in its way."""
    file = tmp_path / "trust.json"
    shutil.copy(RECORDED / "trust.json", file)
    first = verify(recorded("two_links"), trust_file.load(file))
    assert first.anchor is not None
    moved = trust_file.save_anchor(file, first.anchor)
    again = verify(recorded("two_links"), moved)

    assert moved == trust_file.load(file)
    assert (Growth.SAME, None, first.votes) == (again.growth, again.anchor, again.votes)


def test_a_trust_file_keeps_validators(tmp_path: Path) -> None:
    """They belong to its fingerprint; what was seen does not, and goes forward part by part."""
    file = tmp_path / "trust.json"
    plain = trust_in(CHAIN)
    trust_file.write(file, plain)
    assert plain == trust_file.load(file)
    assert plain.fingerprint != Trust.of(plain.network, plain.policy_text).fingerprint

    old, new = KnownSet(5, bytes(32)), KnownSet(7, b"\x01" * 32)
    steps = [
        (Anchor(1, b"\x02" * 32, 3, new), Anchor(1, b"\x02" * 32, 3, new)),
        (Anchor(9, b"\x03" * 32, 9, old), Anchor(9, b"\x03" * 32, 9, new)),
        (Anchor(2, b"\x04" * 32, 4, None), Anchor(9, b"\x03" * 32, 9, new)),
    ]
    for told, kept in steps:
        assert kept == trust_file.save_anchor(file, told).saved
        assert kept == trust_file.load(file).saved
    assert plain.fingerprint == trust_file.load(file).fingerprint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"key": "01', b'"key": "02'),
        (b'"power": 10', b'"power": 0'),
        (b'"chain_id": "salus-test"', b'"chain_id": ""'),
        (b'"initial_height": 1', b'"initial_height": -1'),
        (b'"comet"', b'"commet"'),
    ],
)
def test_a_trust_file_s_validators_have_one_form(old: bytes, new: bytes) -> None:
    """Ed25519 keys with power, a named chain, a height."""
    data = trust_file.to_bytes(trust_in(CHAIN))
    assert old in data

    with pytest.raises(Problem, match="TrustMalformed"):
        trust_file.from_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize(
    ("saved_size", "shown", "growth", "height"),
    [
        (7, False, Growth.SAME, 9),
        (4, False, Growth.NOT_SHOWN, 9),
        (4, True, Growth.SHOWN, 9),
        (8, False, Growth.OLDER, 9),
    ],
)
def test_growth_is_the_log_s_whatever_the_anchor(
    saved_size: int,
    shown: bool,  # noqa: FBT001 (a table's column)
    growth: Growth,
    height: int,
) -> None:
    """The log moves with shown growth alone, the validators with each newer block."""
    log = grown(3)
    log.block({})
    hashes = log.hashes()
    log.entries.pop()
    known = KnownSet(3, CHAIN.hash)
    saved = Anchor(1, merkle.root_of_hashes(hashes[:saved_size]), saved_size, known)
    proof = consistency(hashes[:7], saved_size) if shown else None
    seen = verify(file_of(log, height), trust_in(CHAIN, saved), consistency=proof)

    assert growth is seen.growth
    assert seen.anchor is not None
    assert KnownSet(height, CHAIN.hash) == seen.anchor.validators
    assert (7 if shown else saved_size) == seen.anchor.size


def test_one_trust_file_serves_both_anchors() -> None:
    """A network's proofs from before and after it took CometBFT; a history seen by one counts."""
    log = grown(2)
    both = Trust.of(
        log.network,
        trust_of(MEMBERS).policy_text,
        None,
        CometTrust(CHAIN.chain_id, 1, tuple(CHAIN.validators)),
    )
    noted = proof_file.build_message(log.network, log.anchor(1), MESSAGES[0], 0, path(MESSAGES, 0))
    by_note: Verified = verify(noted, both)
    by_votes = verify(file_of(log, 3), Trust.of(
        both.network, both.policy_text, by_note.anchor, both.comet))  # fmt: skip

    assert (None, by_note.log_root) == (by_note.votes, by_votes.log_root)
    assert Growth.SAME is by_votes.growth
    assert by_votes.anchor is not None
    assert KnownSet(3, set_hash(CHAIN.validators)) == by_votes.anchor.validators


def test_only_a_note_is_for_other_tools() -> None:
    """A `.tlog-proof` is taken out of a file under a note, never made of one under a block."""
    log = grown(1)
    end = log.anchor(1)
    noted = proof_file.build_message(log.network, end, MESSAGES[0], 0, path(MESSAGES, 0))

    assert end.tlog_proof == proof_file.tlog_text(noted)
    with pytest.raises(proof_file.ProofFileRefused, match="under a block"):
        proof_file.tlog_text(file_of(log, 3))


def test_an_older_trust_file_says_what_to_do() -> None:
    """One without validators cannot check votes."""
    with pytest.raises(Unverified, match="Export your trust file again") as refused:
        verify(file_of(grown(1), 3), trust_of(MEMBERS))

    assert 4 == refused.value.step
