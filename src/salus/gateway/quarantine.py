"""
Refused documents, whole and sealed, where a person can look at them and send them again.

Nothing that came is lost: the document stays until a replay succeeds or somebody drops it.
"""

import os
import time
from dataclasses import dataclass

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.types import TimeMs
from salus.gateway.desk import Desk

KIND = "quarantine"


class _Kept(Struct, frozen=True):
    data: bytes
    name: str
    problem: str
    received_ms: TimeMs
    text: str


@dataclass(frozen=True)
class Refused:
    """One document in quarantine."""

    id: bytes
    name: str
    problem: str
    """The problem's name."""

    text: str
    """What was expected, where it was not met, what to do next."""

    received_ms: int
    size_bytes: int


class Quarantine:
    """The gateway's refused documents."""

    def __init__(self, desk: Desk) -> None:
        """Sealed on this desk."""
        self._desk = desk

    def keep(self, name: str, data: bytes, problem: Problem) -> bytes:
        """Keep a refused document; returns its id, 8 B."""
        kept = _Kept(
            data=data,
            name=name,
            problem=problem.name,
            received_ms=time.time_ns() // 1_000_000,
            text=problem.text,
        )
        place = os.urandom(8)
        self._desk.put(KIND, place, codec.encode(kept))
        return place

    def all(self) -> list[Refused]:
        """Everything in quarantine."""
        return [
            Refused(place, kept.name, kept.problem, kept.text, kept.received_ms, len(kept.data))
            for place, value in self._desk.all(KIND)
            for kept in [codec.decode(value, _Kept)]
        ]

    def document(self, place: bytes) -> tuple[str, bytes]:
        """(name, bytes) of one; raises Problem NotInQuarantine."""
        value = self._desk.get(KIND, place)
        if value is None:
            raise Problem(
                Category.NOT_FOUND, "NotInQuarantine", "expected an id that `quarantine` lists"
            )
        kept = codec.decode(value, _Kept)
        return kept.name, kept.data

    def drop(self, place: bytes) -> None:
        """Forget one: it was taken in, or somebody decided so."""
        self._desk.delete(KIND, place)
