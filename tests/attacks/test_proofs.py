"""
What a relay can do to a proof's bytes and structure: each change is refused at its step.

`security.md` T16: any changed proof. Whose word it is: `test_proof_notes.py`.
"""

import secrets
from collections.abc import Callable

import pytest

from salus.base import codec, merkle, proof_file, tlog_proof
from salus.base.proof_file import AbsentClaim, NoteAnchor
from salus.client.verify import Unverified, verify
from salus.state import proof as state_proof
from tests.support.proof_claims import (
    BLOCK_INDEX,
    EVENTS,
    KEY,
    MEMBERS,
    MESSAGES,
    MISSING,
    NEW_BLOCK_INDEX,
    NEW_ROWS,
    ROWS,
    SENT_INDEX,
    TRUST,
    all_claims,
    chance_of,
    is_another_missing_row,
    message_file,
    sent,
    step_of,
    two_blocks,
)
from tests.support.proof_log import (
    NETWORK,
    ProofLog,
    path,
    state_proof_of,
)


@pytest.fixture
def log() -> ProofLog:
    """The honest other side."""
    return two_blocks()


@pytest.mark.parametrize("kind", ["transaction", "message", "event", "row", "absent"])
def test_no_byte_of_a_proof_can_be_changed(log: ProofLog, kind: str) -> None:
    """
    Each byte of a proof with just a quorum counts: one random bit of each is flipped in turn.

    One proof of absence may hold for other missing rows as well: naming one of those is another
    true claim.
    """
    file = all_claims(log)[kind]
    seed = secrets.randbelow(2**32)
    chance = chance_of(seed)
    for at in range(len(file)):
        changed = bytearray(file)
        changed[at] ^= 1 << chance.randrange(8)
        try:
            claim = verify(bytes(changed), TRUST).claim
        except Unverified:
            continue
        if not (isinstance(claim, AbsentClaim) and is_another_missing_row(claim)):
            pytest.fail(f"byte {at} of {kind} does not count; seed {seed}")


@pytest.mark.parametrize("kind", ["transaction", "message", "event", "row", "absent"])
def test_no_byte_can_be_cut_or_added(log: ProofLog, kind: str) -> None:
    """Any prefix of a file, and any byte more, is refused at step 0."""
    file = all_claims(log)[kind]
    chance = chance_of(4)
    for _ in range(60):
        at = chance.randrange(len(file))
        byte = bytes([chance.randrange(256)])
        assert step_of(file[:at]) == 0
        longer = file[:at] + byte + file[at:]
        with pytest.raises(Unverified):
            verify(longer, TRUST)


def test_a_changed_surplus_cosignature_changes_no_claim(log: ProofLog) -> None:
    """With 4 of 4 a byte of one line may make it unknown (C2SP: ignore), never another claim."""
    file = message_file(log, log.anchor(SENT_INDEX, log.note(cosigners=4)))
    honest = verify(file, TRUST)
    chance = chance_of(5)
    for at in range(len(file)):
        changed = bytearray(file)
        changed[at] ^= 1 << chance.randrange(8)
        try:
            seen = verify(bytes(changed), TRUST)
        except Unverified:
            continue
        assert (honest.claim, honest.entry, honest.log_root) == (
            seen.claim,
            seen.entry,
            seen.log_root,
        )
        assert set(seen.cosigners) < set(honest.cosigners)


def test_an_entry_is_no_message(log: ProofLog) -> None:
    """A leaf of the log, with its path in the log, shown as a message of a transaction."""
    signed = log.note()
    log_path = merkle.path_of_hashes(log.hashes(), 2)
    file = proof_file.build_message(
        NETWORK, log.anchor(SENT_INDEX, signed), log.entries[2], 2, log_path[:2]
    )

    assert step_of(file) == 1


def test_a_node_is_no_leaf(log: ProofLog) -> None:
    """Two hashes joined, shown as a message one level up, or as an entry: tags keep them apart."""
    leaves = [merkle.leaf_hash(message) for message in MESSAGES]
    inner = leaves[0] + leaves[1]
    file = proof_file.build_message(NETWORK, log.anchor(SENT_INDEX), inner, 0, [leaves[2]])
    assert step_of(file) == 1

    hashes = log.hashes()
    anchor = proof_file.note_anchor(hashes[0] + hashes[1], 0, [hashes[2]], log.note().text)
    assert step_of(message_file(log, anchor)) == 0


@pytest.mark.parametrize("position", [0, 2, 3, 2**53 - 1])
def test_a_message_has_one_position(log: ProofLog, position: int) -> None:
    """The entry's count fixes the path's shape: no other position, and none beyond the count."""
    file = proof_file.build_message(
        NETWORK, log.anchor(SENT_INDEX), MESSAGES[1], position, path(MESSAGES, 1)
    )

    assert step_of(file) == 1


