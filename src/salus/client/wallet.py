"""
One person's keys, all from one root (`patient-control.md` §3.1).

    root ── compartment 0–15, or a share tag ── tag, control keys, owner keys, generation roots
         ── a grant's key, an escrow's stop key, a proxy's delegate keys, the box

A member's house tags are the same, from the member's own root. Nothing here reads or writes.
"""

import enum
import os

from salus.base.hashing import u8, u32
from salus.base.sealing import SealingKey, derive
from salus.base.signing import SigningKey
from salus.sealed.days import (
    DAY_MAX,
    ROOT_LEVEL,
    Node,
    WindowSeeds,
    descend,
    slot_secret,
    window_seeds,
)
from salus.sealed.sheet import Sheet, make_sheet

TAG_BYTES = 16


class Compartment(enum.IntEnum):
    """The kinds of a patient's data that are shared apart; the number enters the keys."""

    IDENTITY = 0
    EMERGENCY = 1
    PROBLEMS = 2
    MEDICINES = 3
    LABS = 4
    IMAGING = 5
    NOTES = 6
    IMMUNISATIONS = 7
    VITALS = 8
    VISITS = 9
    DOCUMENTS = 10
    BILLING = 11
    MENTAL = 12
    SUBSTANCE = 13
    SEXUAL = 14
    GENETIC = 15


class Wallet:
    """The keys of one root; the root leaves the object only by `root`."""

    def __init__(self, root: bytes) -> None:
        """Open the wallet of a root; 32 random bytes."""
        self.root = root

    @classmethod
    def random(cls) -> "Wallet":
        """A new wallet from the system's randomness."""
        return cls(os.urandom(32))

    def compartment(self, number: int) -> "CompartmentKeys":
        """The keys of one compartment; 0–15, a `Compartment` as a rule."""
        return CompartmentKeys(derive(self.root, "compartment", u8(number)))

    def share(self, share: bytes) -> "CompartmentKeys":
        """The keys of a share tag, made for exactly some records; `share`: 16 random bytes."""
        return CompartmentKeys(derive(self.root, "share", share))

    def grant_key(self, grant: bytes) -> SigningKey:
        """Signs PutGrant and RevokeGrant of one grant (16 B); unlinkable to tags."""
        return SigningKey(derive(self.root, "grant", grant))

    def stop_key(self, escrow: bytes) -> SigningKey:
        """Vetoes one escrow (16 B)."""
        return SigningKey(derive(self.root, "stop", escrow))

    def delegate_key(self, tag: bytes) -> SigningKey:
        """This person's key as a proxy on another's tag (16 B)."""
        return SigningKey(derive(self.root, "delegate", tag))

    @property
    def box_id(self) -> bytes:
        """Name of the wallet's sealed file in the vault; 32 B."""
        return derive(self.root, "box")

    @property
    def box_seal(self) -> bytes:
        """AES-256 secret of the box, from which each version's key is derived; 32 B."""
        return derive(self.root, "box-seal")

    @property
    def box_key(self) -> SigningKey:
        """Signs the box's versions."""
        return SigningKey(derive(self.root, "box-key"))

    def __repr__(self) -> str:
        """Nothing of the root."""
        return "Wallet()"


class CompartmentKeys:
    """Full power over one compartment, or over one share tag."""

    def __init__(self, secret: bytes) -> None:
        """Open the compartment of its key; 32 B."""
        self.secret = secret
        self.tag: bytes = derive(secret, "tag")[:TAG_BYTES]

    def control(self, number: int) -> SigningKey:
        """Sign the tag's acts, openings and links; `number`: u32, counts on across roots."""
        return SigningKey(derive(self.secret, "control", u32(number)))

    def owner(self, generation: int) -> SealingKey:
        """Receive owner wraps, notices and mail of a generation."""
        return SealingKey(derive(self.secret, "owner", u32(generation)))

    def generation_root(self, generation: int) -> bytes:
        """Seed of node (16, 0) of a generation's day tree; 32 B."""
        return derive(self.secret, "generation", u32(generation))

    def slot_key(self, generation: int, slot: Node) -> SealingKey:
        """The key of one slot, level 0 or 8; its public half is `bare`, 32 B."""
        top = Node(ROOT_LEVEL, 0)
        return SealingKey(slot_secret(descend(self.generation_root(generation), top, slot)))

    def seeds(self, generation: int, first_day: int = 0, last_day: int = DAY_MAX) -> WindowSeeds:
        """What to hand over for a window of days, both inclusive; raises Problem WindowWrong."""
        return window_seeds(self.generation_root(generation), first_day, last_day)

    def sheet(self, generation: int, first_day: int) -> Sheet:
        """Make the sheet of a generation; 20 ms."""
        owner_key = self.owner(generation).public
        return make_sheet(
            self.generation_root(generation), self.tag, generation, owner_key, first_day
        )

    def __repr__(self) -> str:
        """Only the public tag."""
        return f"CompartmentKeys({self.tag.hex()})"
