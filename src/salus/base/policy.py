"""
Trust policies, as C2SP writes them: whose notes count, and how many must have cosigned (§3.8).

    log <vkey> [<url>]                    a log whose notes are accepted; its name is its origin
    witness <name> <vkey> [<url>]         a cosigner (Salus keeps "witness" for holders of shares)
    group <name> all|any|<k> <name> …     met if k of these are
    quorum <name>|none                    exactly one line

A name is a group's member at most once, so that no cosigner counts twice. Source: C2SP tlog-policy.
"""

import dataclasses
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from salus.base.note import COSIGNER, LOG, NoteKey, origin, parse_key
from salus.base.note_text import NoteRefused

POLICY_BYTES_MAX = 64 * 1024
"""64 members with two lines of at most 400 bytes each, and room for comments."""

POLICY_LINES_MAX = 1_000
"""Lines of any kind; C2SP asks for at least 32 logs, witnesses and groups."""


class PolicyRefused(Exception):
    """The policy's text breaks a rule; says the line's number and the rule."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Met when `needed` of `members` (names of cosigners or of earlier groups) are."""

    needed: int
    members: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Policy:
    """Known logs by origin, cosigners and groups by name; `quorum` None: no cosigner needed."""

    logs: Mapping[str, NoteKey]
    cosigners: Mapping[str, NoteKey]
    groups: Mapping[str, Group]
    quorum: str | None

    def met(self, cosigned: AbstractSet[str]) -> bool:
        """Whether cosigners of these names meet the quorum."""
        if self.quorum is None:
            return True
        met = set(cosigned)
        for name, group in self.groups.items():  # each names only what stands above it
            if sum(member in met for member in group.members) >= group.needed:
                met.add(name)
        return self.quorum in met

    @property
    def size(self) -> tuple[int, int]:
        """What the quorum line asks for, for people: needed and of how many."""
        if self.quorum is None:
            return 0, len(self.cosigners)
        group = self.groups.get(self.quorum, Group(1, (self.quorum,)))
        return group.needed, len(group.members)


def default_policy(network: bytes, log_keys: Mapping[bytes, bytes]) -> str:
    """
    Every member's log is accepted, ⌊2m/3⌋ + 1 of the m members must have cosigned.

    `log_keys`: member id 16 B -> log key 33 B; of all active members (corrections 15).
    """
    members = sorted(log_keys)
    names = {member: origin(network, member) for member in members}
    logs = [f"log {NoteKey(names[m], LOG, log_keys[m]).text}" for m in members]
    cosigners = [
        f"witness {m.hex()} {NoteKey(names[m], COSIGNER, log_keys[m]).text}" for m in members
    ]
    needed = 2 * len(members) // 3 + 1
    group = f"group members {needed} {' '.join(member.hex() for member in members)}"
    return "\n".join([*logs, *cosigners, group, "quorum members"]) + "\n"


def parse_policy(text: str) -> Policy:
    """Read a policy; raises PolicyRefused: size, characters, then line by line."""
    if len(text.encode(errors="replace")) > POLICY_BYTES_MAX:
        raise PolicyRefused(f"a policy has at most {POLICY_BYTES_MAX} bytes")
    if any(
        (character < " " and character not in "\t\n") or character == "\x7f" for character in text
    ):
        raise PolicyRefused("a policy has no control characters but tab and newline")
    lines = text.split("\n")
    if len(lines) > POLICY_LINES_MAX:
        raise PolicyRefused(f"a policy has at most {POLICY_LINES_MAX} lines")
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        words = line.replace("\t", " ").split(" ")
        try:
            reader.line([word for word in words if word])
        except (PolicyRefused, NoteRefused) as error:
            raise PolicyRefused(f"line {number}: {error}") from None
    return reader.policy()


class _Reader:
    """Takes one line after another; a line can only name what stands above it."""

    def __init__(self) -> None:
        self.logs: dict[str, NoteKey] = {}
        self.cosigners: dict[str, NoteKey] = {}
        self.groups: dict[str, Group] = {}
        self.grouped: set[str] = set()
        self.quorums: list[str] = []

    def line(self, words: list[str]) -> None:
        match words:
            case []:
                return
            case [first, *_] if first.startswith("#"):
                return
            case ["log", key] | ["log", key, _]:
                self.log(parse_key(key))
            case ["witness", name, key] | ["witness", name, key, _]:
                self.cosigner(name, parse_key(key))
            case ["group", name, needed, *members] if members:
                self.group(name, needed, tuple(members))
            case ["quorum", name]:
                if name != "none":
                    self.known(name)
                self.quorums.append(name)
            case _:
                raise PolicyRefused("expected log, witness, group or quorum with their words")

    def log(self, key: NoteKey) -> None:
        if key.kind != LOG:
            raise PolicyRefused("a log's key is of type 01")
        if key.name in self.logs or key.public in {log.public for log in self.logs.values()}:
            raise PolicyRefused("this log stands above already")
        self.logs[key.name] = key

    def cosigner(self, name: str, key: NoteKey) -> None:
        self.new(name)
        if key.kind != COSIGNER:
            raise PolicyRefused("a witness's key is of type 04")
        if key.public in {other.public for other in self.cosigners.values()}:
            raise PolicyRefused("a witness with this key stands above already")
        self.cosigners[name] = key

    def group(self, name: str, needed: str, members: tuple[str, ...]) -> None:
        self.new(name)
        for member in members:
            self.known(member)
            if member in self.grouped:
                raise PolicyRefused("a name is a group's member at most once")
            self.grouped.add(member)
        self.groups[name] = Group(_threshold(needed, len(members)), members)

    def new(self, name: str) -> None:
        if name == "none" or name in self.cosigners or name in self.groups:
            raise PolicyRefused("this name is taken")

    def known(self, name: str) -> None:
        if name not in self.cosigners and name not in self.groups:
            raise PolicyRefused("this name is not defined above")

    def policy(self) -> Policy:
        if len(self.quorums) != 1:
            raise PolicyRefused("expected exactly one quorum line")
        quorum = None if self.quorums == ["none"] else self.quorums[0]
        return Policy(self.logs, self.cosigners, self.groups, quorum)


def _threshold(text: str, members: int) -> int:
    if text in ("all", "any"):
        return members if text == "all" else 1
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 4):
        raise PolicyRefused("expected all, any or a decimal number")
    if not 1 <= int(text) <= members:
        raise PolicyRefused("a group needs at least 1 and at most all of its members")
    return int(text)
