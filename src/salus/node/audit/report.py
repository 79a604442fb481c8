"""What an audit found: the first difference of every place, counts, and what was not looked at."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

REMEDIES = {
    "journal": "run `salus repair`: it says what would be lost before it acts, and can take the"
    " journal from another member's folder",
    "signatures": "tell the other members: the journal holds what its signers did not sign",
    "blocks": "keep this folder and compare it with another member's: the program or the data"
    " differ from what wrote the journal",
    "log": "run `salus repair`: the log's files are filled again from the journal",
    "notes": "keep the file as evidence; a checkpoint is made anew, a cosigner's memory"
    " comes from a backup",
    "state": "run `salus repair`: the state is replayed from the journal",
    "vault": "start the node: its vault fetches sound copies from the other holders",
    "witness": "restore the witness folder from a backup; the anchors on the ledger say how long"
    " its log was",
}
"""By area of the folder: what an operator does about a finding there."""


class Finding(NamedTuple):
    """One difference between what is there and what must be."""

    area: str
    """A key of `REMEDIES`."""

    place: str
    """File, column family or table; relative to the folder, never a person's data."""

    expected: str
    found: str

    height: int | None = None
    """Of the block concerned, if there is one."""

    position: int | None = None
    """Of the transaction in its block, or the byte, leaf or row concerned."""

    def __str__(self) -> str:
        """One line: where, expected, found."""
        at = "" if self.height is None else f" height {self.height}"
        at += "" if self.position is None else f" position {self.position}"
        return f"{self.place}{at}: expected {self.expected}, found {self.found}"

    @property
    def remedy(self) -> str:
        """What an operator does next."""
        return REMEDIES[self.area]


@dataclass(slots=True)
class Report:
    """An audit's result; sound if nothing differs, complete if nothing was skipped."""

    level: str
    """`log` or `full`."""

    findings: list[Finding] = field(default_factory=list)
    """The first difference of each place, in the order of the steps."""

    differences: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(area, place) -> all differences there, the first one too."""

    counts: Counter[str] = field(default_factory=Counter)
    """What was looked at, how much of it."""

    skipped: list[str] = field(default_factory=list)
    """What was not looked at, and why."""

    @property
    def sound(self) -> bool:
        """Whether nothing differs."""
        return not self.findings

    def add(self, finding: Finding) -> None:
        """Keep a place's first difference, count the others."""
        key = (finding.area, finding.place)
        if not self.differences[key]:
            self.findings.append(finding)
        self.differences[key] += 1

    def skip(self, what: str) -> None:
        """Say what is not looked at, once."""
        if what not in self.skipped:
            self.skipped.append(what)
