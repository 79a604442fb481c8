"""The anchor of `ledger.md` §10 with corrections 18: entries, log root, app hash, a proof."""

from hashlib import sha256

from salus.base import codec, merkle, note, proof_file
from salus.base.entry import BlockEntry, GenesisEntry, TransactionEntry
from salus.base.envelope import Envelope, signed_bytes, transaction_id
from salus.base.hashing import domain_hash, u64
from salus.base.note import Checkpoint, Signer
from salus.base.signing import SigningKey, member_id
from salus.client.trust import Trust
from salus.client.verify import describe, verify
from tests.support.proof_log import state_root

NETWORK = sha256(b"test chain").digest()
KEY = SigningKey(b"\x07" * 32)
TERM_KEY = bytes([9, 1, 1, 0, 2])
MESSAGE = codec.encode(
    {
        "activity": 2,
        "do": "audit.record_line",
        "node": 1,
        "ref": 7,
        "resource": 3,
        "time_ms": 1522000002801,
        "user": 5,
    }
)
EVENT = codec.encode({"event": "audit.line_recorded", "line": 1})


def rows() -> dict[bytes, bytes]:
    """The three rows: nonce window, author's lines, a term."""
    return {
        bytes([0, 2]) + KEY.key_id: codec.encode({"bits": bytes(32), "floor": 1}),
        bytes([9, 2]) + KEY.key_id: codec.encode({"lines": 1}),
        TERM_KEY: codec.encode({"text": "VIEW_RESOURCE"}),
    }


def envelope() -> bytes:
    """The transaction that records the line."""
    body = codec.encode(
        {"messages": [codec.decode_loose(MESSAGE, dict)], "nonce": 0, "until_ms": 1764000060000}
    )
    signature = KEY.sign(signed_bytes(NETWORK, KEY.public, body))
    return codec.encode(Envelope(body=body, key=KEY.public, sig=signature))


def entries() -> list[bytes]:
    """Genesis, transaction, block."""
    genesis = GenesisEntry(network=NETWORK, state=bytes(32), time_ms=1764000000000)
    transaction = TransactionEntry(
        code=0,
        event_count=1,
        events=merkle.root([EVENT]),
        height=1,
        message_count=1,
        messages=merkle.root([MESSAGE]),
        signer=KEY.key_id,
        time_ms=1764000000500,
        tx=sha256(envelope()).digest(),
    )
    block = BlockEntry(
        events=merkle.root([]),
        height=1,
        state=state_root(rows()),
        time_ms=1764000000500,
        transactions=1,
    )
    return [codec.encode(entry) for entry in (genesis, transaction, block)]


def test_keys_envelope_and_ids_are_the_anchor_s() -> None:
    """Key id, member id, envelope size, tx hash and id as published."""
    opened = codec.decode(envelope(), Envelope)

    assert KEY.key_id.hex() == "f197986bc4f178d5fb097ac82982b1b3"
    assert member_id(KEY.public).hex() == "b5c4ce183d856318e33e3fb5357a7a6a"
    assert len(envelope()) == 230
    assert sha256(envelope()).hexdigest() == (
        "47eae4f30978f92d49e14388d27370ecda3a028ad0fbfbfa90cd2e62d1cf456c"
    )
    assert transaction_id(opened.key, opened.body).hex() == (
        "518412ee0709cae68a7eec14bc285ee70b5106f480825b385752c2968ca0329a"
    )


def test_roots_and_app_hash_are_the_anchor_s() -> None:
    """State root of §10; log root and app hash of corrections 18."""
    log_root = merkle.root(entries())
    app_hash = domain_hash("app", u64(3), log_root, state_root(rows()))

    assert state_root(rows()).hex() == (
        "4219fad1e3049204411b55391f2b6e45ed13064b01bb9750de23c344de08cc48"
    )
    assert log_root.hex() == "7bf85d9826fb31f2920d0310731e49b776ed2cccce66fb07a745555eba4af5d0"
    assert app_hash.hex() == "9ffbd47aca5b075374a3f0c3b0fd2d706f931077704522ab81242afcc6f6e624"


def test_the_anchor_s_proof_reads_as_specified() -> None:
    """The line of `ledger.md` §6, here with one member and its operator's cosignature."""
    member = Signer(note.origin(NETWORK, member_id(KEY.public)), KEY)
    signed = note.sign(Checkpoint(member.name, 3, merkle.root(entries())), member)
    signed = signed.add(note.cosign(signed, member, 1764000001))
    hashes = [merkle.leaf_hash(entry) for entry in entries()]
    anchor = proof_file.note_anchor(entries()[1], 1, merkle.path_of_hashes(hashes, 1), signed.text)
    policy = (
        f"log {member.public(note.LOG).text}\n"
        f"witness site1 {member.public(note.COSIGNER).text}\nquorum site1\n"
    )
    file = proof_file.build_transaction(NETWORK, anchor, envelope())

    assert describe(verify(file, Trust.of(NETWORK, policy))) == (
        "ok  transaction 518412ee… done in block 1, 2025-11-24T16:00:00.500Z, by key f197986b…;"
        " log size 3, 1 of 1 cosigned (quorum 1)"
    )
