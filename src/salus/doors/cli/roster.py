"""`salus network`: proposals that change who takes part, each with what an operator does next."""

from pathlib import Path
from typing import Annotated

import typer

from salus.base.errors import Category, Problem
from salus.doors.cli.acts import Signer, read_signer
from salus.doors.cli.output import Json, say
from salus.doors.cli.passphrase import PassphraseFd
from salus.doors.cli.site import URL, As, Site, Url
from salus.doors.cli.votes import DAYS, Days, put_forward, show_proposal
from salus.doors.member.enrolment import read_contribution
from salus.machine.module import Action
from salus.modules.governance.actions import StartNetwork
from salus.modules.governance.rules import VALIDATORS_MIN
from salus.modules.members.actions import SetPower, Suspend
from salus.modules.members.state import NODE
from salus.node.founding import POWER

ACTIONS_MAX = 16
"""Of one proposal."""


def add_to(network: typer.Typer) -> None:
    """Enter the commands."""
    network.command("admit")(admit)
    network.command("leave")(leave)
    network.command("move")(move)


def admit(
    file: Annotated[Path, typer.Argument(help="The new member's contribution.")],
    *,
    signer: Signer,
    days: Days = DAYS,
    passphrase_fd: PassphraseFd = None,
    url: Url = URL,
    member: As = None,
    as_json: Json = False,
) -> None:
    """
    Propose to take in a member by its contribution; compare its fingerprint by another way first.

    Example: salus network admit clinic.salus-member --signer keys/north/transaction.key
    """
    made = read_contribution(file)
    site = Site(url, member)
    key = read_signer(signer, passphrase_fd)
    proposal = put_forward(site, key, [made.admission], days=days)
    show_proposal(site, proposal, as_json=as_json)
    say(f"once admitted it follows; to let it vote on blocks: salus propose set-power --member "
        f"{made.id.hex()} --power {POWER}")  # fmt: skip


def leave(
    *,
    signer: Signer,
    days: Days = DAYS,
    passphrase_fd: PassphraseFd = None,
    url: Url = URL,
    member: As = None,
    as_json: Json = False,
) -> None:
    """
    Ask the others to let this member go: first suspended, then removed when its copies are safe.

    Example: salus network leave --signer keys/clinic/transaction.key
    """
    site = Site(url, member)
    key = read_signer(signer, passphrase_fd)
    known = site.get(f"/v1/keys/{key.key_id.hex()}")["key"]
    if known is None:
        raise Problem(
            Category.NOT_FOUND, "KeyUnknown", "expected --signer to be a member's transaction key"
        )
    proposal = put_forward(site, key, [Suspend(member=bytes.fromhex(known["member"]))], days=days)
    show_proposal(site, proposal, as_json=as_json)
    say("keep this node running until every other member's `salus vault status` lacks nothing; "
        f"then one of them: salus propose remove --member {known['member']}")  # fmt: skip


def move(
    *,
    signer: Signer,
    days: Days = DAYS,
    passphrase_fd: PassphraseFd = None,
    url: Url = URL,
    member: As = None,
    as_json: Json = False,
) -> None:
    """
    Propose to move a ledger that one member orders into a network whose members vote.

    Every active member needs a node key on the ledger: `salus keys rotate node CONFIG`. Proposes
    equal powers first; run again once that is done, it proposes the move itself. History, keys,
    proofs and the network's id go on.

    Example: salus network move --signer keys/north/transaction.key
    """
    site = Site(url, member)
    key = read_signer(signer, passphrase_fd)
    active = [one for one in site.get("/v1/members")["members"] if one["status"] == "active"]
    without = [one["name"] for one in active if str(NODE) not in one["keys"]]
    if without or len(active) < VALIDATORS_MIN:
        raise Problem(
            Category.CONFLICT,
            "NodeKeysMissing",
            f"expected at least {VALIDATORS_MIN} active members, each with a node key on the "
            f"ledger; found {len(active)}, without one: {', '.join(without) or 'nobody'}. Each "
            "adds its own by `salus keys rotate node CONFIG`",
        )
    weights: list[Action] = [
        SetPower(member=bytes.fromhex(one["id"]), power=POWER)
        for one in active
        if one["power"] != POWER
    ]
    proposal = put_forward(site, key, weights[:ACTIONS_MAX] or [StartNetwork()], days=days)
    show_proposal(site, proposal, as_json=as_json)
    if weights:
        say("once that is applied, run `salus network move` again: it proposes the move itself")
