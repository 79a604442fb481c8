"""
The folder CometBFT runs in: its settings, keys and genesis file, written by us.

    config/config.toml            rewritten at each start: only what differs from its defaults
    config/genesis.json           made once, equal at all members
    config/priv_validator_key.json, config/node_key.json      the node key (use 6), made once
    data/                         CometBFT's own: blocks, state, votes signed so far

Both key files hold the one node key of the members' table, so that who may vote and who may connect
stand in one place. It signs votes (over 40 bytes, begun by their length) and the handshake's
challenge (32 bytes): neither can pass for the other.
"""

import base64
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from salus.base.errors import Category, Problem
from salus.base.hashing import sha256
from salus.base.limits import BLOCK_BYTES_MAX, TRANSACTION_BYTES_MAX
from salus.base.signing import SigningKey
from salus.machine.tables import META
from salus.node.comet import validators
from salus.node.comet.nodes import newest_names
from salus.node.comet.waiting import TRANSACTIONS_MAX
from salus.node.ledger import Ledger
from salus.node.small_file import write_whole

BLOCK_OVERHEAD_BYTES = 64 * 1024
"""A block's header, commit and evidence, beside its transactions."""

EVIDENCE_BYTES_MAX = 32 * 1024

HEARTBEAT_S = 15
"""An empty block so often. A block's time is that of the votes before it, so a tip is never older
than two heartbeats: 30 s, as the embedded engine keeps it."""

RPC_BATCH_MAX = 100
"""Transactions handed over in one call."""

NEWEST_VOTE = "priv_validator_state.json"
"""In `data/`: what the node key signed last. Lost or old, a node may vote twice."""

Settings = dict[str, dict[str, object]]
"""Values by section and name."""

KEY_TYPE = "tendermint/PubKeyEd25519"
SECRET_TYPE = "tendermint/PrivKeyEd25519"  # noqa: S105 (a type's name)


