"""`salus vault`: what a member's vault has and lacks, and whose storage receipts are empty."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from salus.base.errors import Category, Problem
from salus.doors.cli.output import Json, show_fields, show_json, show_table
from salus.doors.cli.site import DATA, URL, As, Data, Site, Url

vault = typer.Typer(help="A member's vault, and its proofs from others.", no_args_is_help=True)


@vault.command("status")
def status(*, url: Url = URL, member: As = None, data: Data = DATA, as_json: Json = False) -> None:
    """
    Show what the vault has and lacks; exit code 65 if a member's storage receipt is empty.

    Example: salus vault status --as north
    """
    _show(Site(url, member, data).operate("GET", "/vault"), as_json=as_json)


@vault.command("probe")
def probe(*, url: Url = URL, member: As = None, data: Data = DATA, as_json: Json = False) -> None:
    """
    Ask the other members now to prove that they hold what they gave receipts for.

    Every node does it once an hour by itself.

    Example: salus vault probe --as north
    """
    _show(Site(url, member, data).operate("POST", "/vault/probe"), as_json=as_json)


def _show(value: Mapping[str, Any], *, as_json: bool) -> None:
    unproven = value["unproven"]
    if as_json:
        show_json(value)
    else:
        counts = {name: len(value[name]) for name in ("lacking", "unproven")}
        show_fields({"committed": value["committed"], "held": value["held"], **counts})
        rows = [one | {"since": _utc(one["since_ms"])} for one in unproven]
        if rows:
            show_table(rows, ["member_name", "member", "batch", "since"])
    if unproven:
        raise _unproven(unproven)


def _unproven(found: Sequence[Mapping[str, Any]]) -> Problem:
    names = sorted({one["member_name"] or one["member"] for one in found})
    return Problem(
        Category.UNVERIFIED,
        "ReceiptsEmpty",
        f"expected every member to hold what it signed a storage receipt for; {', '.join(names)} "
        f"could not prove it of {len({one['batch'] for one in found})} batches. The records open "
        "from the other holders. Tell that member's operator, whose node fetches what it lost "
        "within the hour; if it stays so, vote to suspend the member",
    )


def _utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
