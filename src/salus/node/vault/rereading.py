"""
Rereading: every container here is read and hashed anew once a day, a little at a time.

So a damaged copy is found and replaced while others still have a sound one (`ledger.md` §5.9). The
first one read is any: a node that is started again every hour reads all of them nevertheless.
"""

import os
import threading

import structlog

from salus.node.vault.holdings import Finding, Holdings

log = structlog.get_logger()

STEP_S_MAX = 20.0
"""After so long a step ends and the next one goes on: other duties wait for it."""


class Rereading:
    """One vault's place in its containers; any thread calls."""

    def __init__(self, holdings: Holdings) -> None:
        """Begin at a random id."""
        self._holdings = holdings
        self._turn = threading.Lock()
        self._after = os.urandom(16)

    def step(self, share: int) -> list[Finding]:
        """Read the next `share`-th of all containers, at least one; returns what is unsound."""
        with self._turn:
            self._holdings.follow()
            view = self._holdings.ledger.view()
            count = -(-self._holdings.index.held_count() // share)
            end_s = self._holdings.clock.monotonic() + STEP_S_MAX
            findings = []
            rows = self._holdings.index.held_after(self._after, count)
            if not rows:
                rows = self._holdings.index.held_after(b"", count)
            for row in rows:
                self._after = row.batch
                finding = self._holdings.reread(view, row.batch, row.root)
                if finding is not None:
                    findings.append(finding)
                    log.warning("vault.damaged", batch=row.batch.hex(), found=finding.name)
                if self._holdings.clock.monotonic() > end_s:
                    break
            return findings
