"""Honest proofs of a log of two blocks, and the step at which a changed one is refused."""

import random

import pytest

from salus.base import proof_file
from salus.base.proof_file import AbsentClaim, NoteAnchor
from salus.client.trust import Trust
from salus.client.verify import Unverified, verify
from tests.support.proof_log import (
    NETWORK,
    ProofLog,
    Sent,
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


def two_blocks() -> ProofLog:
    """Genesis, a transaction and its block, twice."""
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
        "row": build.build_row(NETWORK, block, KEY, NEW_ROWS[KEY], state_proof_of(NEW_ROWS, KEY)),
        "absent": build.build_absent(NETWORK, block, MISSING, state_proof_of(NEW_ROWS, MISSING)),
    }


def is_another_missing_row(claim: AbsentClaim) -> bool:
    """Whether a changed claim of absence is true of the state all the same."""
    state_key = proof_file.state_key(claim)
    return state_key != MISSING and state_key not in NEW_ROWS


def chance_of(seed: int) -> random.Random:
    """A source of chance that a printed seed replays."""
    return random.Random(seed)


def step_of(file: bytes, trust: Trust = TRUST) -> int:
    """The step at which a file is refused; fails if it verifies."""
    with pytest.raises(Unverified) as refused:
        verify(file, trust)
    return refused.value.step
