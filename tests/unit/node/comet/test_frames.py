"""Frames, however the stream is cut."""

import pytest
from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]  # protobuf's own, as outside truth
from hypothesis import given
from hypothesis import strategies as st

from salus.base.errors import Problem
from salus.node.comet.frames import FRAME_BYTES_MAX, FrameReader, frame_all, varint

MESSAGES = st.lists(st.binary(max_size=300), max_size=8)


@given(MESSAGES, st.lists(st.integers(1, 400), max_size=20))
def test_any_cut_gives_the_same_messages(messages: list[bytes], cuts: list[int]) -> None:
    """Whole messages in order; nothing is left when the stream ends."""
    stream, reader = frame_all(messages), FrameReader()
    found: list[bytes] = []
    for cut in cuts:
        found += reader.feed(stream[:cut])
        stream = stream[cut:]
    found += reader.feed(stream)

    assert messages == found


@given(st.integers(0, 2**28 - 1))
def test_lengths_are_protobufs_varints(value: int) -> None:
    """As the protobuf library writes them."""
    assert _VarintBytes(value) == varint(value)


@pytest.mark.parametrize("head", [varint(FRAME_BYTES_MAX + 1), b"\xff\xff\xff\xff", b"\xff" * 9])
def test_a_length_over_the_bound_is_refused_before_its_payload(head: bytes) -> None:
    """64 MiB; a varint that does not end is too large as well."""
    with pytest.raises(Problem, match="FrameTooLarge"):
        FrameReader().feed(head)


def test_the_largest_length_waits_for_its_payload() -> None:
    """Exactly 64 MiB is lawful."""
    assert [] == FrameReader().feed(varint(FRAME_BYTES_MAX) + b"begins")
