"""
The log as others' tools read it: C2SP checkpoint, tiles and entry bundles (tlog-tiles).

    /log/checkpoint                        the newest note that meets the quorum
    /log/tile/<L>/<N>[.p/<W>]              hashes of level 8·L, 256 a tile, W in a partial one
    /log/tile/entries/<N>[.p/<W>]          the entries below a tile of level 0, u16 length ‖ bytes

<N> is written in groups of three digits, all but the last led by x: 1234067 is x001/x234/067.
"""

import re
import threading
import time
from typing import Annotated

from anyio import to_thread
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, PathParameter, SkipValidation

from salus.base.errors import Problem
from salus.doors.http.answers import Reply
from salus.doors.http.bundles import TILE_WIDTH, Bundles, tile_unknown
from salus.doors.http.member import MemberDoor

LEVEL_MAX = 5
"""Level 5 stands above 2^40 entries (tlog-tiles allows 63; a level above the log has no tile)."""

NOTE_AGE_S = 1.0
"""A note is renewed at most once a second (`ledger.md` §5.5)."""

_PLACE = re.compile(r"((?:x[0-9]{3}/){0,4})([0-9]{3})(?:\.p/([0-9]{1,3}))?")

FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
"""A tile that was served never changes; a partial one is another resource than the full one."""

BRIEFLY = {"cache-control": "no-cache"}

TilePath = Annotated[str, PathParameter(description="Tile number, as `x001/067` or `067.p/12`.")]


class Notes:
    """The note to show: the newest, renewed when the log has grown and a second has passed."""

    def __init__(self, member: MemberDoor) -> None:
        """Of one member."""
        self._node = member.node
        self._lock = threading.Lock()
        self._renewed_s = 0.0

    def text(self) -> str:
        """The note's text; raises Problem QuorumMissing if none ever met the quorum."""
        with self._lock:
            newest = self._node.checkpoints.newest
            size = self._node.ledger.tip.log_size
            is_due = time.monotonic() - self._renewed_s > NOTE_AGE_S
            if newest is None or (newest.checkpoint.size < size and is_due):
                self._renewed_s = time.monotonic()
                try:
                    newest = self._node.checkpoints.covering(size)
                except Problem:
                    if newest is None:
                        raise
            return newest.text


NotesShown = SkipValidation[NamedDependency[Notes]]
BundlesRead = SkipValidation[NamedDependency[Bundles]]
"""Given by the router."""


@get("/log/checkpoint", sync_to_thread=True, tags=["log"])
def checkpoint(notes: NotesShown) -> Reply:
    """Give the newest checkpoint that meets the quorum: a C2SP signed note."""
    return Response(notes.text().encode(), media_type="text/plain", headers=BRIEFLY)


@get("/log/tile/{level:str}/{place:path}", tags=["log"])
async def tile(bundles: BundlesRead, level: FromPath[str], place: TilePath) -> Reply:
    """
    Give a tile of hashes (`level` 0 to 5), or an entry bundle (`level` is `entries`).

    C2SP tlog-tiles. A full tile never changes; 404 for what the log does not hold yet.
    """
    number, width = parse_place(place.strip("/"))
    if level == "entries":
        read = bundles.entries
        data = await to_thread.run_sync(read, number * TILE_WIDTH, width)
    else:
        first = number * TILE_WIDTH
        data = await to_thread.run_sync(bundles.hashes, _level(level) * 8, first, width)
    return Response(data, media_type="application/octet-stream", headers=FOREVER)


TLOG_ROUTES = (checkpoint, tile)


def parse_place(text: str) -> tuple[int, int]:
    """(number, width) of a tile's path; raises Problem TileUnknown."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise tile_unknown()
    groups = found[1].replace("x", "").replace("/", "") + found[2]
    width = TILE_WIDTH if found[3] is None else int(found[3])
    is_shortest = not (found[1] and found[1].startswith("x000"))
    if not is_shortest or (found[3] is not None and not 0 < width < TILE_WIDTH):
        raise tile_unknown()
    return int(groups), width


def _level(text: str) -> int:
    if not re.fullmatch(r"[0-9]", text) or int(text) > LEVEL_MAX:
        raise tile_unknown()
    return int(text)
