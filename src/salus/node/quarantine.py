"""
Transactions whose handler had a bug, kept for whoever mends it: the ledger goes on without them.

Bounded, so that one who found the bug cannot fill the disk; what is no longer kept is still told.
"""

from pathlib import Path

import structlog

from salus.node.small_file import write_whole

log = structlog.get_logger()

FILES_MAX = 1_000
"""At most 512 MB of transactions."""


class Quarantine:
    """One folder of `<transaction id>.tx` files."""

    def __init__(self, folder: Path) -> None:
        """`folder`: made when first needed."""
        self._folder = folder

    def keep(self, transaction_id: bytes, data: bytes, bug: Exception) -> str:
        """Keep an envelope and tell; returns the file's name, or why there is none."""
        name = f"{transaction_id.hex()}.tx"
        log.error("engine.handler_bug", transaction=transaction_id.hex(), reason=str(bug))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if sum(1 for _ in self._folder.iterdir()) >= FILES_MAX:
                return f"nothing: {FILES_MAX} are kept already"
            write_whole(self._folder / name, data)
        except OSError as error:
            return f"nothing: the disk refused ({type(error).__name__})"
        return name
