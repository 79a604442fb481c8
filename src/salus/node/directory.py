"""
Where each member is reached and by which certificates it is known: the ledger's word, re-read.

A member's row names its address and certificates (`members.set_address`). Until it does, and when
an operator says so, an entry of the node's own settings stands in. A change counts within
`RELOAD_S`; a certificate whose service key was retired counts no more.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from salus.base.errors import Problem
from salus.machine.context import View
from salus.modules.members import queries as members
from salus.modules.members.state import SERVICE
from salus.node import tls
from salus.node.http_transport import HttpTransport
from salus.node.peers import Transport, peer_down
from salus.node.ports import Clock
from salus.node.signed_request import Request

RELOAD_S = 2.0
"""How old an answer from the ledger's row may be; the bar is 10 s (`security.md` §6)."""


@dataclass(frozen=True)
class Reached:
    """The way to a member."""

    url: str
    """`https://host[:port][/path]`."""

    certificates: tuple[bytes, ...]
    """DER; any of them is the member."""

    overrules_ledger: bool = False
    """An operator's entry that counts more than the row: for a copy that missed a change."""


@dataclass
class _Way:
    reached: Reached
    transport: HttpTransport
    looked_s: float


class Directory:
    """Hands out transports that follow the ledger; `close` ends their lines."""

    def __init__(self, entries: Mapping[bytes, Reached], clock: Clock) -> None:
        """`entries`: the settings' own, by member id."""
        self._entries = dict(entries)
        self._clock = clock
        self._view: Callable[[], View] | None = None
        self._lock = threading.Lock()
        self._ways: dict[bytes, _Way] = {}

    def follow(self, view: Callable[[], View]) -> None:
        """Believe the ledger from now on; until then the settings' entries alone count."""
        self._view = view

    def transport(self, member: bytes) -> Transport:
        """A way to this member that is looked up anew as time goes by."""

        def carry(request: Request) -> bytes:
            return self._way(member)(request)

        return carry

    def reached(self, member: bytes) -> Reached | None:
        """How the member is reached as of now, or None if nobody says."""
        entry = self._entries.get(member)
        if entry is not None and entry.overrules_ledger:
            return entry
        return self._on_ledger(member) or entry

    def close(self) -> None:
        """Close all lines."""
        with self._lock:
            ways, self._ways = self._ways, {}
        for way in ways.values():
            way.transport.close()

    def _way(self, member: bytes) -> HttpTransport:
        now_s = self._clock.monotonic()
        with self._lock:
            way = self._ways.get(member)
            if way is not None and now_s - way.looked_s < RELOAD_S:
                return way.transport
            reached = self.reached(member)
            if reached is None:
                raise peer_down("no address of this member is known: put it under [[peers]]")
            if way is None or way.reached != reached:
                if way is not None:
                    way.transport.close()
                transport = HttpTransport(reached.url, reached.certificates)
                way = self._ways[member] = _Way(reached, transport, now_s)
            way.looked_s = now_s
            return way.transport

    def _on_ledger(self, member: bytes) -> Reached | None:
        if self._view is None:
            return None
        view = self._view()
        row = members.member(view, member)
        if row is None or row.address is None:
            return None
        keys = members.keys(view, member, SERVICE, view.time_ms)
        good = tuple(one for one in row.certificates if _key_of(one) in keys)
        return Reached(row.address, good) if good else None


def _key_of(certificate: bytes) -> bytes | None:
    """The key inside; None if a member put bytes there that are no certificate."""
    try:
        return tls.certificate_key(certificate)
    except Problem:
        return None
