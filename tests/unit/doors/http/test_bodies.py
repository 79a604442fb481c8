"""Bodies: bounded by what they state and by what comes; and the wake-ups of those who wait."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import pytest

from salus.base.errors import Problem
from salus.doors.http import wakeups as wakeups_file
from salus.doors.http.bodies import read_body
from salus.doors.http.plain import from_hex, plain
from salus.doors.http.wakeups import Wakeups
from salus.machine.block import Receipt
from salus.modules.audit.messages import DefineTerm
from salus.node.mempool import Done

LIMIT = 8
TICKETS = 500


def read(parts: Sequence[bytes], stated: int | None, *, ends: bool = True) -> bytes:
    """The body of these messages."""
    headers = [] if stated is None else [(b"content-length", b"%d" % stated)]
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": not ends or at + 1 < len(parts)}
        for at, part in enumerate(parts)
    ]

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    scope: Any = {"type": "http", "headers": headers}
    return asyncio.run(read_body(scope, receive, LIMIT))


@pytest.mark.parametrize("parts", [[b"abcd"], [b"ab", b"cd"], [b"", b"abcd", b""]])
@pytest.mark.parametrize("stated", [None, 4])
def test_a_body_is_read_whole(parts: list[bytes], stated: int | None) -> None:
    """However it is cut, with or without a stated length."""
    assert b"abcd" == read(parts, stated)


@pytest.mark.parametrize(
    ("parts", "stated"), [([b"x"], LIMIT + 1), ([bytes(LIMIT + 1)], None), ([b"12345"] * 2, None)]
)
def test_a_body_over_the_limit_is_refused(parts: list[bytes], stated: int | None) -> None:
    """By its word first, then by its bytes, at the first part too many."""
    with pytest.raises(Problem, match="BodyTooLarge"):
        read(parts, stated)


def test_a_caller_who_leaves_is_told_nothing_more() -> None:
    """A disconnect in the middle is no body."""
    with pytest.raises(Problem, match="BodyMissing"):
        read([b"ab"], None, ends=False)


def test_one_wake_up_serves_all_that_ended() -> None:
    """Tickets ended by another thread in one go ring the bell far less than once each."""
    rings = 0

    async def wait_for_all() -> list[Done]:
        loop = asyncio.get_running_loop()
        wakeups = Wakeups(loop)
        threadsafe = loop.call_soon_threadsafe

        def counted(*given: Any) -> Any:
            nonlocal rings
            rings += 1
            return threadsafe(*given)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign]  # to count
        tickets: list[Future[Done]] = [Future() for _ in range(TICKETS)]
        waiting = [asyncio.ensure_future(wakeups.wait(one)) for one in tickets]
        await asyncio.sleep(0)
        writer = threading.Thread(target=_end, args=(tickets,))
        writer.start()
        writer.join()
        return await asyncio.gather(*waiting)

    ended = asyncio.run(wait_for_all())

    assert list(range(TICKETS)) == [one.position for one in ended]
    assert 1 == rings


def test_who_waits_too_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """504 for the one whose block does not come; the others get theirs, before and after."""
    monkeypatch.setattr(wakeups_file, "LOOK_S", 0.01)

    async def wait_for_all() -> list[Done | BaseException]:
        wakeups = Wakeups(asyncio.get_running_loop(), wait_s=0.1)
        tickets: list[Future[Done]] = [Future() for _ in range(3)]
        waiting = [asyncio.ensure_future(wakeups.wait(one)) for one in tickets[:2]]
        await asyncio.sleep(0)
        _end(tickets[:1])
        await asyncio.wait(waiting)
        waiting.append(asyncio.ensure_future(wakeups.wait(tickets[2])))
        await asyncio.sleep(0)
        _end(tickets[1:])
        return await asyncio.gather(*waiting, return_exceptions=True)

    before, late, after = asyncio.run(wait_for_all())

    assert isinstance(before, Done)
    assert isinstance(after, Done)
    with pytest.raises(Problem, match="UnknownOutcome"):
        raise late if isinstance(late, Problem) else AssertionError(late)


def test_a_refused_ticket_raises_where_it_is_awaited() -> None:
    """The engine's own error passes through."""

    async def wait() -> None:
        ticket: Future[Done] = Future()
        ticket.set_exception(ValueError("no"))
        await Wakeups(asyncio.get_running_loop()).wait(ticket)

    with pytest.raises(ValueError, match="no"):
        asyncio.run(wait())


def test_values_are_shown_in_hex_and_by_name() -> None:
    """Structs keep their tag, sets are sorted, bytes are hex wherever they stand."""
    value = {"m": DefineTerm(kind=1, number=2, text="T"), "s": {3, 1}, b"\x01": (b"\xff", None)}

    expected = {
        "m": {"do": "audit.define_term", "kind": 1, "number": 2, "text": "T"},
        "s": [1, 3],
        "01": ["ff", None],
    }
    assert expected == plain(value)


@pytest.mark.parametrize("text", ["", "0", "zz", "00", "000000"])
def test_hex_of_another_width_is_refused(text: str) -> None:
    """The parameter is named, what was given is not repeated."""
    with pytest.raises(Problem, match="tag: expected 4 hex digits"):
        from_hex(text, 2, "tag")


def _end(tickets: Sequence[Future[Done]]) -> None:
    for at, one in enumerate(tickets):
        one.set_result(Done(bytes(32), 1, at, at, Receipt(code=0, events=[])))
