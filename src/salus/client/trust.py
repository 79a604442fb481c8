"""
The trust file `trust.json`: all a verifier knows beforehand (`ledger.md` §3.8).

    {format "salus-trust/1", network, policy,
     comet?: {chain_id, initial_height, validators: [{key, power}]},
     saved?: {height, root, size, validators?: {hash, height}}}

- `network`, `policy` (C2SP text) and `comet` are exported once, and their fingerprint is compared
  by eye, over another channel.
- `comet` is there for a network that CometBFT orders: the validators from a height on.
- `saved` is the largest log seen so far; it only moves forward along shown growth, so that a second
  history is noticed whoever shows it. With it goes the newest set of validators that was seen.
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
from salus.base.comet.proof import KnownSet
from salus.base.comet.validators import Validator, set_hash
from salus.base.errors import Category, Problem
from salus.base.policy import POLICY_BYTES_MAX, Policy, PolicyRefused, parse_policy
from salus.base.types import INT_MAX, Count, Height

TRUST_BYTES_MAX = 2 * POLICY_BYTES_MAX
"""A policy with every newline escaped, the validators, and the rest."""

VALIDATORS_MAX = 64
"""As many as a network has members."""

CHAIN_ID_MAX = 50
"""CometBFT's own bound (`types/genesis.go`)."""

_Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


@dataclasses.dataclass(frozen=True)
class Anchor:
    """A log as seen: the height of the newest entry verified, its root (32 B) and size."""

    height: int
    root: bytes
    size: int
    validators: KnownSet | None = None
    """The newest set of validators that signed for it, and at which height."""

    def moved(self, seen: "Anchor") -> "Anchor":
        """With the larger log of both, and the newer validators of both."""
        log = seen if seen.size > self.size else self
        sets = [one for one in (self.validators, seen.validators) if one is not None]
        newest = max(sets, key=lambda one: one.height, default=None)
        return dataclasses.replace(log, validators=newest)


@dataclasses.dataclass(frozen=True)
class CometTrust:
    """The validators of a network that CometBFT orders, from a height on."""

    chain_id: str
    initial_height: int
    validators: tuple[Validator, ...]


@dataclasses.dataclass(frozen=True)
class Trust:
    """What a verifier takes as given: the network id (32 B), whose notes count, the saved log."""

    network: bytes
    policy_text: str
    policy: Policy
    saved: Anchor | None = None
    comet: CometTrust | None = None

    @classmethod
    def of(
        cls,
        network: bytes,
        policy_text: str,
        saved: Anchor | None = None,
        comet: CometTrust | None = None,
    ) -> "Trust":
        """Trust of a network by a policy; raises Problem TrustMalformed for a bad policy."""
        try:
            return cls(network, policy_text, parse_policy(policy_text), saved, comet)
        except PolicyRefused as error:
            raise _malformed(f"its policy, {error}") from None

    def known_set(self, comet: CometTrust) -> KnownSet:
        """The validators to go on from: those seen last, else the exported ones."""
        if self.saved is not None and self.saved.validators is not None:
            return self.saved.validators
        return KnownSet(comet.initial_height, set_hash(comet.validators))

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
    network = bytes.fromhex(file.network)
    saved = None if file.saved is None else file.saved.anchor
    return Trust.of(network, file.policy, saved, None if file.comet is None else file.comet.trust)


def to_bytes(trust: Trust) -> bytes:
    """The file's bytes: JSON with sorted keys, two spaces, a final newline."""
    file = _File(
        comet=None if trust.comet is None else _Comet.of(trust.comet),
        format="salus-trust/1",
        network=trust.network.hex(),
        policy=trust.policy_text,
        saved=None if trust.saved is None else _Saved.of(trust.saved),
    )
    return (json.dumps(msgspec.to_builtins(file), sort_keys=True, indent=2) + "\n").encode()


def save_anchor(path: Path, anchor: Anchor) -> Trust:
    """
    Move the file's saved log and validators forward to `anchor`, each unless it is further already.

    Reads the file again, so that of two verifiers at once neither moves it back. Returns the trust
    as it stands; raises as `load` does, and OSError.
    """
    trust = load(path)
    saved = anchor if trust.saved is None else trust.saved.moved(anchor)
    if saved == trust.saved:
        return trust
    moved = dataclasses.replace(trust, saved=saved)
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


class _SavedSet(codec.Struct, frozen=True):
    hash: _Hex32
    height: Height


class _Saved(codec.Struct, frozen=True):
    height: Height
    root: _Hex32
    size: Count
    validators: _SavedSet | None = None

    @classmethod
    def of(cls, anchor: Anchor) -> "_Saved":
        known = anchor.validators
        saved = None if known is None else _SavedSet(hash=known.hash.hex(), height=known.height)
        return cls(height=anchor.height, root=anchor.root.hex(), size=anchor.size, validators=saved)

    @property
    def anchor(self) -> Anchor:
        saved = self.validators
        known = None if saved is None else KnownSet(saved.height, bytes.fromhex(saved.hash))
        return Anchor(self.height, bytes.fromhex(self.root), self.size, known)


class _Validator(codec.Struct, frozen=True):
    key: Annotated[str, msgspec.Meta(pattern=r"^01[0-9a-f]{64}\Z")]
    power: Annotated[int, msgspec.Meta(ge=1, le=INT_MAX)]


class _Comet(codec.Struct, frozen=True):
    chain_id: Annotated[str, msgspec.Meta(min_length=1, max_length=CHAIN_ID_MAX)]
    initial_height: Height
    validators: Annotated[list[_Validator], msgspec.Meta(min_length=1, max_length=VALIDATORS_MAX)]

    @classmethod
    def of(cls, comet: CometTrust) -> "_Comet":
        return cls(
            chain_id=comet.chain_id,
            initial_height=comet.initial_height,
            validators=[_Validator(key=x.key.hex(), power=x.power) for x in comet.validators],
        )

    @property
    def trust(self) -> CometTrust:
        found = [Validator(bytes.fromhex(one.key), one.power) for one in self.validators]
        return CometTrust(self.chain_id, self.initial_height, tuple(found))


class _File(codec.Struct, frozen=True):
    format: Literal["salus-trust/1"]
    network: _Hex32
    policy: str
    comet: _Comet | None = None
    saved: _Saved | None = None


def _malformed(found: str) -> Problem:
    return Problem(
        Category.MALFORMED,
        "TrustMalformed",
        f"expected a trust file, found {found}: export it again with `salus trust export`",
    )
