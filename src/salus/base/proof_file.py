"""
The proof file `*.salus-proof`: what is claimed, and the signed thing it ends at (`ledger.md` §3.8).

    {anchor, claim, format "salus-proof/1", network}

- JSON in one form only (sorted keys, two spaces, ASCII, a final newline): every byte counts.
- Bytes stand in base64, the network id in hex, as it is read aloud.
- Entry, index and path stand in the anchor alone; a claim cannot contradict them.
- The anchor is a note that members cosigned, or a block that CometBFT's validators made final.
- Building is pure: the node hands over bytes it has, and signs nothing here.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec

from salus.base import codec
from salus.base.limits import PROOF_FILE_BYTES_MAX
from salus.base.tlog_proof import TlogProof
from salus.base.types import Count, Hash32

FORMAT: Final = "salus-proof/1"
"""Stands in every file; a change of meaning changes it."""

Path = Annotated[tuple[Hash32, ...], msgspec.Meta(max_length=63)]
"""An RFC 6962 inclusion path, deepest sibling first."""

LINKS_MAX = 1_000
"""Changes of the validators in one file; who trusts none of the last thousand sets starts anew."""

TableName = Annotated[str, msgspec.Meta(pattern=r"^(0|[1-9][0-9]{0,2})/(0|[1-9][0-9]{0,2})\Z")]
"""Module and table number, as `9/2`."""


class ProofFileRefused(Exception):
    """The file is not a proof file, or would be none; the text says where, never its content."""


class TransactionClaim(codec.Struct, frozen=True, tag_field="kind", tag="transaction"):
    """The log holds this envelope."""

    envelope: bytes


class MessageClaim(codec.Struct, frozen=True, tag_field="kind", tag="message"):
    """These bytes are message `position` of the entry's transaction."""

    data: bytes = msgspec.field(name="bytes")
    path: Path
    position: Count


class EventClaim(codec.Struct, frozen=True, tag_field="kind", tag="event"):
    """These bytes are event `position` of the entry's transaction."""

    data: bytes = msgspec.field(name="bytes")
    path: Path
    position: Count


class RowClaim(codec.Struct, frozen=True, tag_field="kind", tag="row"):
    """After the entry's block this row had this value."""

    key: bytes
    """The state key without its two bytes of module and table."""

    proof: bytes
    """A row proof (`salus.state.proof`)."""

    table: TableName
    value: bytes


class AbsentClaim(codec.Struct, frozen=True, tag_field="kind", tag="absent"):
    """After the entry's block there was no such row."""

    key: bytes
    proof: bytes
    table: TableName


class NoteAnchor(codec.Struct, frozen=True, tag_field="kind", tag="note"):
    """A C2SP `.tlog-proof` text whose extra is the entry, so that others' tools need only it."""

    tlog_proof: str


class SignedHeader(codec.Struct, frozen=True):
    """A final block of CometBFT, without what it holds; all in CometBFT's protobuf."""

    commit: bytes
    """`Commit`: one place for each validator, empty or a vote for the block."""

    header: bytes
    """`Header`."""

    validators: tuple[bytes, ...]
    """`SimpleValidator` each, in the set's order: the leaves of the header's validators hash."""


class CometAnchor(codec.Struct, frozen=True, tag_field="kind", tag="comet"):
    """The entry's path in the log, and a final block whose header holds log and state."""

    entry: bytes
    hashes: Path
    index: Count
    links: Annotated[tuple[SignedHeader, ...], msgspec.Meta(max_length=LINKS_MAX)]
    """From the network's first validators to the block's: each change's last block, in order."""

    log_root: Hash32
    log_size: Count
    signed: SignedHeader
    """Of the block after the one that left this log and state behind."""

    state_root: Hash32


FileAnchor = NoteAnchor | CometAnchor

Claim = TransactionClaim | MessageClaim | EventClaim | RowClaim | AbsentClaim


