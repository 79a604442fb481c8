"""
Every module's messages as commands, from their declarations: `salus MODULE MESSAGE --field …`.

The message is signed here by a key file and handed to a node; the key goes nowhere. Adding a
message to a module adds its command, with its docstring as help.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from salus.base import keyfile
from salus.base.codec import Struct
from salus.base.errors import Category, Problem, invariant
from salus.base.signing import SigningKey
from salus.client.submit import Submitter
from salus.doors.cli.fields import fields_of, message_of, option_kind
from salus.doors.cli.ledger import list_members
from salus.doors.cli.output import Json, show_fields, show_json
from salus.doors.cli.passphrase import PassphraseFd, ask_passphrase
from salus.doors.cli.site import URL, As, Site, Url
from salus.machine.execute import Machine
from salus.machine.module import Message, Module, snake_case
from salus.node.keys import Use
from salus.node.ports import RealClock

GROUPS = {"audit": "lines"}
"""Modules whose group has another name, since their own is a command's."""

Signer = Annotated[
    Path, typer.Option("--signer", help="Key file of the transaction key.", metavar="FILE")
]

_STEADY = {"signer": Signer, "passphrase_fd": PassphraseFd, "url": Url, "member": As}


def add_acts(app: typer.Typer, machine: Machine) -> None:
    """A group a module, a command a message."""
    for module in machine.modules:
        group = typer.Typer(help=_help_of(module), no_args_is_help=module.name != "members")
        for message in module.messages:
            name = snake_case(message.__name__).replace("_", "-")
            group.command(name)(_command(message, machine))
        if module.name == "members":
            group.callback(invoke_without_command=True)(_members)
        app.add_typer(group, name=GROUPS.get(module.name, module.name), rich_help_panel="Acts")


def _members(
    context: typer.Context, *, url: Url = URL, member: As = None, as_json: Json = False
) -> None:
    """
    List the network's members, or act in the members module.

    Example: salus members
    """
    if context.invoked_subcommand is None:
        list_members(url, member, as_json=as_json)


def _command(message: type[Message], machine: Machine) -> Callable[..., None]:
    """The command of a message: an option a field, then who signs and where it goes."""

    def act(**given: Any) -> None:
        site = Site(given["url"], given["member"])
        key = read_signer(given["signer"], given["passphrase_fd"])
        made = message_of(message, {one.name: given[option_name(one.name)] for one in fields})
        ended = submit(site, key, made)
        if given["as_json"]:
            show_json(ended)
        else:
            show_fields(ended)
        if ended["code"]:
            raise refused(machine, ended)

    fields = fields_of(message)
    act.__doc__ = inspect.cleandoc(message.__doc__ or "")
    act.__signature__ = inspect.Signature(parameters_of(message))  # type: ignore[attr-defined]  # typer reads it
    act.__annotations__ = {one.name: one.annotation for one in parameters_of(message)}
    return act


def submit(site: Site, key: SigningKey, message: Message) -> dict[str, Any]:
    """
    Sign one message, hand it in, wait for its block; raises Problem.

    The member's node, which signs by the same key, may be at work meanwhile.
    """
    submitter = Submitter(
        bytes.fromhex(site.get("/v1/status")["network"]),
        key,
        next_nonce=lambda: site.get(f"/v1/keys/{key.key_id.hex()}")["next_nonce"],
        now_ms=RealClock().now_ms,
    )
    ended: dict[str, Any] = submitter.submit([message], site.send)
    return ended


def read_signer(path: Path, passphrase_fd: int | None) -> SigningKey:
    """The transaction key of a file; raises Problem KeyFileMissing, and those of `keyfile`."""
    if not path.is_file():
        raise Problem(
            Category.NOT_FOUND,
            "KeyFileMissing",
            f"expected a key file at {path}; make one by `salus keys new`, or name it by --signer",
        )
    data = path.read_bytes()
    if keyfile.is_demo(data):
        return SigningKey(keyfile.unlock_demo(data, Use.TRANSACTION))
    passphrase = ask_passphrase(f"Passphrase of {path.name}", passphrase_fd)
    return SigningKey(keyfile.unlock(data, Use.TRANSACTION, passphrase))


def parameters_of(message: type[Struct]) -> list[inspect.Parameter]:
    """A command's parameters: an option a field, then who signs and where it goes."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    shown: list[inspect.Parameter] = []
    for field in fields_of(message):
        name = option_name(field.name)
        invariant(name not in _STEADY, f"{message.__name__}: its field {name} is an option's name")
        is_optional = field.default is not msgspec.NODEFAULT
        kind: Any = option_kind(field)
        flag = typer.Option(f"--{field.name.replace('_', '-')}")
        annotation: Any = Annotated[kind | None if is_optional else kind, flag]
        default = None if is_optional else inspect.Parameter.empty
        shown.append(inspect.Parameter(name, keyword, annotation=annotation, default=default))
    defaults: dict[str, Any] = {"passphrase_fd": None, "url": URL, "member": None}
    shown += [
        inspect.Parameter(
            name, keyword, annotation=kind, default=defaults.get(name, inspect.Parameter.empty)
        )
        for name, kind in _STEADY.items()
    ]
    return [*shown, inspect.Parameter("as_json", keyword, annotation=Json, default=False)]


def option_name(field: str) -> str:
    """A field's parameter: `member` and other steady names get an ending of their own."""
    return f"{field}_field" if field in _STEADY else field


def refused(machine: Machine, ended: dict[str, Any]) -> Problem:
    """A receipt's refusal as a Problem with its number and meaning."""
    kind = machine.refusal(ended["code"])
    category = Category.INVALID if kind is None else kind.category
    words = "" if kind is None else (kind.__doc__ or "").strip().split("\n\n")[0]
    return Problem(category, ended["name"], words, code=ended["code"])


def _help_of(module: Module) -> str:
    return f"Acts of {module.name}: {len(module.messages)} messages, each signed by --signer."
