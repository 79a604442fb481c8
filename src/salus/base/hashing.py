"""
Domain-separated hashes; every domain Salus uses is listed here, and only here.

`D(name) = "salus/1/" ‖ name ‖ 0x00` stands before whatever is hashed or signed, so that no bytes
made for one purpose can be passed off as another's (`ledger.md` §3.2).
"""

import hashlib

DOMAINS = frozenset(
    {
        # identities and transactions
        "genesis", "key", "member", "tx", "tx-id", "app", "journal", "add-key", "practitioner",
        "admission", "contribution",
        # vault
        "batch", "receipt", "place", "sheet", "share", "content",
        "groups-ask",
        # consent: hashes and signed structs
        "grant", "tag", "link", "opening", "leaf", "release-log", "releases-ask",
        "act-update", "act-stop", "grant-put", "grant-revoke", "new-control",
        # people
        "credential",
    }
)  # fmt: skip
"""All domain names; `domain` refuses any other."""

ZERO32 = bytes(32)
"""Stands for "nothing" where 32 bytes are expected."""


def domain(name: str) -> bytes:
    """The prefix of a listed domain; raises KeyError for an unlisted one."""
    if name not in DOMAINS:
        raise KeyError(name)
    return b"salus/1/" + name.encode() + b"\x00"


def sha256(*parts: bytes) -> bytes:
    """SHA-256 over the parts, one after another; 32 B."""
    return hashlib.sha256(b"".join(parts)).digest()


def domain_hash(name: str, *parts: bytes) -> bytes:
    """SHA-256 over `D(name)` and the parts; 32 B. The caller keeps the parts unambiguous."""
    return hashlib.sha256(domain(name) + b"".join(parts)).digest()


def u8(value: int) -> bytes:
    """One byte."""
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    """Two bytes, big-endian."""
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """Four bytes, big-endian."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Eight bytes, big-endian."""
    return value.to_bytes(8, "big")
