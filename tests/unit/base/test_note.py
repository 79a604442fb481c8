"""Notes as C2SP writes them: examples of others, round trips, bounds, a cosigner's rule."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.base import merkle, note
from salus.base.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX
from salus.base.note import Checkpoint, Line, NoteKey, Signer
from salus.base.note_text import NoteRefused, decode64, encode64, parse_decimal
from salus.base.signing import SigningKey

DATA = Path(__file__).parents[2] / "data" / "proofs"
LOG = Signer("salus/00/aa", SigningKey(b"\x01" * 32))
COSIGNER = Signer("salus/00/bb", SigningKey(b"\x02" * 32))
CHECKPOINT = Checkpoint(LOG.name, 3, b"\x05" * 32)
TEXT = note.sign(CHECKPOINT, LOG).text


def keys(name: str) -> list[NoteKey]:
    """The published keys of a file."""
    return [note.parse_key(line) for line in (DATA / name).read_text().splitlines()]


def test_a_public_log_s_cosigned_checkpoint_holds() -> None:
    """A note of a running log: its type 01 signature and four witnesses' type 04, one time."""
    signed = note.parse((DATA / "arche2025h1.note").read_text())

    assert [0] + [1779573024] * 4 == [note.check(signed, key) for key in keys("arche2025h1.keys")]
    assert (DATA / "arche2025h1.note").read_text() == signed.text


def test_the_specification_s_example_holds() -> None:
    """The key and note of C2SP signed-note; its text is no checkpoint."""
    text, _, line = (DATA / "signed-note.note").read_text().partition("\n\n")
    (key,) = keys("signed-note.keys")
    blob = decode64(line.strip().split(" ")[2])

    assert note.check_line(key, text + "\n", blob) == 0
    with pytest.raises(NoteRefused):
        note.check_line(key, text, blob)


def test_another_cosigner_s_growth_holds() -> None:
    """Litewitness's requests: its log's signatures, roots and consistency proofs are ours."""
    first, *requests = (DATA / "growth.txt").read_text().split("---\n")
    old_root = merkle.EMPTY_ROOT
    for request in requests:
        head, _, text = request.partition("\n\n")
        size, *hashes = head.split("\n")
        signed = note.parse(text)
        checkpoint = signed.checkpoint
        log = NoteKey(checkpoint.origin, note.LOG, b"\x01" + bytes.fromhex(first))
        assert note.check(signed, log) == 0
        note.may_cosign(
            int(size.removeprefix("old ")),
            old_root,
            checkpoint.size,
            checkpoint.root,
            [decode64(value) for value in hashes],
        )
        old_root = checkpoint.root


def test_a_cosignature_is_the_specification_s_bytes() -> None:
    """Header, time line and text are signed; hash, time and signature are sent."""
    line = note.cosign(note.sign(CHECKPOINT, LOG), COSIGNER, 1679315147)
    signed = b"cosignature/v1\ntime 1679315147\n" + CHECKPOINT.text.encode()

    assert line.blob[4:12] == (1679315147).to_bytes(8, "big")
    assert COSIGNER.key.sign(signed)[1:] == line.blob[12:]


def test_an_origin_names_network_and_member() -> None:
    """`ledger.md` §3.8."""
    assert (
        note.origin(bytes(range(32)), b"\xff" * 16) == f"salus/{bytes(range(16)).hex()}/{'f' * 32}"
    )


@given(
    size=st.integers(0, 2**53 - 1),
    root=st.binary(min_size=32, max_size=32),
    time_s=st.integers(0, 2**63 - 1),
)
def test_what_is_signed_is_read_again(size: int, root: bytes, time_s: int) -> None:
    """Any checkpoint, any time."""
    signed = note.sign(Checkpoint(LOG.name, size, root), LOG)
    signed = signed.add(note.cosign(signed, COSIGNER, time_s))
    read = note.parse(signed.text)

    assert signed == read
    assert note.check(read, LOG.public(note.LOG)) == 0
    assert time_s == note.check(read, COSIGNER.public(note.COSIGNER))


def test_a_newer_cosignature_replaces_the_older() -> None:
    """One line a key; another type of the same key is another line."""
    signed = note.sign(CHECKPOINT, LOG)
    for time_s in (5, 9):
        signed = signed.add(note.cosign(signed, LOG, time_s))

    assert len(signed.lines) == 2
    assert note.check(signed, LOG.public(note.COSIGNER)) == 9


def test_a_log_signs_its_own_origin_only() -> None:
    """A member cannot make another's note by mistake."""
    with pytest.raises(NoteRefused):
        note.sign(CHECKPOINT, COSIGNER)


def test_an_absent_signature_is_not_a_wrong_one() -> None:
    """Absent: not counted. Wrong, of any length or time: the note is spoiled."""
    signed = note.sign(CHECKPOINT, LOG)
    key = COSIGNER.public(note.COSIGNER)
    with pytest.raises(note.SignatureMissing):
        note.check(signed, key)
    for rest in (bytes(72), bytes(71), bytes(73), b"\x80" + bytes(71)):
        with pytest.raises(NoteRefused) as refused:
            note.check(signed.add(Line(key.name, key.hash + rest)), key)
        assert not isinstance(refused.value, note.SignatureMissing)


