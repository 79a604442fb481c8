"""
A small log in memory, with members, cosignatures and state: the other side of the verifier.

It makes honest proofs, and, asked for it, whatever a lying member could sign.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from hashlib import sha256

from salus.base import codec, merkle, note, proof_file
from salus.base.entry import BlockEntry, Entry, GenesisEntry, TransactionEntry
from salus.base.envelope import Envelope, signed_bytes
from salus.base.note import Checkpoint, Note, Signer
from salus.base.policy import default_policy
from salus.base.proof_file import NoteAnchor
from salus.base.signing import SigningKey
from salus.client.trust import Trust
from salus.state import proof as state_proof

NETWORK = sha256(b"a network of tests").digest()
START_MS = 1_764_000_000_000
COSIGNED_S = 1_764_000_100


def signers(count: int, network: bytes = NETWORK, salt: int = 1) -> list[Signer]:
    """Members' log keys, made of counted seeds."""
    keys = [SigningKey(bytes([salt]) * 31 + bytes([number])) for number in range(count)]
    return [Signer(note.origin(network, key.key_id), key) for key in keys]


def trust_of(members: Sequence[Signer], network: bytes = NETWORK) -> Trust:
    """The default trust in these members."""
    keys = {bytes.fromhex(member.name[-32:]): member.key.public for member in members}
    return Trust.of(network, default_policy(network, keys))


@dataclasses.dataclass(frozen=True)
class Sent:
    """One transaction as the log has it."""

    envelope: bytes
    messages: Sequence[bytes]
    events: Sequence[bytes]
    index: int


class ProofLog:
    """A log of entries; entry 0 is the genesis."""

    def __init__(self, members: Sequence[Signer], network: bytes = NETWORK) -> None:
        """Start with the genesis entry."""
        self.members = members
        self.network = network
        self.entries: list[bytes] = []
        self.height = 0
        self.key = SigningKey(b"\x07" * 32)
        self.add(GenesisEntry(network=network, state=bytes(32), time_ms=START_MS))

    def add(self, entry: Entry) -> int:
        """Append an entry; its index."""
        self.entries.append(codec.encode(entry))
        return len(self.entries) - 1

    def transact(
        self,
        messages: Sequence[bytes],
        events: Sequence[bytes] = (),
        *,
        code: int = 0,
        signed_for: bytes | None = None,
    ) -> Sent:
        """Append a transaction in a block to come; `signed_for`: the network its key signed."""
        body = codec.encode({"messages": list(messages), "nonce": len(self.entries)})
        signed = signed_bytes(signed_for or self.network, self.key.public, body)
        envelope = codec.encode(Envelope(body=body, key=self.key.public, sig=self.key.sign(signed)))
        readable = not 1 <= code <= 8
        entry = TransactionEntry(
            code=code,
            event_count=len(events),
            events=merkle.root(events),
            height=self.height + 1,
            message_count=len(messages) if readable else 0,
            messages=merkle.root(messages if readable else []),
            signer=self.key.key_id if readable else bytes(16),
            time_ms=START_MS + self.height + 1,
            tx=sha256(envelope).digest(),
        )
        return Sent(envelope, messages, events, self.add(entry))

    def block(self, rows: Mapping[bytes, bytes], transactions: int = 1) -> int:
        """Append the entry that ends a block, with the root of these rows; its index."""
        self.height += 1
        return self.add(
            BlockEntry(
                events=merkle.root([]),
                height=self.height,
                state=state_root(rows),
                time_ms=START_MS + self.height,
                transactions=transactions,
            )
        )

    def hashes(self, size: int | None = None) -> list[bytes]:
        """Leaf hashes of the first `size` entries."""
        return [merkle.leaf_hash(entry) for entry in self.entries[:size]]

    def note(
        self, size: int | None = None, *, by: Signer | None = None, cosigners: int = 3
    ) -> Note:
        """The note of the first member (or `by`) at a size, cosigned by the first members."""
        hashes = self.hashes(size)
        signer = by or self.members[0]
        signed = note.sign(
            Checkpoint(signer.name, len(hashes), merkle.root_of_hashes(hashes)), signer
        )
        for cosigner in self.members[:cosigners]:
            signed = signed.add(note.cosign(signed, cosigner, COSIGNED_S))
        return signed

    def anchor(self, index: int, signed: Note | None = None) -> NoteAnchor:
        """The proof's end for an entry, under a note (by default of the whole log)."""
        signed = signed or self.note()
        path = merkle.path_of_hashes(self.hashes(signed.checkpoint.size), index)
        return proof_file.note_anchor(self.entries[index], index, path, signed.text)


def path(leaves: Sequence[bytes], position: int) -> list[bytes]:
    """The inclusion path of a message or event."""
    return merkle.path_of_hashes([merkle.leaf_hash(leaf) for leaf in leaves], position)


def consistency(hashes: Sequence[bytes], old_size: int) -> list[bytes]:
    """RFC 6962 §2.1.2, by its recursive definition: PROOF(m, D[n])."""
    return _subproof(hashes, old_size, whole=True) if 0 < old_size < len(hashes) else []


def state_root(rows: Mapping[bytes, bytes]) -> bytes:
    """Root of the state tree by its recursive definition."""
    return _subtree(sorted((state_proof.path_of(key), value) for key, value in rows.items()), 0)


def state_proof_of(rows: Mapping[bytes, bytes], state_key: bytes) -> bytes:
    """The proof that a row is, or is not, among these."""
    leaves = sorted((state_proof.path_of(key), value) for key, value in rows.items())
    target = state_proof.path_of(state_key)
    siblings: list[bytes] = []
    while len(leaves) > 1:
        level = len(siblings)
        bit = _bit(target, level)
        siblings.append(
            _subtree([leaf for leaf in leaves if _bit(leaf[0], level) != bit], level + 1)
        )
        leaves = [leaf for leaf in leaves if _bit(leaf[0], level) == bit]
    kind, other = state_proof.Kind.EMPTY, None
    if leaves and leaves[0][0] == target:
        kind = state_proof.Kind.PRESENT
    elif leaves:
        kind = state_proof.Kind.OTHER_LEAF
        other = (leaves[0][0], state_proof.value_hash_of(leaves[0][1]))
    return state_proof.Proof(kind, siblings, other).encode()


def _subproof(hashes: Sequence[bytes], old_size: int, *, whole: bool) -> list[bytes]:
    if old_size == len(hashes):
        return [] if whole else [merkle.root_of_hashes(hashes)]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    left, right = hashes[:split], hashes[split:]
    if old_size <= split:
        proof = _subproof(left, old_size, whole=whole)
        return [*proof, merkle.root_of_hashes(right)]
    proof = _subproof(right, old_size - split, whole=False)
    return [*proof, merkle.root_of_hashes(left)]


def _subtree(leaves: Sequence[tuple[bytes, bytes]], level: int) -> bytes:
    if not leaves:
        return state_proof.EMPTY
    if len(leaves) == 1:
        place, value = leaves[0]
        return state_proof.leaf_of(place, state_proof.value_hash_of(value))
    sides = [[leaf for leaf in leaves if _bit(leaf[0], level) == bit] for bit in (0, 1)]
    return state_proof.node_of(_subtree(sides[0], level + 1), _subtree(sides[1], level + 1))


def _bit(place: bytes, level: int) -> int:
    return place[level // 8] >> (7 - level % 8) & 1
