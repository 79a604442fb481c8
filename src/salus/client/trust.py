"""
The trust file `trust.json`: all a verifier knows beforehand (`ledger.md` §3.8).

    {format "salus-trust/1", network, policy, saved?: {height, root, size}}

- `network` and `policy` (C2SP text) are exported once, and their fingerprint is compared by eye,
  over another channel.
- `saved` is the largest log seen so far; it only moves forward along shown growth, so that a second
  history is noticed whoever shows it.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.base.policy import POLICY_BYTES_MAX, Policy, PolicyRefused, parse_policy
from salus.base.types import Count, Height

TRUST_BYTES_MAX = 2 * POLICY_BYTES_MAX
"""A policy with every newline escaped, and the rest."""

_Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


@dataclasses.dataclass(frozen=True)
class Anchor:
    """A log as seen: the height of the newest entry verified, its root (32 B) and size."""

    height: int
    root: bytes
    size: int


@dataclasses.dataclass(frozen=True)
class Trust:
    """What a verifier takes as given: the network id (32 B), whose notes count, the saved log."""

    network: bytes
    policy_text: str
    policy: Policy
    saved: Anchor | None = None

    @classmethod
    def of(cls, network: bytes, policy_text: str, saved: Anchor | None = None) -> "Trust":
        """Trust of a network by a policy; raises Problem TrustMalformed for a bad policy."""
        try:
            return cls(network, policy_text, parse_policy(policy_text), saved)
        except PolicyRefused as error:
            raise _malformed(f"its policy, {error}") from None

    @property
    def fingerprint(self) -> str:
        """SHA-256, in hex, of the file without `saved`: what `sha256sum` says of a fresh export."""
        return hashlib.sha256(to_bytes(dataclasses.replace(self, saved=None))).hexdigest()


def load(path: Path) -> Trust:
    """Read a trust file; raises Problem TrustMissing, TrustMalformed."""
    try:
        with path.open("rb") as file:
            data = file.read(TRUST_BYTES_MAX + 1)
    except FileNotFoundError:
        raise Problem(
            Category.NOT_FOUND,
            "TrustMissing",
            "expected a trust file, found none: make one with `salus trust export` at a member you"
            " trust, and compare its fingerprint over another channel",
        ) from None
    return from_bytes(data)


def from_bytes(data: bytes) -> Trust:
    """Read a trust file's bytes; raises Problem TrustMalformed: size, JSON, members, policy."""
    if len(data) > TRUST_BYTES_MAX:
        raise _malformed(f"more than {TRUST_BYTES_MAX} bytes")
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _malformed("JSON without its members and widths, or none") from None
    saved = None
    if file.saved is not None:
        saved = Anchor(file.saved.height, bytes.fromhex(file.saved.root), file.saved.size)
    return Trust.of(bytes.fromhex(file.network), file.policy, saved)


def to_bytes(trust: Trust) -> bytes:
    """The file's bytes: JSON with sorted keys, two spaces, a final newline."""
    saved = None
    if trust.saved is not None:
        anchor = trust.saved
        saved = _Saved(height=anchor.height, root=anchor.root.hex(), size=anchor.size)
    file = _File(
        format="salus-trust/1", network=trust.network.hex(), policy=trust.policy_text, saved=saved
    )
    return (json.dumps(msgspec.to_builtins(file), sort_keys=True, indent=2) + "\n").encode()


def save_anchor(path: Path, anchor: Anchor) -> Trust:
    """
    Move the file's saved log forward to `anchor`, unless it stands there or further already.

    Reads the file again, so that of two verifiers at once neither moves it back. Returns the trust
    as it stands; raises as `load` does, and OSError.
    """
    trust = load(path)
    if trust.saved is not None and trust.saved.size >= anchor.size:
        return trust
    moved = dataclasses.replace(trust, saved=anchor)
    write(path, moved)
    return moved


def write(path: Path, trust: Trust) -> None:
    """Replace the file at once: written beside it, synced, renamed; raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(to_bytes(trust))
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself must be on the disk
    finally:
        os.close(folder)


class _Saved(codec.Struct, frozen=True):
    height: Height
    root: _Hex32
    size: Count


class _File(codec.Struct, frozen=True):
    format: Literal["salus-trust/1"]
    network: _Hex32
    policy: str
    saved: _Saved | None = None


def _malformed(found: str) -> Problem:
    return Problem(
        Category.MALFORMED,
        "TrustMalformed",
        f"expected a trust file, found {found}: export it again with `salus trust export`",
    )
