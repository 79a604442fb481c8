"""Forms of files: taken apart whole, inflated in bounds, refused in words."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base.errors import Problem
from salus.doors.http.uploads import FILES_MAX, inflate, read_form
from salus.formats.fhir.limits import BUNDLE_BYTES_MAX, MIB

BOUNDARY = "0123456789abcdef"
KIND = f"multipart/form-data; boundary={BOUNDARY}"


def form(*files: tuple[str, bytes]) -> bytes:
    """A form as a browser writes it (RFC 7578)."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename='
    parts = [f'{head}"{name}"\r\n\r\n'.encode() + data + b"\r\n" for name, data in files]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_files_come_out_as_they_went_in(contents: list[bytes]) -> None:
    """Any bytes, line ends and boundaries' beginnings too, packed or not."""
    files = [(f"{at}.json", data) for at, data in enumerate(contents)]
    packed = [(f"{name}.gz", gzip.compress(data)) for name, data in files]

    assert files == read_form(form(*files), KIND)
    assert files == read_form(form(*packed), KIND)


def test_a_bomb_is_refused_before_it_grows() -> None:
    """100 times its packed size, or 1 MiB, is the most a stream may become."""
    bomb = gzip.compress(bytes(20 * MIB))

    with pytest.raises(Problem, match="DocumentTooLarge"):
        inflate(bomb, BUNDLE_BYTES_MAX)


def test_small_streams_may_grow_to_a_mebibyte() -> None:
    """A short text of one letter packs far better than 100 to 1."""
    assert bytes(MIB) == inflate(gzip.compress(bytes(MIB)), BUNDLE_BYTES_MAX)
    with pytest.raises(Problem, match="DocumentTooLarge"):
        inflate(gzip.compress(bytes(MIB + 1)), BUNDLE_BYTES_MAX)


def test_members_of_one_stream_are_joined() -> None:
    """RFC 1952 §2.2: a file may hold several."""
    assert b"ab" == inflate(gzip.compress(b"a") + gzip.compress(b"b"), 10)


BAD = {
    "no gzip": b"{}",
    "cut short": gzip.compress(b"abc" * 100)[:-9],
    "followed by something": gzip.compress(b"abc") + b"xyz",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_broken_streams_are_refused(data: bytes) -> None:
    """Never half taken."""
    with pytest.raises(Problem, match="GzipMalformed"):
        read_form(form(("a.json.gz", data)), KIND)


FORMS = {
    "another type": (form(("a", b"x")), "application/json"),
    "no boundary": (form(("a", b"x")), "multipart/form-data"),
    "no end": (form(("a", b"x"))[:-6], KIND),
    "no files": (f"--{BOUNDARY}--\r\n".encode(), KIND),
    "nothing": (b"", KIND),
    "too many files": (form(*[("a", b"")] * (FILES_MAX + 1)), KIND),
}


@pytest.mark.parametrize(("body", "kind"), FORMS.values(), ids=FORMS.keys())
def test_other_forms_are_malformed(body: bytes, kind: str) -> None:
    """Told by what was expected."""
    with pytest.raises(Problem, match="FormMalformed"):
        read_form(body, kind)
