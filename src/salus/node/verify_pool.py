"""
Signature checks beside the block writer: in worker processes for many, in the caller for few.

A bounded memory of SHA-256(envelope), positives only, makes a resent transaction cheap and costs
nobody anything who is lied about: only verified envelopes are remembered.
"""

import os
import queue
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog

from salus.base.errors import Fault
from salus.node.verify_worker import holds

CHUNK_MAX = 250
"""Envelopes handed to a worker at once: 13 ms of work, so that none waits long."""

INLINE_MAX = 32
"""Below this many a thread's own check is quicker than the way to a process."""

CHUNKS_FLYING = 2
"""Chunks with one worker at once: the one it checks and the next, so that it never waits."""

REMEMBERED_MAX = 65_536
"""Envelopes whose signature is known to hold; 32 B each."""

_ENCODER = msgspec.msgpack.Encoder()

log = structlog.get_logger()


@dataclass(slots=True)
class _Job:
    data: bytes
    answer: Callable[[bool], None]


class VerifyPool:
    """Checks signatures; answers come in any thread."""

    def __init__(self, network: bytes, *, workers: int | None = None) -> None:
        """`workers`: processes; default cores - 1, and 0 checks everything in this process."""
        self._network = network
        self._closed = False
        self._lock = threading.Lock()
        count = max(0, (os.cpu_count() or 1) - 1) if workers is None else workers
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._processes = [self._start_process() for _ in range(count)]
        self._senders = [
            _started(self._feed, _Flight(network, process)) for process in self._processes
        ] or [_started(self._work_alone)]

    def submit(self, data: bytes, answer: Callable[[bool], None]) -> None:
        """Check one envelope; `answer(holds)` is called once, in another thread if still open."""
        job = _Job(data, answer)
        with self._lock:
            if not self._closed:
                self._jobs.put(job)
                return
        _tell(job, verdict=holds(self._network, data))

    def check(self, envelopes: Sequence[bytes]) -> list[bool]:
        """Check many and wait; in order. Spread over all workers; without any, checked here."""
        if not self._processes or len(envelopes) < INLINE_MAX:
            return [holds(self._network, data) for data in envelopes]
        answers = [False] * len(envelopes)
        left = threading.Semaphore(0)

        def answer_at(at: int) -> Callable[[bool], None]:
            def answer(holds_now: bool) -> None:  # noqa: FBT001 (a callback's one argument)
                answers[at] = holds_now
                left.release()

            return answer

        for at, data in enumerate(envelopes):
            self.submit(data, answer_at(at))
        for _ in envelopes:
            left.acquire()
        return answers

    def close(self) -> None:
        """Answer what waits, then end the workers."""
        with self._lock:
            self._closed = True
        for _ in self._senders:
            self._jobs.put(None)
        for thread in self._senders:
            thread.join()
        for process in self._processes:
            with suppress(BrokenPipeError), process:
                pass  # its end closes both pipes and waits for the process

    def _start_process(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "salus.node.verify_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        if process.stdin is None:
            raise Fault("a verify worker started without a pipe")
        process.stdin.write(self._network)
        process.stdin.flush()
        return process

    def _feed(self, flight: "_Flight") -> None:
        answerer = _started(flight.answer)
        while (job := self._jobs.get()) is not None:
            chunk = [job, *self._waiting(CHUNK_MAX - 1)]
            if len(chunk) < INLINE_MAX:
                self._check_here(chunk)
            else:
                flight.send(chunk)
        flight.end()
        answerer.join()

    def _work_alone(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._check_here([job, *self._waiting(CHUNK_MAX - 1)])

    def _waiting(self, most: int) -> list[_Job]:
        jobs: list[_Job] = []
        while len(jobs) < most:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            jobs.append(job)
        return jobs

    def _check_here(self, chunk: Sequence[_Job]) -> None:
        for job in chunk:
            _tell(job, verdict=holds(self._network, job.data))


class _Flight:
    """Chunks on their way through one worker: it checks the next while the last is answered."""

    def __init__(self, network: bytes, process: subprocess.Popen[bytes]) -> None:
        self._network = network
        if process.stdin is None or process.stdout is None:
            raise Fault("a verify worker has no pipe")
        self._sink, self._source = process.stdin, process.stdout
        self._room = threading.Semaphore(CHUNKS_FLYING)
        self._flying: queue.SimpleQueue[list[_Job]] = queue.SimpleQueue()

    def send(self, chunk: list[_Job]) -> None:
        """Hand a chunk to the worker; waits while too many are with it."""
        self._room.acquire()
        frame = _ENCODER.encode([job.data for job in chunk])
        self._flying.put(chunk)
        with suppress(OSError):  # a worker that ended: `answer` finds out
            self._sink.write(len(frame).to_bytes(4, "big") + frame)
            self._sink.flush()

    def end(self) -> None:
        """Let `answer` return after what is under way."""
        self._flying.put([])

    def answer(self) -> None:
        """Answer chunk by chunk, in order, until the end."""
        while chunk := self._flying.get():
            verdicts = list(self._source.read(len(chunk)))
            self._room.release()
            if len(verdicts) != len(chunk):
                log.error("verify.worker_ended", left="its checks are made in the node: restart it")
                verdicts = [holds(self._network, job.data) for job in chunk]
            for job, verdict in zip(chunk, verdicts, strict=True):
                _tell(job, verdict=bool(verdict))


def _tell(job: _Job, *, verdict: bool) -> None:
    try:
        job.answer(verdict)
    except Exception as error:  # noqa: BLE001 (one caller's bug must not leave the others waiting)
        log.error("verify.answer_failed", reason=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)


def _started(work: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=work, args=arguments, daemon=True, name="verify")
    thread.start()
    return thread


class Remembered:
    """The hashes of envelopes whose signature is known to hold; the oldest is forgotten first."""

    def __init__(self, most: int = REMEMBERED_MAX) -> None:
        """`most`: how many to keep."""
        self._most = most
        self._hashes: OrderedDict[bytes, None] = OrderedDict()

    def add(self, tx_hash: bytes) -> None:
        """Remember a verified envelope."""
        self._hashes[tx_hash] = None
        if len(self._hashes) > self._most:
            self._hashes.popitem(last=False)

    def __contains__(self, tx_hash: bytes) -> bool:
        """Whether the envelope was verified before."""
        return tx_hash in self._hashes
