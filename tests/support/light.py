"""What a member's light route says, put there by a test: a block's hash, and who its node is."""

import json

from salus.base import codec
from salus.node.comet.light import LightAsked

HASH, OTHER = "AB" * 32, "CD" * 32


class Light:
    """What a member's light route says of a block, and who its node is."""

    def __init__(self, number: int) -> None:
        self.block: str | None = HASH
        self.node = f"{number:02x}" * 20

    def answer(self, _sender: bytes, body: bytes) -> bytes:
        asked = codec.decode(body, LightAsked)
        if asked.method == "status":
            return result({"node_info": {"id": self.node}, "sync_info": {}})
        if self.block is None:
            return b'{"jsonrpc":"2.0","id":-1,"error":{"code":1,"message":"no such block"}}'
        parts = {"total": 1, "hash": OTHER}
        commit = {
            "height": str(asked.height), "round": 0, "signatures": [],
            "block_id": {"hash": self.block, "parts": parts},
        }  # fmt: skip
        return result({"signed_header": {"header": header(asked.height), "commit": commit}})


def header(height: int) -> dict[str, object]:
    """CometBFT's, whose hashes nobody looks at here."""
    names = (
        "last_commit_hash", "data_hash", "validators_hash", "next_validators_hash",
        "consensus_hash", "app_hash", "last_results_hash", "evidence_hash", "proposer_address",
    )  # fmt: skip
    nothing = {"hash": "", "parts": {"total": 0, "hash": ""}}
    return {
        "version": {"block": "11"}, "chain_id": "salus-0", "height": str(height),
        "time": "2026-01-01T00:00:00Z", "last_block_id": nothing, **dict.fromkeys(names, ""),
    }  # fmt: skip


def result(value: object) -> bytes:
    """As CometBFT answers."""
    return json.dumps({"jsonrpc": "2.0", "id": -1, "result": value}).encode()
