"""What is looked at regularly is looked at again after a failure, until it is closed."""

import threading

from structlog.testing import capture_logs

from salus.node.regularly import Regularly

PATIENCE_S = 10.0


def test_a_look_that_fails_is_told_without_its_words_and_comes_again() -> None:
    """A thread that ended in silence would look like one with nothing to do."""
    again = threading.Event()
    calls = 0

    def look() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("Ada Lovelace")
        again.set()

    with capture_logs() as told:
        looking = Regularly("comet-test", 0.001, look)
        looking.start()
        assert again.wait(PATIENCE_S)
        looking.close()
    failed = {"event": "look.failed", "look": "comet-test", "reason": "ValueError"}

    assert [failed | {"log_level": "error"}] == told


def test_a_look_that_ends_itself_is_the_last() -> None:
    """`stop` from within: the call under way is the last one."""
    calls: list[int] = []

    def look() -> None:
        calls.append(1)
        looking.stop()

    looking = Regularly("comet-test", 0.001, look)
    looking.start()
    looking._thread.join(PATIENCE_S)

    assert [1] == calls
