"""
Workloads: random acts that predict their own outcome against plain dictionaries.

A workload knows a module's rules a second time, in the simplest words; after every step its
dictionaries and the module's invariants must agree with the state. A failure names seed and step.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple, Protocol


class Step(NamedTuple):
    """One act."""

    words: str
    """What is tried, for a failure's message."""

    code: int
    """The receipt's code that must come: 0, or module × 1000 + refusal."""

    do: Callable[[], int]
    """Does it on the ledger; returns the code that came."""

    change: Callable[[], None]
    """Changes the dictionaries as the act should have; called only for code 0."""


class Workload(Protocol):
    """A module's random acts."""

    def draw(self, random: Random) -> Step:
        """The next act with its predicted outcome."""
        ...

    def check(self) -> None:
        """Raise unless state, dictionaries and invariants agree."""
        ...


def run(workload: Workload, *, seed: int, steps: int) -> dict[int, int]:
    """Run and check after every step; returns how often each code came."""
    random = Random(seed)
    seen: dict[int, int] = {}
    for number in range(steps):
        step = workload.draw(random)
        code = step.do()
        place = f"seed {seed}, step {number}: {step.words}"
        assert step.code == code, f"{place}: expected {step.code}, found {code}"
        if code == 0:
            step.change()
        try:
            workload.check()
        except Exception as error:
            raise AssertionError(f"{place}: {error}") from error
        seen[code] = seen.get(code, 0) + 1
    return seen
