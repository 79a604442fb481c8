"""
What a lying node, member or relay can put into a proof file: each is refused, at its step.

`security.md` T16: any changed proof, rollback, fork, other network, split view.
"""

import random
from collections.abc import Callable

import pytest

from salus.base import codec, merkle, note, proof_file, tlog_proof
from salus.base.note import Checkpoint, Line, Note, Signer
from salus.base.proof_file import NoteAnchor
from salus.base.signing import SigningKey
from salus.client.trust import Anchor, Trust
from salus.client.verify import Growth, Unverified, verify
from salus.state import proof as state_proof
from tests.proof_log import (
    COSIGNED_S,
    NETWORK,
    ProofLog,
    Sent,
    consistency,
    path,
    signers,
    state_proof_of,
    trust_of,
)

MEMBERS = signers(4)
TRUST = trust_of(MEMBERS)
ROWS = {bytes([9, 2, number]): bytes([number]) * 5 for number in range(9)}
NEW_ROWS = ROWS | {bytes([9, 2, 0]): b"newer"}
KEY, MISSING = bytes([9, 2, 0]), bytes([9, 2, 77])
MESSAGES = [b"first", b"second", b"third"]
EVENTS = [b"one", b"two"]


@pytest.fixture
def log() -> ProofLog:
    """Two blocks; the honest other side."""
    log = ProofLog(MEMBERS)
    log.transact(MESSAGES, EVENTS)
    log.block(ROWS)
    log.transact([b"later"])
    log.block(NEW_ROWS)
    return log


SENT_INDEX, BLOCK_INDEX, NEW_BLOCK_INDEX = 1, 2, 4


def sent(log: ProofLog) -> Sent:
    """One more transaction, under its own block."""
    one = log.transact(MESSAGES, EVENTS)
    log.block(NEW_ROWS)
    return one


def message_file(log: ProofLog, anchor: NoteAnchor | None = None) -> bytes:
    """An honest proof of message 1, under any anchor."""
    anchor = anchor or log.anchor(SENT_INDEX)
    return proof_file.build_message(NETWORK, anchor, MESSAGES[1], 1, path(MESSAGES, 1))


def all_claims(log: ProofLog) -> dict[str, bytes]:
    """An honest proof of each kind."""
    one = sent(log)
    block, anchor = log.anchor(NEW_BLOCK_INDEX), log.anchor(one.index)
    build = proof_file
    return {
        "transaction": build.build_transaction(NETWORK, anchor, one.envelope),
        "message": build.build_message(NETWORK, anchor, MESSAGES[2], 2, path(MESSAGES, 2)),
        "event": build.build_event(NETWORK, anchor, EVENTS[0], 0, path(EVENTS, 0)),
        "row": build.build_row(
            NETWORK, block, KEY, NEW_ROWS[KEY], state_proof_of(NEW_ROWS, KEY)
        ),
        "absent": build.build_absent(NETWORK, block, MISSING, state_proof_of(NEW_ROWS, MISSING)),
    }


def step_of(file: bytes, trust: Trust = TRUST) -> int:
    """The step at which a file is refused; fails if it verifies."""
    with pytest.raises(Unverified) as refused:
        verify(file, trust)
    return refused.value.step


@pytest.mark.parametrize("kind", ["transaction", "message", "event", "row", "absent"])
def test_no_byte_of_a_proof_can_be_changed(log: ProofLog, kind: str) -> None:
    """Each byte of a proof with just a quorum counts: one random bit of each is flipped in turn."""
    file = all_claims(log)[kind]
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    for at in range(len(file)):
        changed = bytearray(file)
        changed[at] ^= 1 << chance.randrange(8)
        try:
            verify(bytes(changed), TRUST)
        except Unverified:
            continue
        pytest.fail(f"byte {at} of {kind} does not count; seed {seed}")


@pytest.mark.parametrize("kind", ["transaction", "message", "event", "row", "absent"])
def test_no_byte_can_be_cut_or_added(log: ProofLog, kind: str) -> None:
    """Any prefix of a file, and any byte more, is refused at step 0."""
    file = all_claims(log)[kind]
    chance = random.Random(4)
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
    chance = random.Random(5)
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
def test_a_path_has_one_length(
    log: ProofLog, change: Callable[[list[bytes]], list[bytes]]
) -> None:
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
    """The old row does not follow from the newer block, nor the old block's entry from its place."""
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


def test_another_network_is_refused_wherever_it_is_named() -> None:
    """Its files; its notes under our network's name; its log even where the policy knows it."""
    foreign_network = bytes(32)
    foreign = signers(4, foreign_network)
    log = ProofLog(foreign, foreign_network)
    one = log.transact(MESSAGES)
    log.block(ROWS)
    arguments = (log.anchor(one.index), MESSAGES[1], 1, path(MESSAGES, 1))
    assert step_of(proof_file.build_message(foreign_network, *arguments)) == 0

    renamed = proof_file.build_message(NETWORK, *arguments)
    assert step_of(renamed) == 4
    assert step_of(renamed, Trust.of(NETWORK, trust_of(foreign, foreign_network).policy_text)) == 4


def test_a_note_of_an_unknown_origin_or_key(log: ProofLog) -> None:
    """A log that is no member's, and a member's name signed by another key."""
    stranger = signers(1, salt=9)[0]
    forged = Signer(MEMBERS[0].name, stranger.key)
    for signer in (stranger, forged):
        signed = log.note(by=signer)
        assert step_of(message_file(log, log.anchor(SENT_INDEX, signed))) == 4


