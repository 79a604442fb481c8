"""
How the interpreter of a node's process is set; called once by whoever starts it.

A node keeps a hundred thousand rows of recent blocks as plain objects that form no cycles. At its
usual thresholds the cycle collector walks them again and again: a tenth of all time was measured.
"""

import gc
import sys

YOUNG_OBJECTS_MAX = 100_000
"""Objects made since the last collection before the young ones are walked: about two blocks'."""

YOUNG_COLLECTIONS_MAX = 20
MIDDLE_COLLECTIONS_MAX = 50
"""So the oldest are walked after a hundred million new objects, not after seventy thousand."""

import os
SWITCH_S = float(os.environ.get("SW","0.001"))
"""
How long a thread may keep the interpreter while others want it: a fifth of the usual.

A request's way leads through four threads; with few requests each wait for the block writer shows.
"""


def settle() -> None:
    """Spare the collector what was loaded so far, let it run less often; switch threads faster."""
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, YOUNG_COLLECTIONS_MAX, MIDDLE_COLLECTIONS_MAX)
