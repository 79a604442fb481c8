"""
Where a call goes: the target URI of one route at one member's peer door (`ADR 0021`).

    https://{member}.salus.alt/peer/v1/{network}/{route}?door={door}&height={height}

The host is the member's id, not an address: what is signed names its one receiver, whichever way
the line leads there. No resolver knows `.alt` (RFC 9476): lines are opened to the address in the
member's row, and names of certificates are not looked at (`tls.py`).
"""

import re
from dataclasses import dataclass

from salus.node.signed_request import malformed

PATH = "/peer/v1"

NO_DOOR = "0" * 16
"""Said by a caller that does not know the door's name yet."""

URI_CHARACTERS_MAX = 256

_URI = re.compile(
    r"https://([0-9a-f]{32})\.salus\.alt"
    rf"{PATH}/([0-9a-f]{{64}})/(?=[a-z/-]{{1,64}}\?)([a-z]+(?:[/-][a-z]+)*)"
    r"\?door=([0-9a-f]{16})&height=(0|[1-9][0-9]{0,15})"
)


@dataclass(frozen=True)
class Target:
    """A route at a member's door."""

    member: bytes
    """The receiver's id, 16 B."""

    network: bytes
    """32 B."""

    route: str
    """1-64 small letters, in words between single slashes or hyphens."""

    door: str
    """The name of the door's present start, or `NO_DOOR`."""

    height: int
    """The sender's tip: the answer comes from a state at least as new, or is Behind."""

    @property
    def uri(self) -> str:
        """As it is signed."""
        path = f"{PATH}/{self.network.hex()}/{self.route}"
        return f"https://{host(self.member)}{path}?door={self.door}&height={self.height}"


def read(uri: str) -> Target:
    """Raise Problem CallMalformed for anything that `Target.uri` does not write."""
    found = _URI.fullmatch(uri) if len(uri) <= URI_CHARACTERS_MAX else None
    if found is None:
        raise malformed("the target of a route at a peer door")
    member, network, route, door, height = found.groups()
    return Target(bytes.fromhex(member), bytes.fromhex(network), route, door, int(height))


def host(member: bytes) -> str:
    """The host that means this member, wherever it is reached."""
    return f"{member.hex()}.salus.alt"
