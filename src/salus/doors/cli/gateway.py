"""Commands of a member's people: import, patients, grants, charts, who saw; by its token."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from salus.base.errors import Category, Problem
from salus.doors.cli.output import Json, bar, say, show_fields, show_json, show_table
from salus.doors.cli.site import DATA, URL, As, Data, Site, Url

FORM_BYTES_MAX = 16 * 1024 * 1024
"""Files sent by one request, so that the bar moves and a cut costs little."""

SUFFIXES = (".json", ".ndjson", ".json.gz", ".ndjson.gz")
"""Files of a folder that are sent."""

HOURS = {"h": 1, "d": 24, "w": 7 * 24}
"""Units of a span, as 12h, 7d, 2w."""

PURPOSE = "TREAT"

import_ = typer.Typer(help="Bring records in.", no_args_is_help=True)
quarantine = typer.Typer(help="Documents that were refused and kept.", no_args_is_help=True)


@import_.command("fhir")
def import_fhir(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of them.")],
    *,
    url: Url = URL,
    member: As = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """
    Bring in FHIR R4 bundles, resources or NDJSON, gzipped or not.

    A refused document is told, kept in quarantine, and makes the exit code 65.

    Example: salus import fhir ./bundles --as north
    """
    site = Site(url, member, data)
    files = list(_files(paths))
    total: dict[str, Any] = {}
    with bar("importing", len(files)) as progress:
        for part in _parts(files):
            _add(total, site.upload("/import/fhir", part))
            progress.advance(progress.task_ids[0], len(part))
    refused = total.pop("refused")
    if as_json:
        show_json(total | {"refused": refused})
    else:
        show_fields(total)
        if refused:
            show_table(refused, ["document", "code", "detail"])
    if refused:
        raise Problem(
            Category.INVALID,
            "DocumentsRefused",
            f"{len(refused)} documents were refused and kept; see `salus quarantine list`",
        )


def patients(
    *, url: Url = URL, member: As = None, data: Data = DATA, as_json: Json = False
) -> None:
    """
    List the patients whose keys this member holds for them.

    Example: salus patients --as north
    """
    value = Site(url, member, data).operate("GET", "/patients")
    _show_list(value, "patients", ["handle", "name", "source"], as_json=as_json)


def grant(
    *,
    patient: Annotated[str, typer.Option(help="Handle, or the record system's id.")],
    to: Annotated[str, typer.Option(help="The reading member: id, or how its name begins.")],
    share: Annotated[list[str], typer.Option(help="A compartment, as labs; may be repeated.")],
    span: Annotated[str, typer.Option("--for", help="How long, as 12h, 7d, 2w.")] = "7d",
    purpose: Annotated[list[str] | None, typer.Option(help="v3-ActReason; TREAT if none.")] = None,
    since: Annotated[datetime | None, typer.Option(help="First clinical day.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Last clinical day.")] = None,
    practitioner: Annotated[str | None, typer.Option(help="This person only.")] = None,
    url: Url = URL,
    member: As = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """
    Give a grant for a patient in custody; it is effective when this ends.

    Example: salus grant --as north --to south --share labs --share vitals --for 7d --patient ID
    """
    days = {"first": _date(since), "last": _date(until)}
    body = {
        "patient": patient,
        "to": to,
        "compartments": [name for one in share for name in one.split(",")],
        "for_hours": hours_of(span),
        "purposes": purpose or [PURPOSE],
        "days": {name: one for name, one in days.items() if one},
        "practitioner": practitioner,
    }
    value = Site(url, member, data).operate("POST", "/grants", body)
    if as_json:
        show_json(value)
    else:
        show_fields(_readable(value))


def grants(*, url: Url = URL, member: As = None, data: Data = DATA, as_json: Json = False) -> None:
    """
    List the grants given here and those received.

    Example: salus grants --as south
    """
    value = Site(url, member, data).operate("GET", "/grants")
    if as_json:
        show_json(value)
        return
    given = [_readable(one) for one in value["given"]]
    received = [_readable(one) for one in value["received"]]
    show_table(given, ["grant", "patient", "to_name", "state", "until", "purposes"], title="given")
    show_table(received, ["grant", "from", "until", "purposes"], title="received")


def revoke(
    grant_id: Annotated[str, typer.Argument(metavar="GRANT", help="As `salus grants` lists it.")],
    *,
    url: Url = URL,
    member: As = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """
    End a grant now: from its block on no witness gives a share.

    Example: salus revoke 2c4358e9... --as north
    """
    value = Site(url, member, data).operate("DELETE", f"/grants/{grant_id}")
    if as_json:
        show_json(value)
    else:
        show_fields(value)


def chart(
    grant_id: Annotated[str, typer.Argument(metavar="GRANT", help="A received grant.")],
    *,
    purpose: Annotated[str, typer.Option(help="v3-ActReason.")] = PURPOSE,
    practitioner: Annotated[str | None, typer.Option(help="Who reads; else the first.")] = None,
    save: Annotated[
        Path | None, typer.Option(help="Write each resource's exact bytes into this folder.")
    ] = None,
    url: Url = URL,
    member: As = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """
    Open everything a grant covers; the access is on the ledger before anything opens.

    Example: salus chart 2c4358e9... --as south --save ./chart
    """
    answer = Site(url, member, data).operate_raw(
        "GET", f"/charts/{grant_id}", purpose=purpose, practitioner=practitioner
    )
    if save is not None:
        _save(save, answer.content)
    if as_json:
        sys.stdout.buffer.write(answer.content + b"\n")
        sys.stdout.buffer.flush()
        return
    value = answer.json()
    show_table(value["records"], ["day", "type", "id", "labels"])
    say(f"{len(value['records'])} records, {value['hidden']} hidden by the grant's finer rules")
    if value["unopened"]:
        say(f"{len(value['unopened'])} groups do not open: their author or a holder is at fault")
    if not value["complete"]:
        say("records may be missing: too few holders answered; ask again later")


def who_saw(
    patient: Annotated[str, typer.Argument(help="Handle, or the record system's id.")],
    *,
    url: Url = URL,
    member: As = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """
    List everybody who opened records of a patient, as the witnesses logged it.

    Example: salus who-saw 52943c79... --as north
    """
    value = Site(url, member, data).operate("GET", f"/who-saw/{patient}")
    if as_json:
        show_json(value)
        return
    columns = ["time", "member_name", "practitioner", "purpose", "compartments", "groups"]
    show_table([_readable(one) for one in value["lines"]], columns)
    whole = "nothing is missing" if value["complete"] else "lines may be missing: ask again later"
    say(f"{value['answered']} of {value['seats']} witnesses answered; {whole}")


def practitioner(
    name: Annotated[str, typer.Argument(help="For the member's own staff.")],
    *,
    role: Annotated[int, typer.Option(help="1 physician, 2 nurse, 3 pharmacist.")] = 1,
    url: Url = URL,
    member: As = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """
    Register a practitioner on the ledger: a chart is opened in one person's name.

    Example: salus practitioner "Dr A. Ivers" --as south
    """
    body = {"name": name, "role": role}
    value = Site(url, member, data).operate("POST", "/practitioners", body)
    if as_json:
        show_json(value)
    else:
        show_fields(value)


@quarantine.command("list")
def quarantine_list(
    *, url: Url = URL, member: As = None, data: Data = DATA, as_json: Json = False
) -> None:
    """
    List the documents that were refused, and why.

    Example: salus quarantine list --as north
    """
    value = Site(url, member, data).operate("GET", "/quarantine")
    _show_list(value, "documents", ["id", "name", "problem", "text"], as_json=as_json)


@quarantine.command("replay")
def quarantine_replay(
    place: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    *,
    url: Url = URL,
    member: As = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """
    Try a refused document again; it leaves quarantine if it is taken in.

    Example: salus quarantine replay 00e5525e19477b1c --as north
    """
    value = Site(url, member, data).operate("POST", f"/quarantine/{place}/replay")
    if as_json:
        show_json(value)
    else:
        show_fields(value)


def hours_of(span: str) -> int:
    """Hours of a span as 12h, 7d, 2w; raises a usage error."""
    number, unit = span[:-1], span[-1:]
    if not (number.isascii() and number.isdigit() and unit in HOURS):
        raise typer.BadParameter("expected a span as 12h, 7d or 2w", param_hint="--for")
    return int(number) * HOURS[unit]


def _show_list(value: Any, name: str, columns: list[str], *, as_json: bool) -> None:
    if as_json:
        show_json(value)
    else:
        show_table(value[name], columns)


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = (one for one in path.rglob("*") if one.name.endswith(SUFFIXES))
            yield from sorted(found)
        elif path.is_file():
            yield path
        else:
            raise Problem(Category.NOT_FOUND, "FileUnreadable", f"{path}: no such file or folder")


def _parts(files: list[Path]) -> Iterator[list[tuple[str, bytes]]]:
    """Files in groups of at most `FORM_BYTES_MAX`; a larger one goes alone."""
    part: list[tuple[str, bytes]] = []
    size = 0
    for path in files:
        data = path.read_bytes()
        if part and size + len(data) > FORM_BYTES_MAX:
            yield part
            part, size = [], 0
        part.append((path.name, data))
        size += len(data)
    if not part:
        raise Problem(
            Category.NOT_FOUND, "NothingToImport", f"expected files named {', '.join(SUFFIXES)}"
        )
    yield part


def _add(total: dict[str, Any], report: dict[str, Any]) -> None:
    for name, value in report.items():
        total[name] = total[name] + value if name in total else value


class _Record(msgspec.Struct):
    type: str
    id: str
    resource: msgspec.Raw


class _Chart(msgspec.Struct):
    records: list[_Record]


def _save(folder: Path, data: bytes) -> None:
    """Each record's exact bytes as a file of its own; names hold no path."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, record in enumerate(msgspec.json.decode(data, type=_Chart).records, start=1):
        stem = "".join(one for one in record.id if one.isalnum() or one in "-.")[:64]
        (folder / f"{number:05d}-{record.type}-{stem}.json").write_bytes(bytes(record.resource))


def _readable(value: dict[str, Any]) -> dict[str, Any]:
    """Times in words beside ids as they are."""
    return {
        name.removesuffix("_ms"): _utc(one) if name.endswith("_ms") else one
        for name, one in value.items()
    }


def _utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _date(moment: datetime | None) -> str | None:
    return None if moment is None else moment.date().isoformat()
