"""Members whose every link to one another goes through a proxy, CometBFT's and the peer doors'."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.campaign.network.members import Members
from tests.support.live_network import NAMES, Network
from tests.support.proxy import HOST, Links

Address = Callable[[str, str, int], str]
"""(dialer, listener, port) -> `host:port` at which the dialer reaches that port."""


@contextmanager
def proxied_members(folder: Path, seed: int) -> Iterator[tuple[Members, Links]]:
    """Four members, level; APIs are reached directly."""
    with Links(NAMES, seed) as links:
        members = Members(Network(folder))

        def address(dialer: str, to: str, port: int) -> str:
            return f"{HOST}:{links.listen(dialer, to, port)}"

        lead(members, address)
        with members:
            yield members, links


def lead(members: Members, address: Address) -> None:
    """Write into each configuration where its member reaches the others."""
    for name in NAMES:
        path = members.config(name)
        text = path.read_text()
        for other in NAMES:
            if other != name:
                text = _led(text, members, other, partial(address, name, other))
        path.write_text(text)


def _led(text: str, members: Members, other: str, address: Callable[[int], str]) -> str:
    settings = members.places[other].settings
    assert settings.comet is not None
    comet_port = int(settings.comet.listen.rpartition(":")[2])
    peer_port = settings.peer_door.port
    text = replaced(text, rf'@{HOST}:{comet_port}"', f'@{address(comet_port)}"')
    # The ledger's row names the port behind the link, so the entry must count more.
    return replaced(
        text,
        rf'"https://{HOST}:{peer_port}"',
        f'"https://{address(peer_port)}"\noverrules_ledger = true',
    )


def replaced(text: str, pattern: str, by: str, count: int = 1) -> str:
    """A text with so many places changed; raises AssertionError if there are others."""
    made, found = re.subn(pattern, by, text)
    assert found == count, f"{pattern}: expected {count} places, found {found}"
    return made
