"""Commands that need no running node: verify, audit, repair, keys."""

import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from salus.base import keyfile
from salus.base.errors import Category, Problem
from salus.client import trust as trust_file
from salus.client.verify import Verified, describe
from salus.client.verify import verify as verify_proof
from salus.doors.cli.files import read_file
from salus.doors.cli.output import Json, bar, say, show_fields, show_json, show_table
from salus.doors.cli.passphrase import PassphraseFd, ask_passphrase
from salus.doors.http.plain import plain
from salus.node import repair as repairs
from salus.node.audit.audit import audit_folder
from salus.node.keys import Use, make_demo_keys, make_keys
from salus.node.ports import RealClock

Folder = Annotated[Path, typer.Argument(help="A stopped node's folder, as salus-demo/north/node.")]
Genesis = Annotated[
    Path | None,
    typer.Option(help="The network's genesis file; else genesis.json in a folder above."),
]
GENESIS = "genesis.json"

keys = typer.Typer(help="A member's key files.", no_args_is_help=True)


class Level(Enum):
    """How deep an audit goes."""

    LOG = "log"
    FULL = "full"


def verify(
    files: Annotated[list[Path], typer.Argument(help="Proof files (*.salus-proof).")],
    *,
    trust: Annotated[Path, typer.Option(help="What you take as given.")] = Path("trust.json"),
    as_json: Json = False,
) -> None:
    """
    Check proof files offline, trusting no node.

    The largest log seen is remembered in the trust file, so that a second history is noticed.

    Example: salus verify revoked.salus-proof --trust trust.json
    """
    known = trust_file.load(trust)
    results = []
    for file in files:
        verified = verify_proof(read_file(file), known, RealClock().now_ms())
        if verified.anchor is not None:
            known = trust_file.save_anchor(trust, verified.anchor)
        if as_json:
            results.append(_shown(file, verified))
        else:
            sys.stdout.write(describe(verified) + "\n")
    if as_json:
        show_json(results)


def audit(
    folder: Folder,
    *,
    genesis: Genesis = None,
    level: Annotated[Level, typer.Option(help="full also executes every block.")] = Level.FULL,
    as_json: Json = False,
) -> None:
    """
    Re-check everything a stopped node has on its disk; changes nothing.

    Example: salus audit salus-demo/north/node
    """
    with bar("auditing", 1) as progress:
        report = audit_folder(
            folder,
            _genesis(folder, genesis),
            level=level.value,
            progress=lambda step, done, total: progress.update(
                progress.task_ids[0], description=step, completed=done, total=total
            ),
        )
    if as_json:
        show_json(
            {
                "sound": report.sound,
                "level": report.level,
                "counts": report.counts,
                "skipped": report.skipped,
                "findings": [plain(one) | {"remedy": one.remedy} for one in report.findings],
            }
        )
    else:
        show_fields(dict(report.counts))
        for one in report.findings:
            sys.stdout.write(f"{one}\n    {one.remedy}\n")
        for words in report.skipped:
            say(f"not looked at: {words}")
    if not report.sound:
        raise Problem(
            Category.UNVERIFIED,
            "AuditFound",
            f"{len(report.findings)} places differ; do what stands under each",
        )
    say(f"sound: nothing differs at level {report.level}")


def repair(
    folder: Folder,
    *,
    genesis: Genesis = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Another member's stopped folder.")
    ] = None,
    act: Annotated[bool, typer.Option("--act", help="Do it; else it is only told.")] = False,
    as_json: Json = False,
) -> None:
    """
    Make a stopped node's folder whole again; says what would be lost before it acts.

    Example: salus repair salus-demo/lab/node --from salus-demo/north/node --act
    """
    plan = repairs.repair(
        folder,
        _genesis(folder, genesis),
        dry_run=not act,
        source=source,
    )
    if as_json:
        show_json(plain(plan))
        return
    show_table([{"step": one} for one in plan.steps] or [{"step": "nothing to do"}], ["step"])
    for words in plan.lost:
        say(f"lost: {words}")
    for one in plan.left:
        say(f"left: {one}. {one.remedy}")
    if plan.steps and not act:
        say("nothing was changed: run it again with --act")


@keys.command("new")
def keys_new(
    folder: Annotated[Path, typer.Argument(help="Made if it is not there; mode 0700.")],
    *,
    demo: Annotated[bool, typer.Option("--demo", help="In the clear, and marked so.")] = False,
    passphrase_fd: PassphraseFd = None,
    as_json: Json = False,
) -> None:
    """
    Make a member's keys, one file a use, sealed by a passphrase; those there are kept.

    Example: salus keys new ./keys
    """
    made = make_demo_keys(folder) if demo else make_keys(folder, _new_passphrase(passphrase_fd))
    value = {
        "member": made.member.hex(),
        "transaction": made.transaction.public.hex(),
        "sealing": made.sealing.public.hex(),
        "service": made.service.public.hex(),
        "log": made.log.public.hex(),
    }
    if as_json:
        show_json(value)
    else:
        show_fields(value)


@keys.command("list")
def keys_list(
    folder: Annotated[Path, typer.Argument(help="Folder of key files.")], *, as_json: Json = False
) -> None:
    """
    List a folder's key files without opening them.

    Example: salus keys list ./keys
    """
    rows = [_key_row(folder / use.file_name, use) for use in Use]
    if as_json:
        show_json(rows)
    else:
        show_table(rows, ["use", "file", "state", "mode"])


def _new_passphrase(file: int | None) -> bytes:
    return ask_passphrase("Passphrase of the new keys", file, is_new=True)


def _key_row(path: Path, use: Use) -> dict[str, Any]:
    row: dict[str, Any] = {"use": use.name.lower(), "file": path.name}
    if not path.exists():
        return row | {"state": "missing", "mode": None}
    is_demo = keyfile.is_demo(path.read_bytes())
    state = "demo, in the clear" if is_demo else "sealed by a passphrase"
    return row | {"state": state, "mode": f"{path.stat().st_mode & 0o777:04o}"}


def _genesis(folder: Path, given: Path | None) -> bytes:
    """The genesis file: the given one, or the first `genesis.json` in the folder or above it."""
    if given is not None:
        return read_file(given)
    for above in (folder, *folder.absolute().parents):
        if (above / GENESIS).exists():
            return (above / GENESIS).read_bytes()
    raise Problem(
        Category.NOT_FOUND,
        "GenesisMissing",
        f"expected {GENESIS} in the folder or above it; name it by --genesis",
    )


def _shown(file: Path, verified: Verified) -> dict[str, Any]:
    return {
        "file": file.name,
        "holds": True,
        "height": verified.height,
        "time_ms": verified.time_ms,
        "code": verified.code,
        "transaction": None if verified.tx_id is None else verified.tx_id.hex(),
        "signer": None if verified.signer is None else verified.signer.hex(),
        "log_size": verified.log_size,
        "cosigned": len(verified.cosigners),
        "quorum": list(verified.quorum),
        "votes": plain(verified.votes),
        "growth": verified.growth.value,
    }
