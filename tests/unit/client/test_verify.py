"""The verifier accepts every honest proof and says exactly what it proves."""

import dataclasses

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.base import merkle, proof_file
from salus.client.trust import Anchor, Trust
from salus.client.verify import Growth, Unverified, Verified, describe, verify
from tests.support.proof_log import (
    COSIGNED_S,
    NETWORK,
    START_MS,
    ProofLog,
    consistency,
    path,
    signers,
    state_proof_of,
    trust_of,
)

MEMBERS = signers(4)
ROWS = {bytes([9, 2, number]): bytes([number]) * 5 for number in range(9)}


def transaction_proof(log: ProofLog, code: int = 0) -> bytes:
    """The proof of a new transaction's envelope, in a block of its own."""
    sent = log.transact([b"a", b"b"], [b"e"], code=code)
    log.block(ROWS)
    return proof_file.build_transaction(NETWORK, log.anchor(sent.index), sent.envelope)


def with_saved(trust: Trust, anchor: Anchor) -> Trust:
    """The same trust that has seen a log."""
    return Trust.of(trust.network, trust.policy_text, anchor)


@settings(max_examples=40, deadline=None)
@given(
    blocks=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    messages=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=9),
    data=st.data(),
)
def test_each_claim_of_a_random_log_is_proved(
    blocks: list[int], messages: list[bytes], data: st.DataObject
) -> None:
    """Whatever the log's shape, its honest proofs verify, at any later size."""
    log = ProofLog(MEMBERS)
    sent = []
    for count in blocks:
        sent += [log.transact(messages, messages[::-1]) for _ in range(count)]
        log.block(ROWS, count)
    one = data.draw(st.sampled_from(sent))
    position = data.draw(st.integers(0, len(messages) - 1))
    size = data.draw(st.integers(one.index + 1, len(log.entries)))
    anchor = log.anchor(one.index, log.note(size))
    trust = trust_of(MEMBERS)

    files = [
        proof_file.build_transaction(NETWORK, anchor, one.envelope),
        proof_file.build_message(
            NETWORK, anchor, messages[position], position, path(messages, position)
        ),
        proof_file.build_event(
            NETWORK, anchor, one.events[position], position, path(one.events, position)
        ),
    ]
    assert [size] * 3 == [verify(file, trust).log_size for file in files]


def test_a_transaction_is_told_with_all_it_proves() -> None:
    """Id, code, place, time, signer, cosigners and quorum come from checked bytes."""
    log = ProofLog(MEMBERS)
    seen = verify(transaction_proof(log), trust_of(MEMBERS))

    assert (0, 1, START_MS + 1) == (seen.code, seen.height, seen.time_ms)
    assert log.key.key_id == seen.signer
    assert (1, 3, (3, 4)) == (seen.index, seen.log_size, seen.quorum)
    assert [member.name[-32:] for member in sorted(MEMBERS[:3], key=lambda m: m.name)] == list(
        seen.cosigners
    )
    assert COSIGNED_S == seen.cosigned_s
    assert Anchor(1, seen.log_root, 3) == seen.anchor


def test_describe_says_it_in_one_line() -> None:
    """The line of the specification, §6."""
    seen = verify(transaction_proof(ProofLog(MEMBERS)), trust_of(MEMBERS))
    assert isinstance(seen.tx_id, bytes)
    assert seen.signer is not None

    assert describe(seen) == (
        f"ok  transaction {seen.tx_id.hex()[:8]}… done in block 1, 2025-11-24T16:00:00.001Z,"
        f" by key {seen.signer.hex()[:8]}…; log size 3, 3 of 4 cosigned (quorum 3)"
    )


@pytest.mark.parametrize(
    ("code", "copy_refused", "words"),
    [
        (0, False, "done in block 1"),
        (2, True, "this copy was refused (code 2) in block 1"),
        (8, True, "this copy was refused (code 8) in block 1"),
        (14, True, "this copy was refused (code 14) in block 1"),
        (9002, False, "refused (code 9002) in block 1"),
    ],
)
def test_a_refused_copy_is_told_from_a_refused_transaction(
    code: int,
    copy_refused: bool,  # noqa: FBT001 (a table's column)
    words: str,
) -> None:
    """Codes 1–14 spend no nonce: another copy may have been done (corrections 11)."""
    seen = verify(transaction_proof(ProofLog(MEMBERS), code), trust_of(MEMBERS))

    assert copy_refused == seen.copy_refused
    assert words in describe(seen)
    assert (code not in (2, 8)) == (seen.signer is not None)


