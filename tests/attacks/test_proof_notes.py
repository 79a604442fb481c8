"""
Whose word a proof ends at: other networks, logs, cosigners, histories are refused at their step.

`security.md` T16: rollback, fork, other network, split view.
"""

import pytest

from salus.base import merkle, note, proof_file
from salus.base.note import Checkpoint, Line, Note, Signer
from salus.base.note_text import NoteRefused
from salus.base.signing import SigningKey
from salus.client.trust import Anchor, Trust
from salus.client.verify import Growth, Unverified, verify
from tests.support.proof_claims import (
    MEMBERS,
    MESSAGES,
    NEW_ROWS,
    ROWS,
    SENT_INDEX,
    TRUST,
    message_file,
    step_of,
    two_blocks,
)
from tests.support.proof_log import (
    COSIGNED_S,
    NETWORK,
    ProofLog,
    consistency,
    path,
    signers,
    trust_of,
)


@pytest.fixture
def log() -> ProofLog:
    """The honest other side."""
    return two_blocks()


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


def test_a_key_of_small_order_is_no_trust() -> None:
    """A policy cannot name a point every signature holds for."""
    weak = note.NoteKey(MEMBERS[0].name, note.LOG, b"\x01" + bytes([1]) + bytes(31))
    with pytest.raises(NoteRefused):
        note.parse_key(weak.text)
    assert note.parse_key(Signer("x", SigningKey(bytes(32))).public(note.LOG).text).name == "x"
