"""
Every "no" as people and programs meet it: an RFC 9457 problem document, and an exit code.

A lawful "no" (Refusal, Problem) is told whole: its words and facts are ids and numbers by rule.
What nobody foresaw is told by a request id alone; the log then holds the kind of error and its
place in our code, never a message: a library's words may quote what came in.
"""

import os
import sys
import traceback
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import structlog

from salus.base.codec import Malformed
from salus.base.errors import Category, Fault, Outdated, Problem, Refusal

log = structlog.get_logger()

TYPE_PREFIX = "urn:salus:problem:"
"""RFC 9457 §3.1.1: `type` is a URI; ours names a problem and leads nowhere."""

MEDIA_TYPE = "application/problem+json"
"""RFC 9457 §3."""

WRONG_USE_EXIT = 64
"""Exit code of a command line that does not parse (sysexits EX_USAGE)."""


@dataclass(frozen=True)
class Told:
    """One "no", ready for any door."""

    name: str
    """UpperCamel, stable for programs."""

    text: str
    """Expected, found, next step."""

    category: Category
    number: int | None = None
    """The receipt's number: module × 1000 + the refusal's; None outside consensus."""

    facts: dict[str, Any] = field(default_factory=dict)
    """Ids (hex) and numbers."""

    http_status: int = 0
    """The category's, unless HTTP has a finer one (405, 429)."""

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.http_status or self.category.http_status

    @property
    def exit_code(self) -> int:
        """Exit code of the command line."""
        return self.category.exit_code

    @property
    def document(self) -> dict[str, Any]:
        """The problem document: RFC 9457 members, then ours (code, category, facts)."""
        facts = {"facts": self.facts} if self.facts else {}
        return {
            "type": TYPE_PREFIX + self.name,
            "title": self.name,
            "status": self.status,
            "detail": self.text,
            "code": self.name if self.number is None else self.number,
            "category": self.category.name,
            **facts,
        }


def tell(error: BaseException) -> Told:
    """
    Turn any error into what may be said of it.

    A Refusal keeps its number and facts, a Problem its name and facts, undecodable bytes are
    Malformed; all else is logged by kind and place, and told by a request id.
    """
    match error:
        case Refusal():
            return Told(
                name=type(error).__name__,
                text=_meaning(type(error)),
                category=error.category,
                number=error.code,
                facts=_facts(error),
            )
        case Problem():
            return _problem(error)
        case Malformed():
            return Told("Malformed", str(error), Category.MALFORMED)
        case Outdated():
            return Told("Outdated", str(error), error.category)
        case Fault():
            return _fault(error, str(error))
        case _:
            return _fault(error, "a bug in Salus; nothing of your request was kept in the log")


def tell_code(code: int, kind: type[Refusal] | None) -> Told:
    """A receipt's code as a "no"; `kind`: the refusal behind it, None if this version has none."""
    if kind is None:
        return Told("Refused", f"refused with code {code}", Category.INVALID, code)
    return Told(kind.__name__, _meaning(kind), kind.category, code)


def _problem(problem: Problem) -> Told:
    facts = {name: _shown(value) for name, value in problem.facts.items()}
    number = facts.pop("code", None)
    return Told(
        name=problem.name,
        text=problem.text,
        category=problem.category,
        number=number if isinstance(number, int) else None,
        facts=facts,
    )


def _fault(error: BaseException, text: str) -> Told:
    request = os.urandom(8).hex()
    log.error("door.fault", kind=type(error).__name__, place=_place(error), request=request)
    return Told(
        "Fault",
        f"{text}. The operator finds request {request} in the node's log",
        Category.FAULT,
        facts={"request": request},
    )


def _place(error: BaseException) -> str:
    """File and line of our code that let the error through; of the library if none is ours."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}salus{os.sep}" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "unknown"


def _meaning(kind: type[Refusal]) -> str:
    if sys.flags.optimize > 1:
        return kind.__name__
    return (kind.__doc__ or kind.__name__).strip().split("\n\n")[0].replace("\n", " ")


def _facts(refusal: Refusal) -> dict[str, Any]:
    if not is_dataclass(refusal):
        return {}
    return {one.name: _shown(getattr(refusal, one.name)) for one in fields(refusal)}


def _shown(value: object) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, int | str | None) else str(value)
