"""
The links between members, each way of each pair with its own weather: a TCP proxy.

    with Links(("north", "south")) as links:
        port = links.listen("north", "south", 9443)     whoever dials it reaches port 9443
        links.shape("north", "south", delay_s=0.2)      of what goes from north to south
        links.cut([("north", "south")]); links.heal()

What is cut is held: as on a dead line nobody is told, and bytes come late when it is healed. What
is broken is refused: connections end at once, and new ones too. Loss is what TCP makes of it: a
lost part holds up all behind it until it is sent again. Delays are drawn by seed; bytes are never
altered, doubled or re-ordered.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import permutations
from random import Random
from types import TracebackType
from typing import Any, Self

PART_BYTES = 16 * 1024
"""Read at once: what is lost or late together."""

PARTS_MAX = 256
"""On their way at once each way of a connection; then the sender is held up."""

AGAIN_S = 0.2
"""Until a lost part is sent again (RFC 6298's timer at its usual floor); it doubles."""

CLOSE_S = 0.1
"""For sockets to be closed by the loop they belong to."""

HOST = "127.0.0.1"

Way = tuple[str, str]
"""From, to."""


@dataclass
class Weather:
    """What happens to the bytes of one way."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Up to so much more or less."""

    loss: float = 0.0
    """Probability that a part is lost, and lost again."""

    is_open: asyncio.Event = field(default_factory=asyncio.Event)
    is_broken: bool = False


class Links:
    """All ways among some members; a thread with an event loop carries the bytes."""

    def __init__(self, names: Iterable[str], seed: int = 1) -> None:
        """`names`: who stands at the ends. All ways are open and quick."""
        self._random = Random(seed)
        self._weather = {way: Weather() for way in permutations(names, 2)}
        for one in self._weather.values():
            one.is_open.set()
        self._servers: list[asyncio.Server] = []
        self._carrying: dict[asyncio.Task[None], Way] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Carries already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        self._wait(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def listen(self, dialer: str, listener: str, port: int) -> int:
        """A port on which `dialer` reaches the listener's."""

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._carrying[task] = (dialer, listener)
            try:
                await self._carry((dialer, listener), port, (reader, writer))
            except asyncio.CancelledError:
                # Broken off, or everything is closed: the connection's end, and this task's.
                return
            finally:
                del self._carrying[task]

        async def open_server() -> asyncio.Server:
            return await asyncio.start_server(carry, HOST, 0, limit=PART_BYTES)

        server = self._wait(open_server())
        self._servers.append(server)
        found: int = server.sockets[0].getsockname()[1]
        return found

    def shape(
        self, from_: str, to: str, *, delay_s: float = 0.0, jitter_s: float = 0.0, loss: float = 0.0
    ) -> None:
        """What happens from now on to what goes from one member to another."""
        weather = self._weather[from_, to]

        def change() -> None:
            weather.delay_s, weather.jitter_s, weather.loss = delay_s, jitter_s, loss

        self._do(change)

    def shape_all(self, *, delay_s: float = 0.0, jitter_s: float = 0.0, loss: float = 0.0) -> None:
        """The same weather on every way."""
        for from_, to in self._weather:
            self.shape(from_, to, delay_s=delay_s, jitter_s=jitter_s, loss=loss)

    def cut(self, ways: Iterable[Way]) -> None:
        """Nothing goes these ways until `heal`."""
        closed = list(ways)

        def change() -> None:
            for way in closed:
                self._weather[way].is_open.clear()

        self._do(change)

    def break_(self, ways: Iterable[Way]) -> None:
        """End all connections between these and refuse new ones until `heal`; no half of one."""
        broken = set(ways)

        def change() -> None:
            for way in broken:
                self._weather[way].is_broken = True
            for task, way in self._carrying.items():
                if way in broken:
                    task.cancel()

        self._do(change)

    def heal(self) -> None:
        """Everything goes every way, at once."""

        def change() -> None:
            for weather in self._weather.values():
                weather.delay_s = weather.jitter_s = weather.loss = 0.0
                weather.is_open.set()
                weather.is_broken = False

        self._do(change)

    async def _carry(
        self, way: Way, port: int, dialed: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        """One connection, until either side ends it."""
        there, back = self._weather[way], self._weather[way[1], way[0]]
        reader, writer = dialed
        writers = [writer]
        try:
            if there.is_broken:
                return
            await there.is_open.wait()
            far_reader, far_writer = await asyncio.open_connection(HOST, port, limit=PART_BYTES)
            writers.append(far_writer)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._one_way(there, reader, far_writer))
                group.create_task(self._one_way(back, far_reader, writer))
        except* (OSError, _Ended):
            pass
        finally:
            for one in writers:
                one.close()

    async def _one_way(
        self, weather: Weather, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Read, keep each part until it is due, hand it on in order; raises _Ended at the end."""
        parts: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PARTS_MAX)

        async def read() -> None:
            due_s = 0.0
            while True:
                data = await reader.read(PART_BYTES)
                due_s = max(due_s, self._loop.time() + self._late_s(weather))
                await parts.put((due_s, data))
                if not data:
                    return

        async def write() -> None:
            while True:
                due_s, data = await parts.get()
                await asyncio.sleep(max(0.0, due_s - self._loop.time()))
                await weather.is_open.wait()
                if not data:
                    raise _Ended
                writer.write(data)
                await writer.drain()

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            group.create_task(write())

    def _late_s(self, weather: Weather) -> float:
        late_s = weather.delay_s + self._random.uniform(-1, 1) * weather.jitter_s
        again_s = AGAIN_S
        while self._random.random() < weather.loss:
            late_s += again_s
            again_s *= 2
        return max(0.0, late_s)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)
        await asyncio.sleep(CLOSE_S)

    def _do(self, change: Callable[[], object]) -> None:
        async def act() -> None:
            change()

        self._wait(act())

    def _wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(30)


def ways_between(some: Iterable[str], others: Iterable[str]) -> list[Way]:
    """Both ways between two groups."""
    right = list(others)
    return [way for one in some for other in right for way in ((one, other), (other, one))]


class _Ended(Exception):
    """One side closed its end."""