@pytest.mark.parametrize("index", [0, 2, 5, 6, 2**53 - 1])
def test_an_entry_has_one_index(log: ProofLog, index: int) -> None:
    """Another index, the log's size, or any beyond it."""
    hashes = merkle.path_of_hashes(log.hashes(), SENT_INDEX)
    entry = log.entries[SENT_INDEX]
    anchor = proof_file.note_anchor(entry, index, hashes, log.note().text)

    assert step_of(message_file(log, anchor)) == 3


@pytest.mark.parametrize("change", [lambda p: [*p, bytes(32)], lambda p: p[:-1], lambda _: []])
def test_a_path_has_one_length(log: ProofLog, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Hashes left over, too few, or none: in the log and in the transaction."""
    hashes = merkle.path_of_hashes(log.hashes(), SENT_INDEX)
    entry = log.entries[SENT_INDEX]
    anchor = proof_file.note_anchor(entry, SENT_INDEX, change(hashes), log.note().text)
    assert step_of(message_file(log, anchor)) == 3

    file = proof_file.build_message(
        NETWORK, log.anchor(SENT_INDEX), MESSAGES[1], 1, change(path(MESSAGES, 1))
    )
    assert step_of(file) == 1


def test_a_path_longer_than_any_tree_is_not_read(log: ProofLog) -> None:
    """64 hashes are one too many for 2^63 leaves."""
    hashes = [bytes(32)] * 64
    entry = log.entries[SENT_INDEX]
    anchor = proof_file.note_anchor(entry, SENT_INDEX, hashes, log.note().text)
    assert step_of(message_file(log, anchor)) == 0

    file = proof_file.build_message(NETWORK, log.anchor(SENT_INDEX), MESSAGES[1], 1, hashes)
    assert step_of(file) == 0


def test_a_present_row_is_not_proved_absent(log: ProofLog) -> None:
    """By its own leaf as "another", by another row's leaf, by an empty end, or by presence."""
    honest = state_proof.Proof.decode(state_proof_of(NEW_ROWS, KEY))
    own = (state_proof.path_of(KEY), state_proof.value_hash_of(NEW_ROWS[KEY]))
    other_key = bytes([9, 2, 1])
    other = (state_proof.path_of(other_key), state_proof.value_hash_of(NEW_ROWS[other_key]))
    other_leaf, empty = state_proof.Kind.OTHER_LEAF, state_proof.Kind.EMPTY
    false_proofs = [
        state_proof.Proof(other_leaf, honest.siblings, own),
        state_proof.Proof(other_leaf, honest.siblings, other),
        state_proof.Proof(empty, honest.siblings),
        honest,
        state_proof.Proof(
            other_leaf,
            state_proof.Proof.decode(state_proof_of(NEW_ROWS, other_key)).siblings,
            other,
        ),
    ]
    anchor = log.anchor(NEW_BLOCK_INDEX)
    for proof in false_proofs:
        assert step_of(proof_file.build_absent(NETWORK, anchor, KEY, proof.encode())) == 1


def test_a_row_has_one_value_key_and_table(log: ProofLog) -> None:
    """Another value, another row's proof, a missing row, or the next table."""
    anchor, proof = log.anchor(NEW_BLOCK_INDEX), state_proof_of(NEW_ROWS, KEY)
    missing = state_proof_of(NEW_ROWS, MISSING)
    for state_key, value, row_proof in [
        (KEY, b"other", proof),
        (bytes([9, 2, 1]), NEW_ROWS[KEY], proof),
        (bytes([9, 3, 0]), NEW_ROWS[KEY], proof),
        (MISSING, b"", missing),
    ]:
        assert step_of(proof_file.build_row(NETWORK, anchor, state_key, value, row_proof)) == 1


def test_old_state_under_a_new_note(log: ProofLog) -> None:
    """The old row does not follow from the newer block, nor the old entry from its place."""
    old_proof = state_proof_of(ROWS, KEY)
    file = proof_file.build_row(NETWORK, log.anchor(NEW_BLOCK_INDEX), KEY, ROWS[KEY], old_proof)
    assert step_of(file) == 1

    hashes = merkle.path_of_hashes(log.hashes(), NEW_BLOCK_INDEX)
    anchor = proof_file.note_anchor(
        log.entries[BLOCK_INDEX], NEW_BLOCK_INDEX, hashes, log.note().text
    )
    assert step_of(proof_file.build_row(NETWORK, anchor, KEY, ROWS[KEY], old_proof)) == 3


def test_a_claim_needs_its_kind_of_entry(log: ProofLog) -> None:
    """Rows need a block's entry, all else a transaction's; events of a block have no count."""
    row = state_proof_of(NEW_ROWS, KEY)
    files = [
        message_file(log, log.anchor(BLOCK_INDEX)),
        message_file(log, log.anchor(0)),
        proof_file.build_event(NETWORK, log.anchor(BLOCK_INDEX), EVENTS[0], 0, path(EVENTS, 0)),
        proof_file.build_row(NETWORK, log.anchor(SENT_INDEX), KEY, NEW_ROWS[KEY], row),
        proof_file.build_absent(NETWORK, log.anchor(0), KEY, state_proof.Proof(
            state_proof.Kind.EMPTY, []).encode()),
    ]  # fmt: skip

    assert [1] * 5 == [step_of(file) for file in files]


def test_an_envelope_is_the_signer_s_and_of_this_network(log: ProofLog) -> None:
    """A log that lists another envelope, an unsigned one, or one signed for another network."""
    one, other = sent(log), log.transact([b"x"])
    foreign = log.transact([b"x"], signed_for=bytes(32))
    log.block(NEW_ROWS)
    anchor = log.anchor(one.index)
    assert step_of(proof_file.build_transaction(NETWORK, anchor, other.envelope)) == 1
    assert step_of(proof_file.build_transaction(NETWORK, anchor, b"")) == 1

    anchor = log.anchor(foreign.index)
    assert step_of(proof_file.build_transaction(NETWORK, anchor, foreign.envelope)) == 1


def test_a_signer_is_the_envelope_s_key(log: ProofLog) -> None:
    """An entry that names another signer than the key that signed."""
    one = sent(log)
    entry = codec.decode_loose(log.entries[one.index], dict) | {"signer": bytes(16)}
    log.entries[one.index] = codec.encode(entry)
    file = proof_file.build_transaction(NETWORK, log.anchor(one.index), one.envelope)

    assert step_of(file) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"kind": "note"', b'"kind": "comet"'),
        (b'"salus-proof/1"', b'"salus-proof/2"'),
        (b'"position": 1', b'"position": -1'),
        (b'"position": 1', b'"position": 1.0'),
        (b'"position": 1', b'"position": 1,\n    "position": 1'),
        (b'"position": 1', b'"position": 1,\n    "size": 3'),
        (b'"claim"', b'"claims"'),
        (b"\\u2014", "—".encode()),
        (b"\n  ", b"\n\t"),
    ],
)
def test_json_of_another_form_is_refused(log: ProofLog, old: bytes, new: bytes) -> None:
    """Unknown kinds, formats and members, doubled members, floats, another spelling."""
    file = message_file(log)
    assert old in file

    assert step_of(file.replace(old, new)) == 0


