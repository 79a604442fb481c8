"""Commands that read a member's ledger: status, members, tx, proof, trust export."""

import sys
from typing import Annotated, Any

import typer

from salus.base.comet.validators import Validator
from salus.base.policy import default_policy
from salus.client import trust as trust_file
from salus.client.trust import CometTrust, Trust
from salus.doors.cli.output import Json, say, show_fields, show_json, show_table
from salus.doors.cli.site import DATA, URL, As, Data, Site, Url
from salus.modules.members.state import NODE
from salus.node.comet.app import chain_id
from salus.node.member_keys import LOG_USE

TxId = Annotated[str, typer.Argument(help="Transaction id, 64 hex digits.")]

SET_DELAY = 2
"""What the members' table says after a block makes the validators of the second one after it."""

trust = typer.Typer(help="What a verifier takes as given.", no_args_is_help=True)


def status(*, url: Url = URL, member: As = None, as_json: Json = False) -> None:
    """
    Show where a member's copy of the ledger stands.

    Example: salus status --as south
    """
    value = Site(url, member).get("/v1/status")
    if as_json:
        show_json(value)
    else:
        show_fields(value)


def list_members(url: str, member: str | None, *, as_json: bool) -> None:
    """List the network's members."""
    value = Site(url, member).get("/v1/members")
    if as_json:
        show_json(value)
    else:
        show_table(value["members"], ["number", "name", "id", "status", "joined_height"])


def tx(tx_id: TxId, *, url: Url = URL, member: As = None, as_json: Json = False) -> None:
    """
    Show what became of a transaction, and what everybody on the ledger sees of it.

    Example: salus tx 518412ee...
    """
    value = Site(url, member).get(f"/v1/transactions/{tx_id}")
    if as_json:
        show_json(value)
        return
    show_fields({name: one for name, one in value.items() if name not in ("messages", "events")})
    for kind in ("messages", "events"):
        for at, one in enumerate(value.get(kind, [])):
            sys.stdout.write(f"\n{kind[:-1]} {at}\n")
            show_fields(one)


def proof(
    tx_id: TxId,
    *,
    message: Annotated[int | None, typer.Option(help="Prove this message alone, from 0.")] = None,
    event: Annotated[int | None, typer.Option(help="Prove this event alone, from 0.")] = None,
    tlog: Annotated[bool, typer.Option("--tlog", help="As a C2SP .tlog-proof.")] = False,
    url: Url = URL,
    member: As = None,
) -> None:
    """
    Fetch a proof file that anybody can check offline; it goes to stdout.

    Example: salus proof 518412ee... > done.salus-proof
    """
    form = "tlog" if tlog else "salus"
    data = Site(url, member).read(
        f"/v1/transactions/{tx_id}/proof", message=message, event=event, format=form
    )
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


@trust.command("export")
def export(*, url: Url = URL, member: As = None, data: Data = DATA) -> None:
    """
    Write a trust file for this network to stdout; its fingerprint goes to stderr.

    Compare the fingerprint with a member you trust, over another channel.

    Example: salus trust export > trust.json
    """
    site = Site(url, member, data)
    network = bytes.fromhex(site.get("/v1/status")["network"])
    told = site.get("/v1/members")
    active = [one for one in told["members"] if one["status"] == "active"]
    logs = {
        bytes.fromhex(one["id"]): bytes.fromhex(one["keys"][str(LOG_USE)][0])
        for one in active
        if str(LOG_USE) in one["keys"]
    }
    comet = _comet(network, told["height"], active)
    made = Trust.of(network, default_policy(network, logs), comet=comet)
    sys.stdout.buffer.write(trust_file.to_bytes(made))
    sys.stdout.buffer.flush()
    needed, of = made.policy.size
    say(f"fingerprint {made.fingerprint}; {needed} of {of} members must have signed")


def _comet(network: bytes, height: int, active: list[dict[str, Any]]) -> CometTrust | None:
    """The validators that CometBFT has, or will have, of these members; None without any."""
    validators = tuple(
        Validator(bytes.fromhex(one["keys"][str(NODE)][0]), one["power"])
        for one in active
        if one["power"] and str(NODE) in one["keys"]
    )
    return CometTrust(chain_id(network), height + SET_DELAY, validators) if validators else None
