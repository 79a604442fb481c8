"""
One member's process as whoever started it sees it: started, ended, started again, given up.

It has a session of its own, so that ctrl-c reaches the one who supervises and nobody else; its
CometBFT ends when it does.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from salus.node.settings import Place

PROGRAM = "from salus.doors.cli.main import main; main()"

PAUSES_S = (1.0, 2.0, 5.0, 10.0)
"""Before the first, second, … start after an end; then it is given up."""

STEADY_S = 60.0
"""Who has run so long begins with the first pause again."""

STOP_S = 30.0
"""How long a stop waits before it kills."""

HOPELESS = frozenset({64, 65, 69})
"""Exit codes that another start would end with again: wrong use, wrong files, missing parts."""

LOG_BYTES_MAX = 16 * 1024 * 1024
"""A log larger than this is begun anew at the next start; one older is kept."""

TAIL_BYTES = 8_192


class MemberRun:
    """One member under supervision; `start` begins."""

    def __init__(self, place: Place, config: Path, program: Path) -> None:
        """`program`: CometBFT, found or built before."""
        self.place = place
        self.name = place.settings.member.name
        self.log = config.with_suffix(".log")
        self.is_over = False
        """Whether it is started no more: it was stopped, or does not start."""

        self._pid_file = config.with_suffix(".pid")
        self._command = [sys.executable, "-c", PROGRAM, "node", "run", str(config)]
        self._environment = {**os.environ, "SALUS_COMETBFT": str(program)}
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._again_s: float | None = None
        self._failures = 0

    def start(self) -> None:
        """Start the process; it says into its log how it goes."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.old"))
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 (this program, and a file of its folder)
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
            )
        self._pid_file.write_text(str(self._process.pid))
        self._started_s, self._again_s = time.monotonic(), None

    def look(self) -> str | None:
        """Start it again if its pause is over; returns what happened since the last look."""
        if self._again_s is not None:
            if time.monotonic() >= self._again_s:
                self.start()
            return None
        if self.is_over or self._process is None or (code := self._process.poll()) is None:
            return None
        self._pid_file.unlink(missing_ok=True)
        return self._ended(code)

    def stop(self) -> None:
        """Ask it to end, and start it no more."""
        self.is_over, self._again_s = True, None
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait(self) -> None:
        """Wait for the end of a member that was asked to; kill it if it does not."""
        if self._process is not None:
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._pid_file.unlink(missing_ok=True)

    def _ended(self, code: int) -> str:
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        if code == 0:
            self.is_over = True
            return "was stopped and stays so until the next `salus network up`"
        if time.monotonic() - self._started_s > STEADY_S:
            self._failures = 0
        if code in HOPELESS or self._failures == len(PAUSES_S):
            self.is_over = True
            return f"ended ({how}) and is not started again: {last_words(self.log)}"
        pause_s = PAUSES_S[self._failures]
        self._failures += 1
        self._again_s = time.monotonic() + pause_s
        said = "" if code < 0 else f": {last_words(self.log)}"
        return f"ended ({how}), starts again in {pause_s:.0f} s{said}"


def last_words(log: Path) -> str:
    """The last line of a member's log, the reason alone if it is a line of fields."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
        lines = [line for line in stream.read().decode(errors="replace").splitlines() if line]
    if not lines:
        return f"it said nothing; look into {log.name}"
    try:
        fields = json.loads(lines[-1])
        return str(fields.get("reason") or fields["event"])
    except (ValueError, KeyError, AttributeError):
        return lines[-1].strip()
