"""
Spans handed to whole processes, a core each, and their results in the journal's order.

Processes, since signature checks in threads would wait for one interpreter. Each opens the store
for itself; a small journal is checked here, which is quicker than starting a process.
"""

import os
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

from salus.node.audit.blocks import SpanChecker, SpanFound
from salus.node.audit.segments import Span

AHEAD = 4
"""Spans a process has waiting; bounds the results held in memory."""

HERE_SPANS_MAX = 2
"""Up to so many spans are checked in this process unless a number of workers is asked for."""

_checker: SpanChecker


def check_spans(
    spans: Sequence[Span], network: bytes, state: Path | None, workers: int | None
) -> Generator[SpanFound]:
    """
    Check spans and give what each found, in order.

    `state`: see `SpanChecker`; `workers`: processes, 0 for none, default all cores.
    """
    if workers is None:
        workers = 0 if len(spans) <= HERE_SPANS_MAX else os.cpu_count() or 1
    if not workers:
        with closing(SpanChecker(network, state)) as checker:
            yield from map(checker.check, spans)
        return
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_start, initargs=(network, state)
    )
    try:
        waiting: deque[Future[SpanFound]] = deque()
        for span in spans:
            waiting.append(pool.submit(_check, span))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _start(network: bytes, state: Path | None) -> None:
    global _checker  # noqa: PLW0603 (one a process, made when it starts)
    _checker = SpanChecker(network, state)


def _check(span: Span) -> SpanFound:
    return _checker.check(span)
