"""Something looked at again and again, in a thread of its own."""

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Regularly:
    """
    Calls from `start` until `stop` or `close`, first after one pause.

    A call that fails is logged and the next one comes: a thread that ended in silence would look
    like one with nothing to do. What has to end the node says so itself.
    """

    def __init__(self, name: str, pause_s: float, look: Callable[[], object]) -> None:
        """`name`: of the thread; `look`: may call `stop` and `rest`; its value is let go."""
        self._pause_s = pause_s
        self._look = look
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Call no more after the call under way."""
        self._stopping.set()

    def rest(self, seconds: float) -> bool:
        """Wait within a call; whether it was stopped meanwhile."""
        return self._stopping.wait(seconds)

    def close(self) -> None:
        """Stop, and wait until the call under way has ended."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_s):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 (whatever it is, the next call may succeed)
                log.error("look.failed", look=self._thread.name, reason=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)
