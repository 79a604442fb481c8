"""CometBFT's own example application as a program, built as the node's CometBFT is, and once."""

from pathlib import Path

from salus.base.errors import Problem
from salus.node.comet import program

PACKAGE = "github.com/cometbft/cometbft/abci/cmd/abci-cli"


class ProgramMissing(Exception):
    """A program of an arm cannot be had; the text says why."""


def cometbft() -> Path:
    """CometBFT; raises ProgramMissing."""
    try:
        return program.find_or_build()
    except Problem as problem:
        raise ProgramMissing(str(problem)) from None


def abci_cli() -> Path:
    """`abci-cli` of the same version as the pinned CometBFT; raises ProgramMissing."""
    path = program.cache_folder() / f"abci-cli-{program._build_name()}"
    try:
        if not path.exists():
            program._build(path, PACKAGE)
    except Problem as problem:
        raise ProgramMissing(str(problem)) from None
    return path
