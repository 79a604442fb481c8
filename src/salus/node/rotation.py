"""
One key of a member replaced by another: made, put on the ledger, then put in the old one's place.

    NAME.key.next    the new key until the ledger has it; a rotation that broke off goes on with it

The old key counts until it is retired, so nothing of its member is refused in between. A service
key brings its certificate: both are on the ledger before anybody meets them.
"""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from salus.base import keyfile
from salus.base.errors import Category, Problem
from salus.base.signing import SigningKey
from salus.machine.module import Message
from salus.modules.members import rules
from salus.modules.members.messages import AddKey, RetireKey, SetAddress
from salus.modules.members.state import NODE
from salus.node import tls
from salus.node.comet.home import CometHome
from salus.node.keys import NAMED, Use, load_keys, read_secret
from salus.node.settings import Place
from salus.node.small_file import write_whole

NEXT = ".next"


class Rotatable(enum.Enum):
    """Keys that a command replaces; a log key stays, since trust files name it."""

    TRANSACTION = "transaction"
    SERVICE = "service"
    NODE = "node"

    @property
    def use(self) -> int:
        """The use on the ledger."""
        return NODE if self is Rotatable.NODE else int(Use[self.name])


@dataclass(frozen=True)
class Known:
    """What the ledger says of the member."""

    network: bytes
    live: Sequence[bytes]
    """Its live keys of the use, newest first; 33 B each."""

    certificates: Sequence[bytes]
    """DER, at most two."""


class Rotation:
    """Of one use of one member."""

    def __init__(self, place: Place, kind: Rotatable, passphrase: bytes | None) -> None:
        """`passphrase`: None for a demo's keys. Raises as `load_keys`, and Problem NoNetwork."""
        self._place = place
        self._kind = kind
        self._passphrase = passphrase
        self._folder = place.path(place.settings.member.keys)
        self._is_demo = place.settings.member.demo_keys
        self.keys = load_keys(self._folder, passphrase=passphrase, demo=self._is_demo)

    def new_key(self, known: Known) -> SigningKey:
        """The key that is to come; made at the first call. A node key that is not known yet is."""
        if self._kind is not Rotatable.NODE:
            return SigningKey(self._next_secret())
        home = self._home()
        if home.has_node_key() and home.node_key().public not in known.live:
            return home.node_key()
        return home.next_key()

    def messages(self, known: Known, now_ms: int) -> Iterator[Message]:
        """What the ledger must hear before the key is used; nothing if it heard it before."""
        key, use = self.new_key(known), self._kind.use
        if key.public not in known.live:
            signed = rules.add_key_bytes(known.network, self.keys.member, use, key.public)
            yield AddKey(use=use, key=key.public, proof=key.sign(signed))
        if self._kind is Rotatable.SERVICE:
            made = self._certificate(key, now_ms)
            if made not in known.certificates:
                url = self._place.settings.peer_door.url
                yield SetAddress(address=url, certificates=[*known.certificates[:1], made])

    def take(self) -> None:
        """Put the new key in the old one's place: the ledger has it."""
        if self._kind is Rotatable.NODE:
            return
        if self._kind is Rotatable.TRANSACTION:
            write_whole(self._folder / NAMED, self.keys.member.hex().encode())
        self._next_file.replace(self._file)

    def retirements(self, known: Known) -> list[RetireKey]:
        """Messages that end all live keys of the use but the present one."""
        present = self._present()
        if present not in known.live:
            raise Problem(
                Category.CONFLICT,
                "KeyNotOnLedger",
                f"expected the present {self._kind.value} key among the member's live ones: run "
                f"`salus keys rotate {self._kind.value}` first, or wait until the node took it",
            )
        return [RetireKey(use=self._kind.use, key=key) for key in known.live if key != present]

    def _present(self) -> bytes:
        match self._kind:
            case Rotatable.TRANSACTION:
                return self.keys.transaction.public
            case Rotatable.SERVICE:
                return self.keys.service.public
            case Rotatable.NODE:
                return self._home().node_key().public

    def _certificate(self, key: SigningKey, now_ms: int) -> bytes:
        """The new key's certificate, kept beside the keys as the node's own are."""
        found = tls.OwnCertificates(self._folder, key, self.keys.member, now_ms)
        return found.serving([])

    def _next_secret(self) -> bytes:
        path, use = self._next_file, self._kind.use
        if not path.exists():
            seed = SigningKey.random().seed
            sealed = (
                keyfile.lock_demo(seed, use)
                if self._passphrase is None
                else keyfile.lock(seed, use, self._passphrase)
            )
            write_whole(path, sealed)
        return read_secret(path, use, self._passphrase, demo=self._is_demo)

    def _home(self) -> CometHome:
        home = self._place.comet
        if home is None:
            raise Problem(
                Category.CONFLICT,
                "NoNetwork",
                "expected a [comet] table in the configuration: a node key is for CometBFT",
            )
        return home

    @property
    def _file(self) -> Path:
        return self._folder / Use[self._kind.name].file_name

    @property
    def _next_file(self) -> Path:
        return self._file.with_name(self._file.name + NEXT)