class ProofFile(codec.Struct, frozen=True):
    """A whole file, its form only."""

    anchor: FileAnchor
    claim: Claim
    format: Literal["salus-proof/1"]
    network: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


def parse(data: bytes) -> ProofFile:
    """Read a file's form; raises ProofFileRefused: size, JSON, members, widths, canonical form."""
    if len(data) > PROOF_FILE_BYTES_MAX:
        raise ProofFileRefused(f"a proof file has at most {PROOF_FILE_BYTES_MAX} bytes")
    try:
        file = msgspec.json.decode(data, type=ProofFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The decoder's own words would quote the file: an unknown member's name, a wrong kind.
        raise ProofFileRefused("not JSON with the members and widths of its format") from None
    if _text(file) != data:
        raise ProofFileRefused("the JSON is not in its canonical form")
    return file


def tlog_text(data: bytes) -> str:
    """The C2SP `.tlog-proof` inside a file; raises ProofFileRefused: as `parse`, or none there."""
    anchor = parse(data).anchor
    if not isinstance(anchor, NoteAnchor):
        raise ProofFileRefused("expected a proof under a note, found one under a block")
    return anchor.tlog_proof


def note_anchor(entry: bytes, index: int, hashes: Sequence[bytes], note: str) -> NoteAnchor:
    """The anchor of the log entry at `index`: its bytes, its path to the note's root, the note."""
    return NoteAnchor(tlog_proof=TlogProof(entry, index, tuple(hashes), note).text)


def build_transaction(network: bytes, anchor: FileAnchor, envelope: bytes) -> bytes:
    """The file that proves an envelope; raises ProofFileRefused if too large, as all builders."""
    return _build(network, anchor, TransactionClaim(envelope=envelope))


def build_message(
    network: bytes, anchor: FileAnchor, message: bytes, position: int, path: Sequence[bytes]
) -> bytes:
    """The file that proves one message; `path` leads to the entry's `messages`."""
    return _build(network, anchor, MessageClaim(data=message, path=tuple(path), position=position))


def build_event(
    network: bytes, anchor: FileAnchor, event: bytes, position: int, path: Sequence[bytes]
) -> bytes:
    """The file that proves one event; `path` leads to the entry's `events`."""
    return _build(network, anchor, EventClaim(data=event, path=tuple(path), position=position))


def build_row(
    network: bytes, anchor: FileAnchor, state_key: bytes, value: bytes, proof: bytes
) -> bytes:
    """The file that proves a row; the anchor's entry is the block entry with the proof's root."""
    table, key = _split(state_key)
    return _build(network, anchor, RowClaim(key=key, proof=proof, table=table, value=value))


def build_absent(network: bytes, anchor: FileAnchor, state_key: bytes, proof: bytes) -> bytes:
    """The file that proves that a row is not there."""
    table, key = _split(state_key)
    return _build(network, anchor, AbsentClaim(key=key, proof=proof, table=table))


def state_key(claim: RowClaim | AbsentClaim) -> bytes:
    """The whole state key: module u8 ‖ table u8 ‖ key; raises ProofFileRefused above 255."""
    module, table = map(int, claim.table.split("/"))
    if module > 255 or table > 255:
        raise ProofFileRefused("a table is two numbers of at most 255")
    return bytes([module, table]) + claim.key


def _build(network: bytes, anchor: FileAnchor, claim: Claim) -> bytes:
    data = _text(ProofFile(anchor=anchor, claim=claim, format=FORMAT, network=network.hex()))
    if len(data) > PROOF_FILE_BYTES_MAX:
        raise ProofFileRefused(
            f"expected at most {PROOF_FILE_BYTES_MAX} bytes, found {len(data)}: prove a smaller"
            " part, such as one message or event"
        )
    return data


def _text(file: ProofFile) -> bytes:
    return (json.dumps(msgspec.to_builtins(file), sort_keys=True, indent=2) + "\n").encode()


def _split(state_key: bytes) -> tuple[str, bytes]:
    return f"{state_key[0]}/{state_key[1]}", state_key[2:]