@dataclass(frozen=True)
class CometHome:
    """Where CometBFT lives and whom it talks to."""

    folder: Path
    """The member's own; made if new."""

    listen: str
    """`host:port` at which other members' nodes connect."""

    peers: tuple[str, ...] = ()
    """Other nodes, each `<node id>@<host:port>`, by whatever node key they had when noted."""

    @property
    def abci_socket(self) -> Path:
        """Where the App is served."""
        return self.folder / "run" / "abci.sock"

    @property
    def rpc_socket(self) -> Path:
        """Where CometBFT takes transactions: in a folder that only its owner may enter."""
        return self.folder / "run" / "rpc.sock"

    @property
    def temporary(self) -> Path:
        """Where CometBFT keeps the chunks it fetches while it syncs."""
        return self.folder / "run" / "chunks"

    def has_node_key(self) -> bool:
        """Whether a node key was made or put here."""
        return self._key_file.exists()

    def node_key(self) -> SigningKey:
        """The node key; a new one is made at the first call, unless one was put here before."""
        if not self.has_node_key():
            self.put_key(SigningKey.random())
        secret = json.loads(self._key_file.read_text())["priv_key"]["value"]
        return SigningKey(base64.b64decode(secret)[:32])

    def check_node_key(self) -> None:
        """Raise Problem NodeKeyMissing unless one is here: a new one would be nobody's."""
        if not self.has_node_key() and not self.has_next_key():
            raise Problem(
                Category.NOT_FOUND,
                "NodeKeyMissing",
                f"expected this member's node key in {self.folder.name}/config: put its copy back, "
                "or have the members vote in another (`members.replace_keys`)",
            )

    def next_key(self) -> SigningKey:
        """The node key that is to follow, made at the first call; it acts once the ledger says."""
        path = self._next_file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_whole(path, SigningKey.random().seed)
        return SigningKey(path.read_bytes())

    def has_next_key(self) -> bool:
        """Whether a node key waits to follow the present one."""
        return self._next_file.exists()

    def change_key(self) -> None:
        """
        Put the next node key in the present one's place, of a stopped CometBFT.

        The old key goes first: after a crash in between there is none, never an old key whose
        newest vote is forgotten; the next call goes on.
        """
        key = self.next_key()
        self._key_file.unlink(missing_ok=True)
        self.put_key(key)
        self._next_file.unlink()

    def chain(self) -> str | None:
        """What CometBFT's genesis file here calls the network; None before the first start."""
        path = self._genesis_file
        return str(json.loads(path.read_bytes())["chain_id"]) if path.exists() else None

    def forget_blocks(self) -> None:
        """
        Remove all but the keys and the newest vote, of a stopped node.

        With an empty ledger it then takes every block from the others; with the newest vote kept
        it cannot vote twice.
        """
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in sorted(data.iterdir()):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != NEWEST_VOTE:
                path.unlink()

    def put_key(self, key: SigningKey) -> None:
        """Write the files that hold a new node key; it has not signed any vote elsewhere."""
        config, data = self.folder / "config", self.folder / "data"
        for folder in (config, data):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        secret = {"type": SECRET_TYPE, "value": _base64(key.seed + key.public[1:])}
        validator = {
            "address": validators.node_id(key.public).upper(),
            "pub_key": {"type": KEY_TYPE, "value": _base64(key.public[1:])},
            "priv_key": secret,
        }
        nothing_voted = {"height": "0", "round": 0, "step": 0}
        write_whole(data / NEWEST_VOTE, json.dumps(nothing_voted).encode())
        write_whole(config / "node_key.json", json.dumps({"priv_key": secret}).encode())
        write_whole(self._key_file, json.dumps(validator).encode())

    def write(self, ledger: Ledger, more: Settings | None = None) -> None:
        """
        Write the settings, and the genesis file if there is none: call before each start.

        `more`: further sections, for a start that is to sync.
        """
        if self.has_next_key() and not self.has_node_key():
            self.change_key()
        self.node_key()
        (self.folder / "run").mkdir(exist_ok=True, mode=0o700)
        self.temporary.mkdir(exist_ok=True, mode=0o700)
        if not self._genesis_file.exists():
            write_whole(self._genesis_file, genesis_document(ledger))
        settings = self._settings(newest_names(ledger.view(), self.peers), more)
        write_whole(self.folder / "config" / "config.toml", settings.encode())

    @property
    def _next_file(self) -> Path:
        return self.folder / "config" / "next_node.key"

    @property
    def _key_file(self) -> Path:
        return self.folder / "config" / "priv_validator_key.json"

    @property
    def _genesis_file(self) -> Path:
        return self.folder / "config" / "genesis.json"

    def _settings(self, peers: Sequence[str], more: Settings | None = None) -> str:
        return "".join(
            (f"[{section}]\n" if section else "")
            + "".join(f"{name} = {_toml(value)}\n" for name, value in values.items())
            for section, values in {**self._values(peers), **(more or {})}.items()
        )

    def _values(self, peers: Sequence[str]) -> Settings:
        return {
            "": {
                "proxy_app": f"unix://{self.abci_socket}",
                "moniker": "salus",
                "log_level": "error",
                "filter_peers": True,
            },
            "rpc": {
                "laddr": f"unix://{self.rpc_socket}",
                # `dial_peers`, for redial.py; only the folder's owner reaches the socket.
                "unsafe": True,
                "max_request_batch_size": RPC_BATCH_MAX,
                "max_body_bytes": RPC_BATCH_MAX * TRANSACTION_BYTES_MAX * 4 // 3 + 1_000_000,
            },
            "p2p": {
                "laddr": f"tcp://{self.listen}",
                "persistent_peers": ",".join(peers),
                "pex": False,
                # Members may stand behind one address; who they are is proved by their keys.
                "allow_duplicate_ip": True,
                "addr_book_strict": False,
                "flush_throttle_timeout": "10ms",
                "send_rate": 50_000_000,
                "recv_rate": 50_000_000,
                "persistent_peers_max_dial_period": "5s",
            },
            "mempool": {
                "type": "flood",
                "recheck": True,
                # More than the App lets in: it refuses first, and tells the caller.
                "size": 2 * TRANSACTIONS_MAX,
                "max_tx_bytes": TRANSACTION_BYTES_MAX,
                "cache_size": 4 * TRANSACTIONS_MAX,
            },
            "consensus": {
                "create_empty_blocks": False,
                "create_empty_blocks_interval": f"{HEARTBEAT_S}s",
                # A member that is down costs the block it should propose these waits; each round
                # that fails adds half a second, so slow lines get their time. A proposal leaves in
                # half of the first one (`pace`).
                "timeout_propose": "1s",
                "timeout_prevote": "300ms",
                "timeout_precommit": "300ms",
                "timeout_commit": "100ms",
                "skip_timeout_commit": True,
                "peer_gossip_sleep_duration": "10ms",
                # A node may start again at once: what it voted stands in data/. With a number here
                # a network that stopped as a whole would never start again.
                "double_sign_check_height": 0,
            },
            "storage": {"discard_abci_responses": True},
            "tx_index": {"indexer": "null"},
        }


def genesis_document(ledger: Ledger) -> bytes:
    """CometBFT's genesis file for a ledger at the tip that the first network block follows."""
    view = ledger.view()
    meta = view.read(META)
    document = {
        "genesis_time": _rfc3339(ledger.tip.time_ms),
        "chain_id": f"salus-{ledger.network.hex()[:16]}",
        "initial_height": str(1 if meta is None else meta.initial_height),
        "consensus_params": {
            "block": {"max_bytes": str(BLOCK_BYTES_MAX + BLOCK_OVERHEAD_BYTES), "max_gas": "-1"},
            "evidence": {
                "max_age_num_blocks": "100000",
                "max_age_duration": str(48 * 3600 * 10**9),
                "max_bytes": str(EVIDENCE_BYTES_MAX),
            },
            "validator": {"pub_key_types": ["ed25519"]},
            "version": {"app": "0"},
            "abci": {"vote_extensions_enable_height": "0"},
        },
        "validators": [
            {
                "address": sha256(one.pub_key.ed25519)[:20].hex().upper(),
                "pub_key": {"type": KEY_TYPE, "value": _base64(one.pub_key.ed25519)},
                "power": str(one.power),
                "name": "",
            }
            for one in validators.validators(view)
        ],
        "app_hash": "",
        "app_state": {"height": ledger.tip.height, "network": ledger.network.hex()},
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def _toml(value: object) -> str:
    # A TOML basic string, number or boolean is written as in JSON.
    return json.dumps(value)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _rfc3339(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03}Z"
