"""Key files: sealed by a passphrase, bound to their use, bounded in what they cost."""

from collections.abc import Callable

import pytest

from salus.base import keyfile
from salus.base.errors import Problem

SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def locked() -> bytes:
    """A file of use 1; made once, since it costs a third of a second."""
    return keyfile.lock(SECRET, 1, b"correct horse")


def refusal(data: bytes, use: int = 1, passphrase: bytes = b"correct horse") -> str:
    """Why it does not open."""
    with pytest.raises(Problem) as problem:
        keyfile.unlock(data, use, passphrase)
    return problem.value.name


def test_a_file_opens_by_its_passphrase(locked: bytes) -> None:
    """93 bytes, and the secret back; two files of one secret differ."""
    assert keyfile.FILE_BYTES == len(locked)
    assert SECRET == keyfile.unlock(locked, 1, b"correct horse")
    assert SECRET not in locked
    assert keyfile.lock(SECRET, 1, b"correct horse")[17:] != locked[17:]


def test_another_passphrase_or_use_does_not_open_it(locked: bytes) -> None:
    """Told apart: a wrong passphrase, and a key for something else."""
    assert "PassphraseWrong" == refusal(locked, passphrase=b"correct horsf")
    assert "PassphraseWrong" == refusal(locked, passphrase=b"")
    assert "KeyFileOtherUse" == refusal(locked, use=2)


@pytest.mark.parametrize("at", [11, 14, 15, 16, 17, 33, 45, 76, 77, 92])
def test_an_altered_file_does_not_open(locked: bytes, at: int) -> None:
    """Costs, salt, nonce, ciphertext, tag: all are bound by the seal or refused before it."""
    altered = bytearray(locked)
    altered[at] ^= 1

    assert refusal(bytes(altered)) in ("PassphraseWrong", "KeyFileMalformed")


MALFORMED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _data: b"",
    "cut": lambda data: data[:-1],
    "longer": lambda data: data + b"\x00",
    "another magic": lambda data: b"X" + data[1:],
    "another version": lambda data: data[:8] + b"\x02" + data[9:],
    "another algorithm": lambda data: data[:9] + b"\x02" + data[10:],
    "too little memory": lambda data: data[:11] + (65_535).to_bytes(4, "big") + data[15:],
    "too much memory": lambda data: data[:11] + (1_048_577).to_bytes(4, "big") + data[15:],
    "too few passes": lambda data: data[:15] + b"\x02" + data[16:],
    "no pass": lambda data: data[:15] + b"\x00" + data[16:],
    "passes that take minutes": lambda data: data[:15] + b"\xff" + data[16:],
    "no lane": lambda data: data[:16] + b"\x00" + data[17:],
    "many lanes": lambda data: data[:16] + b"\xff" + data[17:],
    "a demo's": lambda _data: keyfile.lock_demo(SECRET, 1),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_costs_nothing(locked: bytes, name: str) -> None:
    """It is refused before Argon2 runs."""
    assert "KeyFileMalformed" == refusal(MALFORMED[name](locked))


def test_a_demos_file_says_so() -> None:
    """Readable by all, marked in its first bytes, bound to its use."""
    data = keyfile.lock_demo(SECRET, 5)

    assert data.startswith(b"SALUSDEMO-NOT-SECRET\n")
    assert keyfile.is_demo(data)
    assert SECRET == keyfile.unlock_demo(data, 5)
    with pytest.raises(Problem, match="KeyFileOtherUse"):
        keyfile.unlock_demo(data, 4)
    for bad in (data[:-1], data + b"\x00", b"", keyfile.MAGIC + data):
        with pytest.raises(Problem, match="KeyFileMalformed"):
            keyfile.unlock_demo(bad, 5)
    assert not keyfile.is_demo(b"SALUSKEY")
