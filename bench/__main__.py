"""
Measure Salus beside its peers on this machine: `python -m bench --help`.

The table goes to stdout, what is being measured to stderr, everything as JSON to `--json FILE`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from bench.loaded import Shelf
from bench.network import new_network
from bench.peers.immudb import CACHE
from bench.peers.machine import Machine, describe
from bench.plan import BARS, FULL, QUICK, USUAL, Sizes
from bench.report import Line, plain, print_table

WIDTH = 130
"""Characters of the table, whatever it is printed to: it is quoted in files."""


def main() -> None:
    """Measure, print the table, write the JSON."""
    asked = _arguments()
    sizes = QUICK if asked.quick else FULL if asked.full else USUAL
    asked.folder.mkdir(parents=True, exist_ok=True)
    lines: list[Line] = []
    with TemporaryDirectory(prefix="run-", dir=asked.folder) as name:
        machine = describe(Path(name))
        try:
            _measure(Shelf(Path(name), new_network()), sizes, asked.only, lines)
        finally:
            # What was measured before a failure took long to measure.
            _tell(machine, lines, asked.json)


def _measure(shelf: Shelf, sizes: Sizes, only: Sequence[str], lines: list[Line]) -> None:
    for name in only:
        sys.stderr.write(f"{name}\n")
        lines.extend(BARS[name](shelf, sizes))


def _tell(machine: Machine, lines: Sequence[Line], file: Path | None) -> None:
    command = " ".join(["python -m bench", *sys.argv[1:]])
    print_table(Console(width=WIDTH), machine, command, lines)
    if file is not None:
        file.write_text(json.dumps(plain(machine, command, lines), indent=2) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="smallest sizes, six to eight minutes")
    size.add_argument("--full", action="store_true", help="also five million rows; an hour")
    parser.add_argument(
        "--only", type=_bars, default=list(BARS), metavar="B1,…", help=", ".join(BARS)
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.add_argument(
        "--folder", type=Path, default=CACHE, help="on the disk to measure; emptied afterwards"
    )
    return parser.parse_args()


def _bars(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in BARS]:
        message = f"expected some of {', '.join(BARS)}; {len(unknown)} are none of them"
        raise argparse.ArgumentTypeError(message)
    return names


if __name__ == "__main__":
    main()
