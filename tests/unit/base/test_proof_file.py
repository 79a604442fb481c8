"""Proof files: every claim is read as it was built, and size is bounded on both sides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base import proof_file
from salus.base.limits import PROOF_FILE_BYTES_MAX
from salus.base.proof_file import (
    AbsentClaim,
    EventClaim,
    MessageClaim,
    ProofFileRefused,
    RowClaim,
    TransactionClaim,
)

NETWORK = bytes(range(32))
ANCHOR = proof_file.note_anchor(b"entry", 3, [bytes(32)], "note\n")
PATH = st.lists(st.binary(min_size=32, max_size=32), max_size=20)


@given(data=st.binary(max_size=99), position=st.integers(0, 2**53 - 1), path=PATH)
def test_every_claim_is_read_as_built(data: bytes, position: int, path: list[bytes]) -> None:
    """Kind by kind, with the network and the anchor's text."""
    state_key = bytes([9, 255]) + data
    built = [
        proof_file.build_transaction(NETWORK, ANCHOR, data),
        proof_file.build_message(NETWORK, ANCHOR, data, position, path),
        proof_file.build_event(NETWORK, ANCHOR, data, position, path),
        proof_file.build_row(NETWORK, ANCHOR, state_key, b"value", b"proof"),
        proof_file.build_absent(NETWORK, ANCHOR, state_key, b"proof"),
    ]
    read = [proof_file.parse(file) for file in built]

    assert [
        TransactionClaim(envelope=data),
        MessageClaim(data=data, path=tuple(path), position=position),
        EventClaim(data=data, path=tuple(path), position=position),
        RowClaim(key=data, proof=b"proof", table="9/255", value=b"value"),
        AbsentClaim(key=data, proof=b"proof", table="9/255"),
    ] == [file.claim for file in read]
    assert {(NETWORK.hex(), ANCHOR)} == {(file.network, file.anchor) for file in read}


def test_a_state_key_is_table_and_key() -> None:
    """What was split is joined; numbers above a byte are refused."""
    claim = AbsentClaim(key=b"k", proof=b"", table="1/4")

    assert proof_file.state_key(claim) == b"\x01\x04k"
    with pytest.raises(ProofFileRefused):
        proof_file.state_key(AbsentClaim(key=b"", proof=b"", table="256/0"))


def test_what_cannot_be_read_is_not_built() -> None:
    """A builder refuses what the verifier would, and says what to do."""
    with pytest.raises(ProofFileRefused, match="prove a smaller part"):
        proof_file.build_transaction(NETWORK, ANCHOR, bytes(PROOF_FILE_BYTES_MAX))
    with pytest.raises(ProofFileRefused, match=f"at most {PROOF_FILE_BYTES_MAX} bytes"):
        proof_file.parse(bytes(PROOF_FILE_BYTES_MAX + 1))


@pytest.mark.parametrize("table", ["9", "9/", "09/2", "9/2 ", "9/2\n", "9/2/3", "1000/1", "-1/2"])
def test_a_table_has_one_form(table: str) -> None:
    """Two decimal numbers without leading zeros."""
    good = proof_file.build_absent(NETWORK, ANCHOR, b"\x09\x02", b"")
    bad = good.replace(b'"9/2"', f'"{table}"'.encode().replace(b"\n", b"\\n"))
    with pytest.raises(ProofFileRefused):
        proof_file.parse(bad)
