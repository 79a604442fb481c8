"""Runs `salus` as its console script does, in this process, and keeps what it said."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salus.doors.cli.main import main


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        """Its data."""
        return msgspec.json.decode(self.out)

    @property
    def text(self) -> str:
        """Its data as text."""
        return self.out.decode()


@dataclass(frozen=True)
class Shell:
    """A shell beside a running network."""

    url: str
    data: Path

    def ledger(self, *arguments: str) -> Said:
        """A command that reads the ledger or acts on it."""
        return run(*arguments, "--url", self.url)

    def member(self, name: str, *arguments: str) -> Said:
        """A command of a member's people."""
        where = ("--as", name, "--url", self.url, "--data", str(self.data))
        return run(*arguments, *where)

    def key(self, name: str) -> str:
        """A member's transaction key file."""
        return str(self.data / "keys" / name / "transaction.key")


def run(*arguments: str) -> Said:
    """Run `salus ARGUMENTS`."""
    out = io.TextIOWrapper(io.BytesIO(), write_through=True)
    err = io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as stop,
    ):
        main(arguments)
    code = stop.value.code
    return Said(code if isinstance(code, int) else 0, out.buffer.getvalue(), err.getvalue())  # type: ignore[attr-defined]  # a BytesIO