def test_a_note_without_its_log_s_signature(log: ProofLog) -> None:
    """Cosigners alone do not make a note, though all four stand under it."""
    signed = log.note(cosigners=4)
    headless = Note(signed.checkpoint, signed.lines[1:])

    assert step_of(message_file(log, log.anchor(SENT_INDEX, headless))) == 4


def test_one_cosigner_less_than_the_quorum(log: ProofLog) -> None:
    """Two of four where three are needed; three suffice."""
    anchors = [log.anchor(SENT_INDEX, log.note(cosigners=count)) for count in (0, 1, 2)]

    assert [5, 5, 5] == [step_of(message_file(log, anchor)) for anchor in anchors]
    assert verify(message_file(log), TRUST).quorum == (3, 4)


def with_lines(log: ProofLog, lines: list[Line]) -> bytes:
    """A proof under a note with two honest cosigners and these lines."""
    signed = log.note(cosigners=2)
    return message_file(
        log, log.anchor(SENT_INDEX, Note(signed.checkpoint, (*signed.lines, *lines)))
    )


def test_a_cosigner_counts_once(log: ProofLog) -> None:
    """The same line again, and the same key at another time, are still one cosigner."""
    signed = log.note(cosigners=2)
    again = signed.lines[-1]
    later = note.cosign(signed, MEMBERS[1], COSIGNED_S + 9)

    assert step_of(with_lines(log, [again, later, later])) == 5


def test_strangers_do_not_count(log: ProofLog) -> None:
    """Unknown keys, known names with unknown keys, a log signature as a cosignature."""
    signed = log.note(cosigners=2)
    stranger = signers(1, salt=9)[0]
    forged = Signer(MEMBERS[2].name, stranger.key)
    as_log = note.sign(Checkpoint(MEMBERS[2].name, 5, signed.checkpoint.root), MEMBERS[2]).lines[0]
    lines = [
        note.cosign(signed, stranger, COSIGNED_S),
        note.cosign(signed, forged, COSIGNED_S),
        as_log,
    ]

    assert step_of(with_lines(log, lines)) == 5


def test_a_known_cosigner_s_bad_signature_spoils_the_note(log: ProofLog) -> None:
    """C2SP signed-note: though three others hold; a line moved from another note, too."""
    signed = log.note(cosigners=3)
    moved = note.cosign(log.note(3), MEMBERS[3], COSIGNED_S)
    bad = Line(MEMBERS[3].name, MEMBERS[3].public(note.COSIGNER).hash + bytes(72))
    for line in (moved, bad):
        spoiled = Note(signed.checkpoint, (*signed.lines, line))
        assert step_of(message_file(log, log.anchor(SENT_INDEX, spoiled))) == 5


@pytest.mark.parametrize(("at", "line"), [(0, b"x\n"), (3, b"extension\n")])
def test_a_note_has_three_lines(log: ProofLog, at: int, line: bytes) -> None:
    """A fourth line would be cosigned without being understood; so none is read."""
    lines = log.note().text.encode().splitlines(keepends=True)
    text = b"".join([*lines[:at], line, *lines[at:]]).decode()
    hashes = merkle.path_of_hashes(log.hashes(), SENT_INDEX)
    anchor = proof_file.note_anchor(log.entries[SENT_INDEX], SENT_INDEX, hashes, text)

    assert step_of(message_file(log, anchor)) == 0


def test_two_notes_of_one_size_are_a_split_view(log: ProofLog) -> None:
    """A second history of the same length, signed by all: refused by name, never saved."""
    other = ProofLog(MEMBERS)
    other.transact([b"another past"])
    other.block(ROWS)
    other.transact([b"later"])
    other.block(NEW_ROWS)
    saved = Anchor(2, merkle.root_of_hashes(other.hashes()), 5)
    with pytest.raises(Unverified) as refused:
        verify(message_file(log), Trust.of(NETWORK, TRUST.policy_text, saved))

    assert (6, "SplitView") == (refused.value.step, refused.value.name)


def test_a_fork_cannot_show_growth(log: ProofLog) -> None:
    """A longer second history has no consistency proof from the saved log, nor an empty one."""
    saved = Anchor(2, merkle.root_of_hashes([bytes(32)] * 3), 3)
    trust = Trust.of(NETWORK, TRUST.policy_text, saved)
    for proof in (consistency(log.hashes(), 3), [], [bytes(32)] * 3):
        with pytest.raises(Unverified) as refused:
            verify(message_file(log), trust, consistency=proof)
        assert (6, "SplitView") == (refused.value.step, refused.value.name)

    seen = verify(message_file(log), trust)
    assert (Growth.NOT_SHOWN, None) == (seen.growth, seen.anchor)


def test_a_rollback_is_said_and_never_saved(log: ProofLog) -> None:
    """An honest old note is true of its time; the trust file does not go back."""
    saved = Anchor(2, merkle.root_of_hashes(log.hashes()), 5)
    old = message_file(log, log.anchor(SENT_INDEX, log.note(3)))
    seen = verify(old, Trust.of(NETWORK, TRUST.policy_text, saved))

    assert (Growth.OLDER, None) == (seen.growth, seen.anchor)


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
    text = message_file(_one()).decode()
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


def _one() -> ProofLog:
    log = ProofLog(MEMBERS)
    log.transact(MESSAGES, EVENTS)
    log.block(ROWS)
    return log


def test_a_key_of_small_order_is_no_trust() -> None:
    """A policy cannot name a point every signature holds for."""
    weak = note.NoteKey(MEMBERS[0].name, note.LOG, b"\x01" + bytes([1]) + bytes(31))
    with pytest.raises(note.NoteRefused):
        note.parse_key(weak.text)
    assert note.parse_key(Signer("x", SigningKey(bytes(32))).public(note.LOG).text).name == "x"
