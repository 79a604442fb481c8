"""`salus deploy`: files for whoever runs members, printed from what this program knows."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from salus.doors.member import compose as composed
from salus.doors.member.unit import Places, places_of
from salus.doors.member.unit import unit as text_of
from salus.node.settings import read_settings

deploy = typer.Typer(help="Files for systemd and containers, printed.", no_args_is_help=True)


@deploy.command("unit")
def unit(
    config: Annotated[
        Path | None, typer.Argument(help="A member's configuration; else any of /etc/salus.")
    ] = None,
) -> None:
    """
    Print the systemd unit of a member, with the places of its configuration and of this program.

    Example: salus deploy unit /etc/salus/north.toml > /etc/systemd/system/salus-north.service
    """
    program = Path(sys.executable).with_name("salus")
    known = Places() if config is None else places_of(read_settings(config), config, program)
    sys.stdout.write(text_of(known))


@deploy.command("compose")
def compose() -> None:
    """
    Print the compose file of four demo members.

    Example: salus deploy compose > deploy/compose.yaml
    """
    sys.stdout.write(composed.compose())
