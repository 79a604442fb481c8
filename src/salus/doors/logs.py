"""
The program's log: JSON lines on stderr, fields by an allow-list (`security.md` §11).

Never names, identifiers, search values, query strings, bodies, tokens or keys: a field that is not
listed here is dropped, and counted in the line.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

FIELDS = frozenset(
    {
        "app_hash", "batch", "category", "code", "count", "event", "expected", "found", "height",
        "kind", "level", "log_size", "member", "name", "origin", "place", "port", "reason",
        "request", "seat", "sequence", "size", "timestamp", "transaction",
    }
)  # fmt: skip
"""What a line may hold: ids, numbers, and names of our own."""

VALUE_CHARACTERS_MAX = 256


def start_logging(*, quiet: bool = False) -> None:
    """Set the process's log up; `quiet`: warnings and errors only."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_allowed,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.WARNING if quiet else logging.INFO
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def keep_allowed(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Drop what is not on the list, escape control characters, cut long values."""
    kept: dict[str, Any] = {name: _safe(value) for name, value in line.items() if name in FIELDS}
    if dropped := len(line) - len(kept):
        kept["dropped_fields"] = dropped
    return kept


def _safe(value: object) -> Any:
    if isinstance(value, bool | int | None):
        return value
    text = value if isinstance(value, str) else str(value)
    return "".join(one if one.isprintable() else "�" for one in text[:VALUE_CHARACTERS_MAX])
