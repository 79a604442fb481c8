"""
A member's first files, made on its own machine before any network knows it.

    NAME.toml               its configuration
    NAME.salus-member       its contribution: what it hands to the others
    NAME/, comet/NAME/      where its data and its CometBFT's will be
    keys/NAME/              its secrets, its issuers', its operator's token

What is there stays: a second run writes the contribution of the same keys.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from salus.base.errors import Category, Problem
from salus.doors.demo.network import operator_token
from salus.node import contribution
from salus.node.contribution import Contribution, Secrets
from salus.node.issuers import make_issuers
from salus.node.keys import make_demo_keys, make_keys
from salus.node.ports import RealClock
from salus.node.settings import Place, read_settings
from salus.node.small_file import write_whole

LOOPBACK = ("127.0.0.1", "localhost")

HTTPS_PORT = 443


@dataclass(frozen=True)
class Wanted:
    """What a new configuration needs to be told."""

    url: str
    """The peer door, as the others reach it."""

    node: str
    """`host:port` at which the others' CometBFT connects."""

    port: int
    """Of the API."""

    is_demo: bool
    """Whether its keys lie in the clear."""


def configure(config: Path, wanted: Wanted) -> None:
    """Write a configuration that is not there yet; raises Problem as `read_settings`."""
    name = config.stem
    host = urlsplit(wanted.url).hostname or ""
    door = host if host in LOOPBACK else "0.0.0.0"  # noqa: S104 (the peer door is for other machines)
    port = urlsplit(wanted.url).port or HTTPS_PORT
    text = f"""\
[member]
name = "{name}"
folder = "{name}"
keys = "keys/{name}"
genesis = "genesis.json"
demo_keys = {str(wanted.is_demo).lower()}

[door]
port = {wanted.port}
operator_token = "keys/{name}/operator.token"

[peer_door]
host = "{door}"
port = {port}
url = "{wanted.url}"

[comet]
folder = "comet/{name}"
listen = "{wanted.node}"
"""
    config.parent.mkdir(parents=True, exist_ok=True)
    write_whole(config, text.encode())
    try:
        read_settings(config)
    except Problem:
        config.unlink()
        raise


def contribute(config: Path, title: str, passphrase: bytes | None) -> tuple[Path, Contribution]:
    """
    Make a member's keys and write its contribution beside its configuration.

    `passphrase`: None for a demo's keys. Raises Problem NetworkKnown: the member has its genesis
    file already; NetworkMissing: no `[comet]` table.
    """
    place = read_settings(config)
    home = place.comet
    if home is None:
        raise Problem(
            Category.CONFLICT,
            "NoNetwork",
            f"expected a [comet] table in {config.name}: a contribution is for a network whose "
            "members vote on each block",
        )
    _check_new(place)
    folder = place.path(place.settings.member.keys)
    keys = make_demo_keys(folder) if passphrase is None else make_keys(folder, passphrase)
    secrets = Secrets(keys, home.node_key(), make_issuers(folder, passphrase))
    if place.settings.door.operator_token:
        operator_token(place.path(place.settings.door.operator_token))
    data = contribution.make(
        secrets,
        title=title,
        address=place.settings.peer_door.url,
        listen=home.listen,
        now_ms=RealClock().now_ms(),
    )
    path = contribution_path(config)
    write_whole(path, data)
    return path, contribution.read(data)


def contribution_path(config: Path) -> Path:
    """Where a member's own contribution lies."""
    return config.with_suffix(contribution.SUFFIX)


def read_contribution(path: Path) -> Contribution:
    """A contribution's file; raises Problem FileUnreadable, and those of `contribution.read`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Problem(
            Category.NOT_FOUND, "FileUnreadable", f"{path}: {error.strerror}; name another file"
        ) from None
    return contribution.read(data)


def _check_new(place: Place) -> None:
    path = place.path(place.settings.member.genesis)
    if path.exists():
        raise Problem(
            Category.CONFLICT,
            "NetworkKnown",
            f"expected no {path.name} yet, found one: this member's network is decided. Its keys "
            "are changed by `salus keys rotate`; a member of another network has another folder",
        )
