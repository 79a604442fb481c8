"""`salus keys rotate` and `salus keys retire`: another key of one use, without a gap."""

from pathlib import Path
from typing import Annotated, Any

import typer

from salus.doors.cli.output import Json, say, show_fields, show_json
from salus.doors.cli.passphrase import PassphraseFd, ask_passphrase
from salus.doors.cli.site import Site
from salus.doors.cli.votes import carry_out
from salus.doors.network.standing import url
from salus.node.ports import RealClock
from salus.node.rotation import Known, Rotatable, Rotation
from salus.node.settings import Place, read_settings

UseName = Annotated[Rotatable, typer.Argument(help="Which of the member's keys.")]
Config = Annotated[Path, typer.Argument(help="The member's configuration file, TOML.")]

NEXT_STEP = {
    Rotatable.TRANSACTION: "restart the node: from then on it signs with the new key",
    Rotatable.SERVICE: "restart the node: the others know the new key and certificate already",
    Rotatable.NODE: "the running node takes it by itself with the next block",
}
"""What an operator does after a rotation."""


def add_to(keys: typer.Typer) -> None:
    """Enter the commands."""
    keys.command("rotate")(rotate)
    keys.command("retire")(retire)


def rotate(
    use: UseName, config: Config, *, passphrase_fd: PassphraseFd = None, as_json: Json = False
) -> None:
    """
    Make another key of a use and put it on the ledger; the old one counts until it is retired.

    The member's node runs meanwhile. A first node key is put there too.

    Example: salus keys rotate service north.toml
    """
    place = read_settings(config)
    site = Site(url(place))
    rotation = Rotation(place, use, _passphrase(place, passphrase_fd))
    known = _known(site, rotation, use)
    key = rotation.new_key(known)
    blocks = [
        carry_out(site, rotation.keys.transaction, one)["height"]
        for one in rotation.messages(known, RealClock().now_ms())
    ]
    rotation.take()
    value = {"use": use.value, "new": key.public.hex(), "from_block": max(blocks, default=None)}
    show_json(value) if as_json else show_fields(value)
    say(f"{NEXT_STEP[use]}. The old key, a day later: salus keys retire {use.value} {config}")


def retire(
    use: UseName, config: Config, *, passphrase_fd: PassphraseFd = None, as_json: Json = False
) -> None:
    """
    Let all of a use's keys but the present one count no more, at once and for good.

    Example: salus keys retire service north.toml
    """
    place = read_settings(config)
    site = Site(url(place))
    rotation = Rotation(place, use, _passphrase(place, passphrase_fd))
    gone = rotation.retirements(_known(site, rotation, use))
    for message in gone:
        carry_out(site, rotation.keys.transaction, message)
    value = {"use": use.value, "retired": [one.key.hex() for one in gone]}
    show_json(value) if as_json else show_fields(value)


def _known(site: Site, rotation: Rotation, use: Rotatable) -> Known:
    """The member's row on the ledger; keys of the use are empty for one it does not know."""
    rows: list[dict[str, Any]] = site.get("/v1/members")["members"]
    row = next((one for one in rows if one["id"] == rotation.keys.member.hex()), {})
    return Known(
        network=bytes.fromhex(site.get("/v1/status")["network"]),
        live=[bytes.fromhex(one) for one in row.get("keys", {}).get(str(use.use), [])],
        certificates=[bytes.fromhex(one) for one in row.get("certificates", [])],
    )


def _passphrase(place: Place, file: int | None) -> bytes | None:
    return None if place.settings.member.demo_keys else ask_passphrase("Passphrase", file)
