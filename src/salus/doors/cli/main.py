"""
`salus`: the command line, assembled.

Exit codes: 0 done; 64 wrong use; 65 refused, malformed or not verified; 69 something missing in
this installation; 70 a fault; 75 try again.
"""

import os
import sys
from collections.abc import Callable, Sequence

import typer

from salus.chain import machine
from salus.doors.cli import (
    bench,
    ceremony,
    demo,
    deploy,
    gateway,
    ledger,
    network,
    node,
    offline,
    roster,
    rotate,
    vault,
    votes,
)
from salus.doors.cli.acts import add_acts
from salus.doors.cli.output import show_problem
from salus.doors.logs import start_logging
from salus.doors.problems import WRONG_USE_EXIT, tell

USAGE_EXIT = 2
"""What the parser of command lines exits with; sysexits has 64 for it."""

COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    "Run": (demo.up, demo.demo),
    "Check": (offline.verify, offline.audit, offline.repair),
    "Read": (ledger.status, ledger.tx, ledger.proof),
    "Records": (
        gateway.patients, gateway.grant, gateway.grants, gateway.revoke, gateway.chart,
        gateway.who_saw, gateway.practitioner,
    ),
}  # fmt: skip
"""Commands by the panel of the help they stand in."""

SERVING = ("node",)
"""Commands whose log is their product; the demo speaks for itself, and warns."""

INTERRUPTED_EXIT = 130
"""What a shell expects of a program that ctrl-c ended."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit; the console script."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    start_logging(quiet=not (given and given[0] in SERVING))
    try:
        app(args=given, prog_name="salus")
    except SystemExit as stop:
        sys.exit(WRONG_USE_EXIT if stop.code == USAGE_EXIT else stop.code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED_EXIT)
    except BrokenPipeError:
        # Whoever read our output has gone: nothing is left to be said, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 (a command answers whatever happens)
        told = tell(error)
        show_problem(told, as_json="--json" in given)
        sys.exit(told.exit_code)


def _build() -> typer.Typer:
    """Every command, those of the modules too."""
    made = typer.Typer(
        help="Salus: a health ledger that its members run together.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    for panel, commands in COMMANDS.items():
        for command in commands:
            made.command(rich_help_panel=panel)(command)
    made.command(
        rich_help_panel="Check",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(bench.bench)
    made.add_typer(gateway.import_, name="import", rich_help_panel="Records")
    made.add_typer(gateway.quarantine, name="quarantine", rich_help_panel="Records")
    made.add_typer(node.node, name="node", rich_help_panel="Run")
    made.add_typer(network.network, name="network", rich_help_panel="Run")
    made.add_typer(deploy.deploy, name="deploy", rich_help_panel="Run")
    made.add_typer(node.snapshot, name="snapshot", rich_help_panel="Check")
    made.add_typer(offline.keys, name="keys", rich_help_panel="Check")
    made.add_typer(ledger.trust, name="trust", rich_help_panel="Check")
    made.add_typer(vault.vault, name="vault", rich_help_panel="Check")
    ceremony.add_to(network.network)
    roster.add_to(network.network)
    rotate.add_to(offline.keys)
    votes.add_proposals(made)
    add_acts(made, machine())
    return made


app = _build()
"""The whole command line, for those who document or look at it."""
