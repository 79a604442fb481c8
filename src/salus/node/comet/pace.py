"""
How much a proposer puts into a block: what this machine executes in half a second.

The other members wait a second for a proposal (`timeout_propose` of `home`), and a proposal leaves
when it is executed. A slow or busy machine proposes smaller blocks instead of late ones. Nothing
depends on it but who waits: the members judge a block by its bytes alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from salus.node.ports import Clock

AIM_S = 0.5

MESSAGES_MIN = 100
"""A block takes so many whatever the pace says."""

MEASURED_MIN = MESSAGES_MIN // 2
"""
Of fewer the pace learns nothing. While more wait, a block has more than this, however large its
transactions are: so a machine that stood still for a while is not slow for ever.
"""

NEWEST_WEIGHT = 0.5
"""Of the newest execution in the pace: a busy moment is soon known and soon forgotten."""


class Pace:
    """Of one node; one thread, that of the consensus connection."""

    def __init__(self, clock: Clock) -> None:
        """Without a limit until something was executed."""
        self._clock = clock
        self._message_s = 0.0

    @property
    def messages_max(self) -> float:
        """What fits half a second, messages; infinite before the first measured block."""
        if not self._message_s:
            return float("inf")
        return max(MESSAGES_MIN, AIM_S / self._message_s)

    @contextmanager
    def over(self, messages: int) -> Iterator[None]:
        """Measure the execution of so many within."""
        began_s = self._clock.monotonic()
        yield
        if messages >= MEASURED_MIN:
            newest_s = (self._clock.monotonic() - began_s) / messages
            before_s = self._message_s or newest_s
            self._message_s = NEWEST_WEIGHT * newest_s + (1 - NEWEST_WEIGHT) * before_s
