"""
How the interpreter of a node's process is set; called once by whoever starts it.

A node keeps a hundred thousand rows of recent blocks as plain objects that form no cycles. At its
usual thresholds the cycle collector walks them again and again: a tenth of all time was measured.
"""

import gc

YOUNG_OBJECTS_MAX = 100_000
"""Objects made since the last collection before the young ones are walked: about two blocks'."""

YOUNG_COLLECTIONS_MAX = 20
MIDDLE_COLLECTIONS_MAX = 50
"""So the oldest are walked after a hundred million new objects, not after seventy thousand."""


def settle() -> None:
    """Spare the collector what was loaded so far, and let it run less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, YOUNG_COLLECTIONS_MAX, MIDDLE_COLLECTIONS_MAX)
