"""
The machine's vectors, made anew: `python -m tests.support.machine_vectors` writes the files.

A test holds the files to what is made here, and the values of `ledger.md` §10 (with correction 18)
to both, so that neither can drift alone.
"""

import json
from pathlib import Path
from typing import Any

from salus.base import codec
from salus.base.envelope import Envelope
from salus.base.hashing import sha256
from salus.base.signing import SigningKey, member_id
from salus.machine.block import Block, seal, seal_genesis
from salus.machine.execute import Machine
from salus.machine.nonces import NEW, spend
from salus.machine.tables import KEY, NONCE, Key
from salus.machine.transaction import sign
from salus.modules.audit.messages import RecordLine
from salus.modules.audit.module import MODULE
from salus.modules.audit.state import TERM, Term

FOLDER = Path(__file__).parents[1] / "vectors"
NETWORK = sha256(b"test chain")
ACTOR = SigningKey(b"\x07" * 32)
LINE = RecordLine(activity=2, node=1, ref=7, resource=3, time_ms=1_522_000_002_801, user=5)
UNTIL_MS = 1_764_000_060_000
GENESIS_MS = 1_764_000_000_000
BLOCK_MS = 1_764_000_000_500
VIEW = {TERM.key(1, 2): TERM.encode(Term(text="VIEW_RESOURCE"))}
OTHERS = {
    TERM.key(2, 3): TERM.encode(Term(text="FILE")),
    KEY.key(ACTOR.key_id): KEY.encode(
        Key(key=ACTOR.public, member=member_id(ACTOR.public), from_ms=0)
    ),
}
"""Rows the block needs to be executed, but which do not stand in the anchor's state."""


def vectors() -> dict[str, dict[str, Any]]:
    """File below `tests/vectors` -> contents."""
    return {"tx/anchor.json": _transaction(), "block/anchor.json": _block(), **_nonces()}


def write() -> None:
    """Write all files."""
    for name, contents in vectors().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(contents, indent=1) + "\n")


def _transaction() -> dict[str, Any]:
    data = sign(NETWORK, ACTOR, [LINE], nonce=0, until_ms=UNTIL_MS)
    read = Machine([MODULE]).form.read(data)
    twin = Envelope(body=read.body, key=read.key, sig=b"\x01" + bytes(64))
    return {
        "suite": "tx",
        "source": "ledger.md §3.2 and the anchor of §10",
        "network": NETWORK.hex(),
        "seed": ACTOR.seed.hex(),
        "key": ACTOR.public.hex(),
        "key_id": ACTOR.key_id.hex(),
        "member": member_id(ACTOR.public).hex(),
        "message": read.message_bytes[0].hex(),
        "nonce": 0,
        "until_ms": UNTIL_MS,
        "body": read.body.hex(),
        "envelope": data.hex(),
        "hash": read.hash.hex(),
        "id": read.id.hex(),
        "refused": {
            "cut": data[:-1].hex(),
            "longer": (data + b"\x00").hex(),
            "longer header": (data[:1] + b"\xd9\x04" + data[2:]).hex(),
            "no signature": codec.encode(twin).hex(),
        },
    }


def _block() -> dict[str, Any]:
    data = sign(NETWORK, ACTOR, [LINE], nonce=0, until_ms=UNTIL_MS)
    block = Block(evidence=[], height=1, time_ms=BLOCK_MS, txs=[data])
    before = {**VIEW, **OTHERS}
    outcome = Machine([MODULE]).execute(NETWORK, before.get, block)
    genesis = seal_genesis(NETWORK, bytes(32), GENESIS_MS)
    after = {key: value for key, value in outcome.changes.items() if value is not None}
    state = tree_root({**VIEW, **after})
    sealed = seal(outcome, state, genesis.frontier)
    return {
        "suite": "block",
        "source": "ledger.md §3.3, §3.4 and the anchor of §10 with correction 18",
        "rows": {key.hex(): value.hex() for key, value in sorted({**VIEW, **after}.items())},
        "receipt": {"code": 0, "events": [one.hex() for one in outcome.receipts[0].events]},
        "entries": [one.hex() for one in (*genesis.entries, *sealed.entries)],
        "state_root": state.hex(),
        "log_size": sealed.log_size,
        "log_root": sealed.log_root.hex(),
        "app_hash": sealed.app_hash.hex(),
    }


def _nonces() -> dict[str, dict[str, Any]]:
    steps = []
    window = NEW
    for nonce in (0, 2, 1, 10, 258, 256, 70, 65_500, 65_600):
        window = spend(window, nonce)
        steps.append({"nonce": nonce, "floor": window.floor, "bits": window.bits.hex()})
    return {
        "tx/nonces.json": {
            "suite": "tx",
            "source": "ledger.md §3.2: the window after each nonce; every second use is refused",
            "steps": steps,
            "row": NONCE.encode(window).hex(),
        }
    }


def tree_root(rows: dict[bytes, bytes]) -> bytes:
    """The state root by its definition (`ledger.md` §3.3), the slow and plain way."""
    leaves = [
        (path := sha256(b"\x12" + key), sha256(b"\x10" + path + sha256(b"\x13" + value)))
        for key, value in rows.items()
    ]
    return _subtree(leaves, 0)


def _subtree(leaves: list[tuple[bytes, bytes]], depth: int) -> bytes:
    if not leaves:
        return bytes(32)
    if len(leaves) == 1:
        return leaves[0][1]
    sides: tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]] = ([], [])
    for path, leaf in leaves:
        sides[path[depth // 8] >> (7 - depth % 8) & 1].append((path, leaf))
    return sha256(b"\x11" + _subtree(sides[0], depth + 1) + _subtree(sides[1], depth + 1))


if __name__ == "__main__":
    write()
