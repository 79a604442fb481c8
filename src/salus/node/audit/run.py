"""What the steps of one audit share: where it works, what it found, how far the log is known."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from salus.machine.context import View
from salus.machine.execute import Machine
from salus.machine.genesis import network_id
from salus.node.audit import notes
from salus.node.audit.blocks import BlockFound
from salus.node.audit.log import LogChecker, check_log_files
from salus.node.audit.report import Report
from salus.node.audit.segments import JournalFound, Span
from salus.node.audit.workers import check_spans
from salus.node.journal_segment import Damage
from salus.node.record import BlockRecord, read_record

Progress = Callable[[str, int, int], None]
"""Called with step, done, total; in the units of the step."""


class Run:
    """One audit under way."""

    def __init__(
        self,
        folder: Path,
        genesis: bytes,
        machine: Machine,
        report: Report,
        progress: Progress | None,
    ) -> None:
        """`folder`: of a stopped node, held by its lock."""
        self.folder = folder
        self.genesis = genesis
        self.network = network_id(genesis)
        self.machine = machine
        self.report = report
        self.progress = progress or _say_nothing
        self.stated: list[notes.Stated] = []
        self.journal = JournalFound(spans=[], tip_height=0, whole=True)
        self.complete = True
        """Whether the log is known up to its newest entry."""

    def new_log(self, genesis_leaf: bytes) -> LogChecker:
        """A log that keeps the roots of the sizes that notes name."""
        return LogChecker([one.size for one in self.stated], genesis_leaf, self.report)

    def signed_spans(
        self, state: Path | None, workers: int | None
    ) -> Iterator[tuple[Span, Sequence[BlockFound]]]:
        """Each span with what its process found, in order; a damaged one is the last."""
        total, done = self.report.counts["journal.records"], 0
        found = check_spans(self.journal.spans, self.network, state, workers)
        for span, one in zip(self.journal.spans, found, strict=False):
            for finding in one.findings:
                self.report.add(finding)
            self.report.counts["signatures"] += one.signatures
            self.report.counts["transactions"] += one.transactions
            self.progress("blocks", done, total)
            yield span, one.blocks
            done += len(span.heights)
            if not one.whole:
                self.complete = False
                self.report.skip("the journal behind its first difference")
                break
        found.close()
        self.progress("blocks", done, total)

    def records(self, span: Span) -> Iterator[BlockRecord]:
        """A span's records up to the first damaged one, which its process has told."""
        try:
            for _, payload in span.payloads():
                yield read_record(payload)
        except Damage:
            self.complete = False

    def check_log(self, log: LogChecker, view: View) -> None:
        """The signatures of notes; log files and notes' roots, if the log is known to its end."""
        notes.check_signatures(self.stated, view, self.report)
        self.report.counts["log.entries"] = log.size
        if not self.complete:
            self.report.skip("log files and the roots of notes: the log ends at a difference")
            return
        self.progress("log", 0, log.size)
        check_log_files(self.folder / "log", bytes(log.leaves), self.report)
        notes.check_notes(self.stated, log.roots, log.size, self.report)
        self.progress("log", log.size, log.size)


def _say_nothing(step: str, done: int, total: int) -> None:
    """Keep it."""
    del step, done, total
