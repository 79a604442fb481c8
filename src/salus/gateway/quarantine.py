"""
Refused documents, whole and sealed, where a person can look at them and send them again.

Nothing that came is lost: the document stays until a replay succeeds or somebody drops it. The same
bytes stand there once, however often they come; a bound keeps a broken sender from filling the
disk (corrections 16).
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from salus.base import codec
from salus.base.codec import Struct
from salus.base.errors import Category, Problem
from salus.base.types import Count, TimeMs
from salus.gateway.desk import Desk

KIND = "quarantine"
BODY = "quarantine-body"
"""Kinds of the desk's items: what is told of a document, and its bytes."""

PLACE_BYTES = 8

SOURCE_BYTES_MAX = 1024 * 1024 * 1024
"""Quarantined bytes of one source; FHIR import is one (corrections 16)."""

DOCUMENT_BYTES_MAX = 64 * 1024 * 1024
"""A larger document is not kept (corrections 15)."""


class _Kept(Struct, frozen=True):
    count: Count
    name: str
    problem: str
    received_ms: TimeMs
    size_bytes: Count
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
    """When it came last."""

    size_bytes: int
    count: int
    """How often it came."""


class Quarantine:
    """The gateway's refused documents; thread-safe."""

    def __init__(
        self, desk: Desk, now_ms: Callable[[], int], *, source_bytes_max: int = SOURCE_BYTES_MAX
    ) -> None:
        """Sealed on this desk; `now_ms`: the wall clock."""
        self._desk = desk
        self._now_ms = now_ms
        self._bytes_max = source_bytes_max
        self._lock = threading.Lock()

    def keep(self, name: str, data: bytes, problem: Problem) -> bytes:
        """
        Keep a refused document; returns its id, 8 B.

        Raises Problem QuarantineFull: it would not fit, and is not kept.
        """
        place = self._desk.name(KIND, sha256(data).digest())[:PLACE_BYTES]
        with self._lock:
            before = self._desk.get(KIND, place)
            if before is None:
                self._check_room(len(data), problem)
            kept = _Kept(
                count=1 if before is None else codec.decode(before, _Kept).count + 1,
                name=name,
                problem=problem.name,
                received_ms=self._now_ms(),
                size_bytes=len(data),
                text=problem.text,
            )
            body = [(BODY, place, data)] if before is None else []
            self._desk.change([(KIND, place, codec.encode(kept)), *body])
        return place

    def all(self) -> list[Refused]:
        """Everything in quarantine."""
        return [
            Refused(
                id=place,
                name=kept.name,
                problem=kept.problem,
                text=kept.text,
                received_ms=kept.received_ms,
                size_bytes=kept.size_bytes,
                count=kept.count,
            )
            for place, value in self._desk.all(KIND)
            for kept in [codec.decode(value, _Kept)]
        ]

    def document(self, place: bytes) -> tuple[str, bytes]:
        """(name, bytes) of one; raises Problem NotInQuarantine."""
        value, data = self._desk.get(KIND, place), self._desk.get(BODY, place)
        if value is None or data is None:
            raise Problem(
                Category.NOT_FOUND, "NotInQuarantine", "expected an id that `quarantine` lists"
            )
        return codec.decode(value, _Kept).name, data

    def drop(self, place: bytes) -> None:
        """Forget one: it was taken in, or somebody decided so."""
        self._desk.change([], deletes=[(KIND, place), (BODY, place)])

    def _check_room(self, size_bytes: int, problem: Problem) -> None:
        held_bytes = sum(one.size_bytes for one in self.all())
        if size_bytes > DOCUMENT_BYTES_MAX or held_bytes + size_bytes > self._bytes_max:
            raise Problem(
                Category.TOO_LARGE,
                "QuarantineFull",
                f"refused as {problem.name} and not kept: it has {size_bytes} bytes, quarantine "
                f"holds {held_bytes} of {self._bytes_max} and at most {DOCUMENT_BYTES_MAX} of one "
                "document; keep the document, replay or drop what is there, and send it again",
            )