def test_rows_present_and_absent_are_proved_as_of_their_block() -> None:
    """A row claim has no code or signer, but the height and time of its block entry."""
    log = ProofLog(MEMBERS)
    index = log.block(ROWS)
    key, missing = bytes([9, 2, 3]), bytes([9, 2, 77])
    row = proof_file.build_row(
        NETWORK, log.anchor(index), key, ROWS[key], state_proof_of(ROWS, key)
    )
    absent = proof_file.build_absent(
        NETWORK, log.anchor(index), missing, state_proof_of(ROWS, missing)
    )
    seen = [verify(file, trust_of(MEMBERS)) for file in (row, absent)]

    assert [(None, None, 1)] * 2 == [(one.code, one.signer, one.height) for one in seen]
    assert describe(seen[0]).startswith("ok  row of table 9/2 as of block 1, 2025-11-24T16:00:00")
    assert describe(seen[1]).startswith("ok  no such row of table 9/2 as of block 1, ")


def test_messages_and_events_are_told_by_position() -> None:
    """Their bytes are the reader's to show; the line has the place only."""
    log = ProofLog(MEMBERS)
    sent = log.transact([b"a", b"b"], [b"e"])
    log.block(ROWS)
    anchor = log.anchor(sent.index)
    message = proof_file.build_message(NETWORK, anchor, b"b", 1, path([b"a", b"b"], 1))
    event = proof_file.build_event(NETWORK, anchor, b"e", 0, [])
    told = [describe(verify(file, trust_of(MEMBERS))) for file in (message, event)]

    assert told[0].startswith("ok  message 1 done in block 1, ")
    assert told[1].startswith("ok  event 0 done in block 1, ")


def test_a_time_beyond_the_calendar_is_told_in_milliseconds() -> None:
    """A log's clock is its members' word: no date, however late, breaks the line."""
    seen = verify(transaction_proof(ProofLog(MEMBERS)), trust_of(MEMBERS))
    late = dataclasses.replace(seen, entry=msgspec.structs.replace(seen.entry, time_ms=2**53 - 1))

    assert f"block 1, {2**53 - 1} ms, by key" in describe(late)


def growth_of(saved_size: int, *, shown: bool) -> Verified:
    """Verify at size 7 by a trust that has seen `saved_size` entries of the same log."""
    log = ProofLog(MEMBERS)
    for _ in range(3):
        file = transaction_proof(log)
    log.block({})
    hashes = log.hashes()
    saved = Anchor(1, merkle.root_of_hashes(hashes[:saved_size]), saved_size)
    sizes = sorted((saved_size, 7))
    proof = consistency(hashes[: sizes[1]], sizes[0]) if shown else None
    return verify(file, with_saved(trust_of(MEMBERS), saved), consistency=proof)


@pytest.mark.parametrize(
    ("saved_size", "shown", "growth", "saves"),
    [
        (7, False, Growth.SAME, False),
        (4, False, Growth.NOT_SHOWN, False),
        (4, True, Growth.SHOWN, True),
        (8, False, Growth.OLDER, False),
        (8, True, Growth.OLDER, False),
    ],
)
def test_growth_is_shown_or_said_not_to_be(
    saved_size: int,
    shown: bool,  # noqa: FBT001 (a table's column)
    growth: Growth,
    saves: bool,  # noqa: FBT001 (a table's column)
) -> None:
    """Only shown growth moves the saved log; an older proof never does (corrections 18)."""
    seen = growth_of(saved_size, shown=shown)

    assert (growth, saves) == (seen.growth, seen.anchor is not None)
    said = growth in (Growth.NOT_SHOWN, Growth.OLDER)
    assert said == describe(seen).endswith(f"; {growth.value}")


def test_quorum_none_is_the_operators_word_alone() -> None:
    """Without cosigners the line says so, whoever cosigned."""
    log = ProofLog(MEMBERS)
    policy = trust_of(MEMBERS).policy_text.replace("quorum members", "quorum none")
    seen = verify(transaction_proof(log), Trust.of(NETWORK, policy))

    assert describe(seen).endswith("; log size 3, its operator's word alone")


def test_a_cosignature_from_the_readers_future_does_not_count() -> None:
    """C2SP tlog-cosignature: verifiers may refuse them; a skew of 5 minutes is allowed."""
    file = transaction_proof(ProofLog(MEMBERS))
    late_ms = COSIGNED_S * 1000 - 5 * 60_000

    assert COSIGNED_S == verify(file, trust_of(MEMBERS), late_ms).cosigned_s
    with pytest.raises(Unverified) as refused:
        verify(file, trust_of(MEMBERS), late_ms - 1)
    assert refused.value.step == 5


def test_a_refusal_says_step_expected_found_and_next() -> None:
    """The line of the specification, §6, with the hashes of the keys that did cosign."""
    log = ProofLog(MEMBERS)
    sent = log.transact([b"a"])
    anchor = log.anchor(sent.index, log.note(cosigners=2))
    with pytest.raises(Unverified) as refused:
        verify(proof_file.build_transaction(NETWORK, anchor, sent.envelope), trust_of(MEMBERS))

    keys = sorted((m.name, m.public(4).hash.hex()) for m in MEMBERS[:2])
    assert str(refused.value) == (
        "refused at step 5: expected quorum 3 of 4, found 2 valid cosignatures"
        f" ({keys[0][1]}, {keys[1][1]}). Ask the node for a newer proof."
    )
