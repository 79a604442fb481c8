"""What a test network is made of: a clock, a member's node, a patient, a grant."""

from dataclasses import dataclass

from salus.base.signing import SigningKey
from salus.client.wallet import CompartmentKeys, Wallet
from salus.node.peers import Identity, PeerDoor
from salus.node.vault.vault import Vault
from salus.node.witness.shares import ShareStore
from salus.node.witness.witness import Witness
from salus.sealed.grants import Terms
from salus.sealed.release import ShownTerms
from salus.sealed.sheet import Sheet


class StillClock:
    """A clock that stands where the test puts it."""

    def __init__(self, now_ms: int) -> None:
        """`now_ms`: what it shows."""
        self.time_ms = now_ms

    def now_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return self.time_ms

    def monotonic(self) -> float:
        """The same in seconds."""
        return self.time_ms / 1_000


@dataclass
class TestNode:
    """What one member runs, but for an engine."""

    __test__ = False

    identity: Identity
    shares: ShareStore
    vault: Vault
    witness: Witness
    door: PeerDoor

    def close(self) -> None:
        """Close all three."""
        self.vault.close()
        self.witness.close()
        self.shares.close()


@dataclass
class Patient:
    """A wallet with one registered, sheeted tag a compartment used."""

    wallet: Wallet
    tags: dict[int, CompartmentKeys]
    sheets: dict[int, Sheet]
    link_until_ms: int

    def control(self, compartment: int) -> SigningKey:
        """The control key of one tag."""
        return self.tags[compartment].control(0)

    def tag(self, compartment: int) -> bytes:
        """The tag's name."""
        return self.tags[compartment].tag


@dataclass
class Granted:
    """A grant on the ledger, with what a reader shows."""

    grant: bytes
    key: SigningKey
    terms: Terms
    shown: ShownTerms
