"""Commands without a node, usage, exit codes, and fields of messages."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salus.base.errors import Problem
from salus.chain import MODULES
from salus.doors.cli.fields import message_of
from salus.doors.cli.gateway import hours_of
from salus.doors.cli.main import COMMANDS
from salus.machine.module import snake_case
from salus.modules.audit.messages import RecordLine
from salus.modules.consent.messages import RegisterTags
from tests.unit.doors.cli.shell import run

MESSAGES = [
    ({"audit": "lines"}.get(module.name, module.name), message)
    for module in MODULES
    for message in module.messages
]
NAMES = [message.__name__ for _, message in MESSAGES]

EXITS = {
    "no such command": (["fly"], 64),
    "a missing option": (["grant", "--to", "south"], 64),
    "an option of another kind": (["up", "--port", "x"], 64),
    "a trust file that is not there": (["verify", "x", "--trust", "/nonexistent/t.json"], 65),
    "a folder that is none": (["audit", "/nonexistent"], 65),
    "a member not named": (["patients", "--url", "http://localhost:1"], 65),
    "a token that is not there": (["patients", "--as", "north", "--data", "/nonexistent"], 65),
    "a key file that is not there": (
        ["lines", "define-term", "--kind", "1", "--number", "1", "--text", "X", "--signer", "/no"],
        65,
    ),
    "nobody at the address": (["status", "--url", "http://localhost:1"], 75),
    "no address": (["status", "--url", "north"], 75),
    "help": (["--help"], 0),
}


@pytest.mark.parametrize(("arguments", "code"), EXITS.values(), ids=EXITS.keys())
def test_exit_codes_tell_what_kind_of_no(arguments: list[str], code: int) -> None:
    """Scripts tell wrong use, refusal and "try again" apart; nothing is on stdout but data."""
    said = run(*arguments)

    assert code == said.code
    assert "Traceback" not in said.err
    assert bool(said.out) == (code == 0)


def test_a_no_is_one_sentence_or_a_document() -> None:
    """Name, expected, next step; with --json the same as RFC 9457 has it."""
    words = run("status", "--url", "http://localhost:1").err
    document = msgspec.json.decode(run("status", "--url", "http://localhost:1", "--json").err)

    assert words.startswith("NodeNotReached: ")
    assert "salus up" in words
    assert (503, "NodeNotReached") == (document["status"], document["code"])


@pytest.mark.parametrize("command", [one for part in COMMANDS.values() for one in part])
def test_every_command_s_help_has_an_example(command: Any) -> None:
    """A user sees what to type."""
    said = run(command.__name__.replace("_", "-"), "--help")

    assert 0 == said.code
    assert "Example: salus " in said.text


@pytest.mark.parametrize(("group", "message"), MESSAGES, ids=NAMES)
def test_every_message_is_a_command(group: str, message: Any) -> None:
    """With an option a field, beside the signer's key file."""
    said = run(group, snake_case(message.__name__).replace("_", "-"), "--help")

    assert 0 == said.code
    assert "--signer" in said.text
    for field in msgspec.structs.fields(message):
        assert f"--{field.name.replace('_', '-')}" in said.text


def test_fields_become_a_message() -> None:
    """Hex for bytes, JSON for lists, None for what was not given."""
    given = {"activity": 2, "node": 1, "ref": 7, "resource": 3, "time_ms": 5, "user": 5}
    tag, key, proof = "01" * 16, "01" * 33, "01" * 65
    tags = msgspec.json.encode([{"tag": tag, "key": key, "proof": proof}]).decode()

    assert RecordLine(**given) == message_of(RecordLine, given)
    with pytest.raises(Problem, match="FieldMalformed"):
        message_of(RegisterTags, {"tags": tags.replace("proof", "prof")})


FIELDS = {
    "no hex": (RegisterTags, {"tags": '[{"tag": "zz"}]'}),
    "no JSON": (RegisterTags, {"tags": "tags"}),
    "a number for hex": (RegisterTags, {"tags": '[{"tag": 1}]'}),
    "out of range": (RecordLine, {"node": 256}),
    "nothing": (RecordLine, {}),
}


@pytest.mark.parametrize(("kind", "given"), FIELDS.values(), ids=FIELDS.keys())
def test_other_fields_are_refused(kind: Any, given: dict[str, Any]) -> None:
    """Before anything is signed."""
    with pytest.raises(Problem, match="FieldMalformed"):
        message_of(kind, given)


@pytest.mark.parametrize(("span", "hours"), [("12h", 12), ("7d", 168), ("2w", 336)])
def test_spans_are_hours(span: str, hours: int) -> None:
    """As people say them."""
    assert hours == hours_of(span)


def test_keys_are_made_and_listed(tmp_path: Path) -> None:
    """By a passphrase from a descriptor; listing opens none."""
    folder = str(tmp_path / "keys")
    made = _keys_new(folder)
    rows = run("keys", "list", folder, "--json").json

    assert 32 == len(made["member"])
    assert {"sealed by a passphrase"} == {one["state"] for one in rows}
    assert {"0600"} == {one["mode"] for one in rows}


def test_demo_keys_say_so(tmp_path: Path) -> None:
    """Whoever lists them is warned."""
    run("keys", "new", str(tmp_path), "--demo")

    assert "demo, in the clear" in run("keys", "list", str(tmp_path)).text


def _keys_new(folder: str) -> Any:
    reading, writing = os.pipe()
    os.write(writing, b"correct horse\n")
    os.close(writing)
    try:
        return run("keys", "new", folder, "--passphrase-fd", str(reading), "--json").json
    finally:
        os.close(reading)
