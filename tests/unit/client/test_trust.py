"""The trust file: what is exported is read again, its fingerprint stands, its log goes forward."""

import hashlib
from pathlib import Path

import pytest

from salus.base.errors import Category, Problem
from salus.client import trust
from salus.client.trust import Anchor, Trust
from tests.support.proof_log import NETWORK, signers, trust_of

TRUST = trust_of(signers(4))
SEEN = Anchor(height=3, root=b"\x05" * 32, size=7)


def test_a_trust_file_is_read_again(tmp_path: Path) -> None:
    """With and without a saved log."""
    for one in (TRUST, Trust.of(NETWORK, TRUST.policy_text, SEEN)):
        trust.write(tmp_path / "trust.json", one)

        assert one == trust.load(tmp_path / "trust.json")


def test_the_fingerprint_is_of_what_was_exported(tmp_path: Path) -> None:
    """`sha256sum` of a fresh export; a saved log does not change it, a policy does."""
    file = tmp_path / "trust.json"
    trust.write(file, TRUST)
    exported = hashlib.sha256(file.read_bytes()).hexdigest()
    moved = trust.save_anchor(file, SEEN)

    assert [exported] * 3 == [TRUST.fingerprint, moved.fingerprint, trust.load(file).fingerprint]
    assert exported != Trust.of(NETWORK, "quorum none\n").fingerprint
    assert exported != Trust.of(bytes(32), TRUST.policy_text).fingerprint


def test_the_saved_log_only_goes_forward(tmp_path: Path) -> None:
    """A smaller or equal one, as a slower verifier beside us would write, changes nothing."""
    file = tmp_path / "trust.json"
    trust.write(file, TRUST)
    trust.save_anchor(file, SEEN)
    for size in (3, 7):
        assert trust.save_anchor(file, Anchor(1, bytes(32), size)).saved == SEEN
    larger = Anchor(4, bytes(32), 8)

    assert larger == trust.save_anchor(file, larger).saved
    assert larger == trust.load(file).saved
    assert [file] == list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old file stands until the new one is whole, and nothing is left beside it."""
    file = tmp_path / "trust.json"
    trust.write(file, TRUST)

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        trust.save_anchor(file, SEEN)

    assert TRUST == trust.load(file)
    assert [file] == list(tmp_path.iterdir())


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """The command, and that the fingerprint is to be compared."""
    with pytest.raises(Problem, match="salus trust export") as refused:
        trust.load(tmp_path / "trust.json")

    assert (Category.NOT_FOUND, "TrustMissing") == (refused.value.category, refused.value.name)


GOOD = trust.to_bytes(Trust.of(NETWORK, "quorum none\n", SEEN))
MALFORMED = {
    "nothing": b"",
    "no JSON": b"salus",
    "bad UTF-8": b'"\xff"',
    "nested": b"[" * 100_000,
    "too large": GOOD + b" " * trust.TRUST_BYTES_MAX,
    "another format": GOOD.replace(b"trust/1", b"trust/2"),
    "a member more": GOOD.replace(b'"policy"', b'"policies": 1, "policy"'),
    "a short network": GOOD.replace(NETWORK.hex().encode(), b"00"),
    "an upper-case root": GOOD.replace(b"05" * 32, b"AB" * 32),
    "a negative size": GOOD.replace(b'"size": 7', b'"size": -7'),
    "a bad policy": GOOD.replace(b"quorum none", b"quorum nobody"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_file_is_refused(data: bytes) -> None:
    """By name, with the next step, never with its content."""
    with pytest.raises(Problem, match="export it again") as refused:
        trust.from_bytes(data)

    assert "TrustMalformed" == refused.value.name
    assert "nobody" not in str(refused.value)
