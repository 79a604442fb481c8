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
from dataclasses import dataclass

import msgspec

from salus.base.errors import Fault
from salus.node.verify_worker import holds

CHUNK_MAX = 250
"""Envelopes handed to a worker at once: 13 ms of work, so that none waits long."""

INLINE_MAX = 32
"""Below this many a thread's own check is quicker than the way to a process."""

REMEMBERED_MAX = 65_536
"""Envelopes whose signature is known to hold; 32 B each."""

_ENCODER = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class _Job:
    data: bytes
    answer: Callable[[bool], None]


class VerifyPool:
    """Checks signatures; answers come in any thread."""

    def __init__(self, network: bytes, *, workers: int | None = None) -> None:
        """`workers`: processes; default cores - 1, and 0 checks everything in this process."""
        self._network = network
        count = max(0, (os.cpu_count() or 1) - 1) if workers is None else workers
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._processes = [self._start_process() for _ in range(count)]
        self._threads = [
            threading.Thread(target=self._feed, args=(process,), daemon=True, name="verify")
            for process in self._processes or [None]
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, data: bytes, answer: Callable[[bool], None]) -> None:
        """Check one envelope; `answer(holds)` is called once, in another thread."""
        self._jobs.put(_Job(data, answer))

    def check(self, envelopes: Sequence[bytes]) -> list[bool]:
        """Check many and wait; in order. Spread over all workers."""
        if len(envelopes) < INLINE_MAX:
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
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(10)
            if process.stdout is not None:
                process.stdout.close()

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

    def _feed(self, process: subprocess.Popen[bytes] | None) -> None:
        while (job := self._jobs.get()) is not None:
            chunk = [job, *self._waiting(CHUNK_MAX - 1)]
            few = process is None or len(chunk) < INLINE_MAX
            verdicts = self._inline(chunk) if few else self._in_process(process, chunk)
            for one, verdict in zip(chunk, verdicts, strict=True):
                one.answer(bool(verdict))

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

    def _inline(self, chunk: Sequence[_Job]) -> list[bool]:
        return [holds(self._network, job.data) for job in chunk]

    def _in_process(
        self, process: subprocess.Popen[bytes] | None, chunk: Sequence[_Job]
    ) -> list[int]:
        if process is None or process.stdin is None or process.stdout is None:
            raise Fault("a verify worker has no pipe")
        frame = _ENCODER.encode([job.data for job in chunk])
        process.stdin.write(len(frame).to_bytes(4, "big") + frame)
        process.stdin.flush()
        verdicts = process.stdout.read(len(chunk))
        if len(verdicts) != len(chunk):
            raise Fault("a verify worker ended: restart the node")
        return list(verdicts)


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
