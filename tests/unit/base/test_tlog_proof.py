"""`.tlog-proof` files: round trips and the form's edges (C2SP tlog-proof)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base import tlog_proof
from salus.base.note_text import NoteRefused
from salus.base.tlog_proof import TlogProof

HASH = "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ="
GOOD = f"c2sp.org/tlog-proof@v1\nextra AAEC\nindex 73894\n{HASH}\n{HASH}\n\nnote\n"


def test_the_parts_are_where_the_specification_has_them() -> None:
    """Header, extra, index, hashes from the leaf up, an empty line, the note verbatim."""
    read = tlog_proof.parse(GOOD)

    assert (b"\x00\x01\x02", 73894, "note\n") == (read.extra, read.index, read.note)
    assert [0x81, 0x81] == [value[0] for value in read.hashes]


@given(
    extra=st.none() | st.binary(max_size=50),
    index=st.integers(0, 2**53 - 1),
    hashes=st.lists(st.binary(min_size=32, max_size=32), max_size=63),
)
def test_what_is_written_is_read_again(
    extra: bytes | None, index: int, hashes: list[bytes]
) -> None:
    """With or without extra, of any depth; an empty note part included."""
    proof = TlogProof(extra, index, tuple(hashes), "a\n\nb\n")

    assert proof == tlog_proof.parse(proof.text)


MALFORMED = {
    "nothing": "",
    "another header": GOOD.replace("@v1", "@v2"),
    "no note": GOOD.replace("\n\nnote\n", "\n"),
    "no index": GOOD.replace("index 73894\n", ""),
    "only a header": "c2sp.org/tlog-proof@v1\n\nnote\n",
    "only an extra": "c2sp.org/tlog-proof@v1\nextra AAEC\n\nnote\n",
    "extra twice": GOOD.replace("extra AAEC\n", "extra AAEC\nextra AAEC\n"),
    "extra after index": f"c2sp.org/tlog-proof@v1\nindex 1\nextra AAEC\n{HASH}\n\nnote\n",
    "an index with a leading zero": GOOD.replace("73894", "073894"),
    "a short hash": GOOD.replace(HASH, "AAEC", 1),
    "64 hashes": GOOD.replace(HASH + "\n", (HASH + "\n") * 32),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_proof_has_one_form(text: str) -> None:
    """Whatever differs from the form is refused."""
    with pytest.raises(NoteRefused):
        tlog_proof.parse(text)
