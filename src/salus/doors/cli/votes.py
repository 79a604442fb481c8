"""
How members decide together: `salus propose ACTION`, `salus proposals`, `salus vote`.

Each action that a module declares has a command; adding one adds its command, with its docstring as
help. Whoever is asked to vote reads what would be done in words, not bytes.
"""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer

from salus.base import codec
from salus.base.signing import SigningKey
from salus.chain import machine
from salus.doors.cli.acts import (
    Signer,
    option_name,
    parameters_of,
    read_signer,
    refused,
    submit,
)
from salus.doors.cli.fields import fields_of, message_of
from salus.doors.cli.output import Json, say, show_fields, show_json, show_table
from salus.doors.cli.passphrase import PassphraseFd
from salus.doors.cli.site import URL, As, Site, Url
from salus.doors.http.plain import from_hex, plain
from salus.machine.module import Action, Message, snake_case, tag_of
from salus.modules.governance.messages import Propose, Vote
from salus.modules.governance.refusals import ProposalUnknown
from salus.modules.members.actions import Admit
from salus.node.contribution import fingerprint
from salus.node.ports import RealClock

DAYS = 7
DAY_MS = 86_400_000

Days = Annotated[int, typer.Option(help="How long votes count.", min=1, max=30)]
Activation = Annotated[
    int | None, typer.Option(help="First block at which it may happen; else two after the vote.")
]
ProposalId = Annotated[str, typer.Argument(help="A proposal's id, 32 hex digits.")]

propose = typer.Typer(help="Ask the members to decide: a command an action.", no_args_is_help=True)


def proposals(
    proposal: Annotated[str | None, typer.Argument(help="One by its id, decided or not.")] = None,
    *,
    url: Url = URL,
    member: As = None,
    as_json: Json = False,
) -> None:
    """
    List what members are asked to decide, and what is accepted and not yet done.

    Example: salus proposals
    """
    site = Site(url, member)
    names = _names(site)
    ids = _open_ids(site, names) if proposal is None else [proposal]
    rows = [_row(site, one, names) for one in ids]
    if as_json:
        show_json(rows)
    elif proposal is not None:
        show_fields(rows[0])
    else:
        show_table(rows, ["proposal", "status", "proposer", "yes", "no", "says"])


def vote(
    proposal: ProposalId,
    *,
    signer: Signer,
    no: Annotated[bool, typer.Option("--no", help="Vote against it; else for it.")] = False,
    passphrase_fd: PassphraseFd = None,
    url: Url = URL,
    member: As = None,
    as_json: Json = False,
) -> None:
    """
    Vote for a proposal, or against it; a later vote replaces an earlier one.

    Example: salus vote 5f3a... --signer keys/transaction.key
    """
    site = Site(url, member)
    key = read_signer(signer, passphrase_fd)
    carry_out(site, key, Vote(proposal=from_hex(proposal, 16, "proposal"), yes=not no))
    show_proposal(site, proposal, as_json=as_json)


def add_proposals(app: typer.Typer) -> None:
    """`propose` with a command an action, `proposals` and `vote`."""
    made = machine()
    for module in made.modules:
        for action in module.actions:
            name = snake_case(action.__name__).replace("_", "-")
            propose.command(name)(_command(action))
    app.add_typer(propose, name="propose", rich_help_panel="Decide")
    app.command(rich_help_panel="Decide")(proposals)
    app.command(rich_help_panel="Decide")(vote)


def put_forward(
    site: Site,
    key: SigningKey,
    actions: Sequence[Action],
    *,
    days: int = DAYS,
    activation_height: int | None = None,
) -> str:
    """Propose actions, all or none of which will be done; the proposal's id, hex."""
    made = Propose(
        proposal=os.urandom(16),
        actions=[codec.encode(one) for one in actions],
        closes_ms=RealClock().now_ms() + days * DAY_MS,
        activation_height=activation_height,
    )
    carry_out(site, key, made)
    return made.proposal.hex()


def carry_out(site: Site, key: SigningKey, message: Message) -> dict[str, Any]:
    """Sign and hand in a message, wait for its block; raises Problem, its refusal too."""
    ended = submit(site, key, message)
    if ended["code"]:
        raise refused(machine(), ended)
    return ended


def show_proposal(site: Site, proposal: str, *, as_json: bool = False) -> None:
    """Print a proposal as it stands, and what an operator does next."""
    row = _row(site, proposal, _names(site))
    if as_json:
        show_json(row)
        return
    show_fields(row)
    if row["status"] == "open":
        say(f"the others vote: salus vote {proposal} --signer THEIR-KEY")


def _command(action: type[Action]) -> Callable[..., None]:
    """The command of an action: an option a field, then how long and who signs."""

    def act(**given: Any) -> None:
        site = Site(given["url"], given["member"])
        key = read_signer(given["signer"], given["passphrase_fd"])
        made = message_of(action, {one.name: given[option_name(one.name)] for one in fields})
        proposal = put_forward(
            site,
            key,
            [made],
            days=given["days"],
            activation_height=given["activation_height"],
        )
        show_proposal(site, proposal, as_json=given["as_json"])

    keyword = inspect.Parameter.KEYWORD_ONLY
    fields = fields_of(action)
    shown = [
        *parameters_of(action),
        inspect.Parameter("days", keyword, annotation=Days, default=DAYS),
        inspect.Parameter("activation_height", keyword, annotation=Activation, default=None),
    ]
    act.__doc__ = inspect.cleandoc(action.__doc__ or "")
    act.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # typer reads it
    act.__annotations__ = {one.name: one.annotation for one in shown}
    return act


def _names(site: Site) -> dict[str, str]:
    """Members' names by id, hex."""
    return {one["id"]: one["name"] for one in site.get("/v1/members")["members"]}


def _open_ids(site: Site, names: Mapping[str, str]) -> list[str]:
    """Ids of what is open or waits on the agenda."""
    found = [
        one
        for member in names
        for one in site.get("/v1/governance/open_proposals", member=member)["value"]
    ]
    agenda = site.get("/v1/governance/agenda")["value"]
    return list(dict.fromkeys([*found, *(one["proposal"] for one in agenda)]))


def _row(site: Site, proposal: str, names: Mapping[str, str]) -> dict[str, Any]:
    told = site.get("/v1/governance/proposal", proposal_id=proposal)["value"]
    if told is None:
        raise ProposalUnknown(proposal=from_hex(proposal, 16, "proposal"))
    return {
        "proposal": proposal,
        "status": told["status"],
        "proposer": names.get(told["proposer"], told["proposer"]),
        "yes": [names.get(one, one) for one in told["yes"]],
        "no": [names.get(one, one) for one in told["no"]],
        "closes_ms": told["closes_ms"],
        "says": [in_words(bytes.fromhex(one), names) for one in told["actions"]],
    }


def in_words(action: bytes, names: Mapping[str, str]) -> str:
    """What an action would do; members by name. `names`: by id, hex."""
    made = machine().declared.action(action)
    if isinstance(made, Admit):
        return f'admit "{made.name}" at {made.address}, fingerprint {fingerprint(made)}'
    fields = {name: plain(value) for name, value in msgspec.structs.asdict(made).items()}
    told = ", ".join(f"{name} {names.get(str(one), one)}" for name, one in fields.items())
    return f"{tag_of(type(made))}: {told}" if told else tag_of(type(made))
