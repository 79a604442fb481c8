"""
Block time of the embedded engine: it never goes back, and a stepping clock stops it.

Expiry of grants rests on block time, so a wall clock that jumps against the steady one is not
believed until an operator says so (`salus node accept-clock`).
"""

from salus.base.errors import Category, Problem
from salus.node.ports import Clock

STEP_MS_MAX = 60_000
"""A larger difference between the two clocks is a step, not drift."""


class BlockClock:
    """Gives each block its time."""

    def __init__(self, clock: Clock, last_ms: int) -> None:
        """`last_ms`: time of the newest block."""
        self._clock = clock
        self._last_ms = last_ms
        self.accept()

    def accept(self) -> None:
        """Believe the wall clock as it stands now."""
        self._wall_ms = self._clock.now_ms()
        self._steady_s = self._clock.monotonic()

    def next_ms(self) -> int:
        """Time of a block made now; raises Problem ClockStepped."""
        now_ms = self._clock.now_ms()
        steady_s = self._clock.monotonic()
        step_ms = now_ms - self._wall_ms - round((steady_s - self._steady_s) * 1000)
        if abs(step_ms) > STEP_MS_MAX:
            raise Problem(
                Category.UNAVAILABLE,
                "ClockStepped",
                f"the system clock stepped by {step_ms} ms; check it, then restart the node or run "
                "`salus node accept-clock`",
            )
        self._wall_ms, self._steady_s = now_ms, steady_s
        self._last_ms = max(self._last_ms, now_ms)
        return self._last_ms

    def now_ms(self) -> int:
        """The wall clock: about the time of the next block."""
        return self._clock.now_ms()

    def age_ms(self, block_ms: int) -> int:
        """How old a block time is by the wall clock; negative if the clock is behind."""
        return self._clock.now_ms() - block_ms