def test_hostile_json_is_refused_not_raised() -> None:
    """Deep nesting, lone surrogates, bad UTF-8, huge numbers, nothing at all."""
    text = message_file(two_blocks()).decode()
    surrogate = text.replace("\\u2014", "\\ud800", 1).encode()
    for file in (b"", b"[" * 60_000, b"\xff", b"9" * 5_000, b'{"anchor":', surrogate):
        assert step_of(file) == 0


def test_the_tlog_proof_s_extra_is_the_entry(log: ProofLog) -> None:
    """Missing, empty or non-canonical entry bytes."""
    signed = log.note()
    hashes = tuple(merkle.path_of_hashes(log.hashes(), SENT_INDEX))
    entry = log.entries[SENT_INDEX]
    longer = entry.replace(b"\xa4code\x00", b"\xa4code\xcc\x00")
    for extra in (None, b"", entry + b"\x00", longer):
        text = tlog_proof.TlogProof(extra, SENT_INDEX, hashes, signed.text).text
        assert step_of(message_file(log, NoteAnchor(tlog_proof=text))) == 0


def test_a_refusal_holds_nothing_of_the_file(log: ProofLog) -> None:
    """What a stranger wrote is not shown as our words: in the JSON, the entry, the note."""
    mark = "<b>call-555</b>"
    entry = codec.encode({"kind": mark})
    note_text = log.note().text.replace(MEMBERS[0].name, mark)
    files = [
        message_file(log).replace(b'"kind": "message"', f'"kind": "{mark}"'.encode()),
        message_file(log).replace(b'"position"', f'"{mark}"'.encode()),
        message_file(log, proof_file.note_anchor(entry, 0, [], log.note().text)),
        message_file(log, proof_file.note_anchor(log.entries[1], 1, [], note_text)),
    ]
    for file in files:
        with pytest.raises(Unverified) as refused:
            verify(file, TRUST)
        assert "555" not in str(refused.value)
