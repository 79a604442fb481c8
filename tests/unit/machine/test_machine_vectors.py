"""The machine's vectors: the files, what the code makes, and the values of the design agree."""

import json

import pytest

from salus.base.errors import Refusal
from salus.machine import nonces
from salus.machine.execute import Machine
from salus.machine.tables import NONCE
from salus.machine.transaction import check_signature
from salus.modules.audit.module import MODULE
from tests.support.machine_vectors import FOLDER, NETWORK, vectors

MADE = vectors()

ANCHOR_TX = {
    "key_id": "f197986bc4f178d5fb097ac82982b1b3",
    "member": "b5c4ce183d856318e33e3fb5357a7a6a",
    "hash": "47eae4f30978f92d49e14388d27370ecda3a028ad0fbfbfa90cd2e62d1cf456c",
    "id": "518412ee0709cae68a7eec14bc285ee70b5106f480825b385752c2968ca0329a",
}
ANCHOR_BLOCK = {
    "state_root": "4219fad1e3049204411b55391f2b6e45ed13064b01bb9750de23c344de08cc48",
    "log_root": "7bf85d9826fb31f2920d0310731e49b776ed2cccce66fb07a745555eba4af5d0",
    "app_hash": "9ffbd47aca5b075374a3f0c3b0fd2d706f931077704522ab81242afcc6f6e624",
}


@pytest.mark.parametrize("name", MADE)
def test_the_file_is_what_the_code_makes(name: str) -> None:
    """A change of a format shows as a changed file."""
    assert json.loads((FOLDER / name).read_text()) == MADE[name]


def test_the_anchor_transaction_is_the_designs() -> None:
    """`ledger.md` §10: 230 bytes and four hashes."""
    made = MADE["tx/anchor.json"]

    assert {name: made[name] for name in ANCHOR_TX} == ANCHOR_TX
    assert 230 == len(bytes.fromhex(made["envelope"]))


def test_the_anchor_block_is_the_designs() -> None:
    """Correction 18: state root, log root, app hash, by a tree written from its definition."""
    made = MADE["block/anchor.json"]

    assert {name: made[name] for name in ANCHOR_BLOCK} == ANCHOR_BLOCK


@pytest.mark.parametrize("name", MADE["tx/anchor.json"]["refused"])
def test_twins_of_the_anchor_are_refused(name: str) -> None:
    """By form or by signature."""
    data = bytes.fromhex(MADE["tx/anchor.json"]["refused"][name])

    with pytest.raises(Refusal):
        check_signature(NETWORK, Machine([MODULE]).form.read(data))


def test_nonce_steps_cannot_be_taken_twice() -> None:
    """The vector's windows, and a second use of each nonce at the end."""
    window = NONCE.decode(bytes.fromhex(MADE["tx/nonces.json"]["row"]))

    for step in MADE["tx/nonces.json"]["steps"]:
        assert nonces.is_spent(window, step["nonce"])
