"""What tests of the embedded engine share: a writer held inside a block, and waiting."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from salus.base.errors import Refusal
from salus.node.embedded import EmbeddedEngine


def refused(engine: EmbeddedEngine, data: bytes) -> int:
    """The refusal's code at admission."""
    with pytest.raises(Refusal) as refusal:
        engine.submit_and_wait(data, 10)
    return refusal.value.code


@contextmanager
def held(engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the writer inside its next block until the end; returns when it is there."""
    inside, released, execute = threading.Event(), threading.Event(), engine.ledger.execute

    def slow(*arguments: Any, **options: Any) -> Any:
        inside.set()
        assert released.wait(20)
        return execute(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(engine.ledger, "execute", slow)
        engine._renew.set()
        engine.mempool.wake()
        assert inside.wait(10)
        try:
            yield
        finally:
            released.set()


def wait_for(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within ten seconds."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.01) for _ in range(1_000))
