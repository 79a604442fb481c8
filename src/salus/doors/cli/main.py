"""
`salus`: the command line, assembled.

Exit codes: 0 done; 64 wrong use; 65 refused, malformed or not verified; 69 something missing in
this installation; 70 a fault; 75 try again.
"""

import os
import sys
from collections.abc import Sequence

import typer

from salus.chain import machine
from salus.doors.cli import demo, gateway, ledger, offline
from salus.doors.cli.acts import add_acts
from salus.doors.cli.output import show_problem
from salus.doors.logs import start_logging
from salus.doors.problems import WRONG_USE_EXIT, tell

USAGE_EXIT = 2
"""What the parser of command lines exits with; sysexits has 64 for it."""

SERVING = ("up", "demo")
"""Commands that run nodes in this process: their log is worth reading."""

INTERRUPTED_EXIT = 130
"""What a shell expects of a program that ctrl-c ended."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit; the console script."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    start_logging(quiet=not (given and given[0] in SERVING))
    try:
        build()(args=given, prog_name="salus")
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


def build() -> typer.Typer:
    """Every command, those of the modules too."""
    app = typer.Typer(
        help="Salus: a health ledger that its members run together.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for command in (demo.up, demo.demo):
        app.command(rich_help_panel="Run")(command)
    for command in (offline.verify, offline.audit, offline.repair):
        app.command(rich_help_panel="Check")(command)
    for command in (ledger.status, ledger.tx, ledger.proof):
        app.command(rich_help_panel="Read")(command)
    for command in (
        gateway.patients, gateway.grant, gateway.grants, gateway.revoke, gateway.chart,
        gateway.practitioner,
    ):  # fmt: skip
        app.command(rich_help_panel="Records")(command)
    app.command("who-saw", rich_help_panel="Records")(gateway.who_saw)
    app.add_typer(gateway.import_, name="import", rich_help_panel="Records")
    app.add_typer(gateway.quarantine, name="quarantine", rich_help_panel="Records")
    app.add_typer(offline.keys, name="keys", rich_help_panel="Check")
    app.add_typer(ledger.trust, name="trust", rich_help_panel="Check")
    add_acts(app, machine())
    return app
