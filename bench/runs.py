"""
How things are run: one after another in turned order, each in a process of its own.

Of two arms A and B the order is A B B A A B, so that a machine that grows slower or busier does
not favour one; of each three runs the median counts. A fresh process shows its own memory and
carries over neither caches nor garbage.
"""

import multiprocessing
import resource
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

TIMES = 3
"""Runs of each arm."""

P = ParamSpec("P")
T = TypeVar("T")


def in_turns(arms: Mapping[str, Callable[[], T]], times: int = TIMES) -> dict[str, list[T]]:
    """Run all arms `times` times, forth and back; the results of each, in order."""
    results: dict[str, list[T]] = {name: [] for name in arms}
    order = list(arms)
    for _ in range(times):
        for name in order:
            sys.stderr.write(f"  {name}\n")
            results[name].append(arms[name]())
        order.reverse()
    return results


def median_of(results: Iterable[T], figure: Callable[[T], float]) -> float:
    """The median of one figure over the runs."""
    return statistics.median(figure(one) for one in results)


def in_process(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function of a module in a new process; its error is raised here."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


def peak_mb() -> float:
    """The most memory this process ever held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