MALFORMED = {
    "nothing": "",
    "no signature": CHECKPOINT.text + "\n",
    "no empty line": TEXT.replace("\n\n", "\n"),
    "an unended last line": TEXT[:-1],
    "a line after the signatures": TEXT + "\n",
    "two lines": TEXT.replace("\n3\n", "\n"),
    "four lines": TEXT.replace("\n3\n", "\n3\n3\n"),
    "a leading zero": TEXT.replace("\n3\n", "\n03\n"),
    "a sign": TEXT.replace("\n3\n", "\n+3\n"),
    "a foreign digit": TEXT.replace("\n3\n", "\n\u0663\n"),
    "too large a size": TEXT.replace("\n3\n", f"\n{2**53}\n"),
    "a carriage return": TEXT.replace("\n3\n", "\r\n3\r\n"),
    "a short root": TEXT.replace(encode64(CHECKPOINT.root), encode64(bytes(31))),
    "a root with padding bits": TEXT.replace(encode64(CHECKPOINT.root), "B" * 42 + "F="),
    "a root in the other alphabet": TEXT.replace(encode64(CHECKPOINT.root), "_" * 43 + "="),
    "an empty origin": TEXT.replace(LOG.name + "\n", "\n", 1),
    "an origin with a space": TEXT.replace(LOG.name + "\n", "a b\n", 1),
    "an origin with a plus": TEXT.replace(LOG.name + "\n", "a+b\n", 1),
    "a hyphen for a dash": TEXT.replace("\u2014", "-"),
    "a nameless signature": TEXT.replace(f"\u2014 {LOG.name}", "\u2014 "),
    "a signature without bytes": CHECKPOINT.text + "\n\u2014 x AAAAAA==\n",
    "a lone surrogate": TEXT.replace("\u2014", "\ud800"),
    "too many signatures": TEXT + "\u2014 x AAAAAAA=\n" * NOTE_SIGNATURES_MAX,
    "too many bytes": TEXT + f"\u2014 x {encode64(bytes(NOTE_BYTES_MAX))}\n",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_note_has_one_form(text: str) -> None:
    """Whatever differs from the form is refused, not repaired."""
    with pytest.raises(NoteRefused):
        note.parse(text)


@given(st.text(alphabet="\u2014 ab+/=0\n\tA", max_size=80))
def test_any_text_is_read_whole_or_refused(text: str) -> None:
    """What is read writes the same text again."""
    for candidate in (text, TEXT + text):
        try:
            read = note.parse(candidate)
        except NoteRefused:
            continue
        assert candidate == read.text


VKEY = LOG.public(note.LOG).text
BAD_KEYS = {
    "two parts": "name+00000000",
    "another hash": VKEY.replace(LOG.public(note.LOG).hash.hex(), "00000000"),
    "an upper-case hash": VKEY.replace(
        LOG.public(note.LOG).hash.hex(), LOG.public(note.LOG).hash.hex().upper()
    ),
    "a name with a space": " " + VKEY,
    "no name": VKEY[len(LOG.name) :],
    "type 02": NoteKey("x", 2, LOG.key.public).text,
    "a short key": NoteKey("x", 1, LOG.key.public[:-1]).text,
    "a point of small order": NoteKey("x", 1, b"\x01" + bytes([1]) + bytes(31)).text,
}


@pytest.mark.parametrize("text", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_a_key_has_one_form(text: str) -> None:
    """Name, hash, type and point all have to fit."""
    with pytest.raises(NoteRefused):
        note.parse_key(text)


@pytest.mark.parametrize("kind", [note.LOG, note.COSIGNER])
def test_a_key_is_read_again(kind: int) -> None:
    """Both types of a member's one key, told apart by hash."""
    key = LOG.public(kind)

    assert key == note.parse_key(key.text)
    assert LOG.public(note.LOG).hash != LOG.public(note.COSIGNER).hash


ROOTS = [merkle.root([bytes([n]) for n in range(size)]) for size in range(5)]
REFUSED_GROWTH = {
    "back": (3, ROOTS[3], 2, ROOTS[2], []),
    "another root of one size": (3, ROOTS[3], 3, ROOTS[2], []),
    "a proof for one size": (3, ROOTS[3], 3, ROOTS[3], [bytes(32)]),
    "a proof from nothing": (0, b"", 3, ROOTS[3], [bytes(32)]),
    "no proof": (2, ROOTS[2], 3, ROOTS[3], []),
    "another proof": (2, ROOTS[2], 3, ROOTS[3], [bytes(32)]),
    "64 hashes": (2, ROOTS[2], 3, ROOTS[3], [bytes(32)] * 64),
    "an empty log with a root": (0, b"", 0, ROOTS[1], []),
}


@pytest.mark.parametrize("case", REFUSED_GROWTH.values(), ids=REFUSED_GROWTH.keys())
def test_a_cosigner_refuses_all_but_growth(
    case: tuple[int, bytes, int, bytes, list[bytes]],
) -> None:
    """C2SP tlog-witness, its 400 and 422."""
    with pytest.raises(NoteRefused):
        note.may_cosign(*case)


def test_a_cosigner_accepts_growth_and_standstill() -> None:
    """From nothing, by a proof, and the same again."""
    note.may_cosign(0, b"", 0, merkle.EMPTY_ROOT, [])
    note.may_cosign(0, b"", 3, ROOTS[3], [])
    note.may_cosign(2, ROOTS[2], 3, ROOTS[3], [merkle.leaf_hash(b"\x02")])
    note.may_cosign(3, ROOTS[3], 3, ROOTS[3], [])


@pytest.mark.parametrize("text", ["", "-1", "01", "1 ", "1_0", "9" * 17, str(2**53)])
def test_a_decimal_has_one_form(text: str) -> None:
    """Python's int() would take several of these."""
    with pytest.raises(NoteRefused):
        parse_decimal(text)
