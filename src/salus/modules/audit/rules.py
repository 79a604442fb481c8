"""How audit decides; pure."""

from salus.modules.audit.state import ACTIVITY, RESOURCE

TIME_AHEAD_MS_MAX = 300_000
"""A site's clock may run 5 minutes ahead of block time (NTP keeps it within seconds)."""

TERM_CHARACTERS_MAX = 64


def is_term(kind: int, text: str) -> bool:
    """Whether kind and text are a term: known kind, 1-64 printable ASCII characters."""
    printable = text.isascii() and text.isprintable()
    return kind in (ACTIVITY, RESOURCE) and printable and 0 < len(text) <= TERM_CHARACTERS_MAX


def is_ahead(time_ms: int, block_ms: int) -> bool:
    """Whether a line's time lies too far ahead of the block's."""
    return time_ms > block_ms + TIME_AHEAD_MS_MAX
