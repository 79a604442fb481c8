"""
Partitions of real lines: each member in a network namespace, a veth pair between each two (T8).

    python -m tests.campaign.network.namespaces FOLDER SEED KIND …     see `run_namespaces`

Without root: the process gets a network and users of its own by `unshare`. A line that is cut is
down at both ends, so connections break or hang as the kernel has it, and what is sent again comes
by TCP's own timers. The APIs are reached by further lines, which are never cut.
"""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path

from tests.campaign.full_disk import ROOT
from tests.campaign.network.members import Members
from tests.campaign.network.partitions import Partitions, one_partition
from tests.campaign.network.proxied import lead, replaced
from tests.campaign.network.stage import loaded
from tests.support.live_network import NAMES, Network
from tests.support.proxy import HOST, Way

PAIRS = list(combinations(NAMES, 2))
KINDS = ("two and two", "three and one")


def run_namespaces(seed: int, kinds: Sequence[str] = KINDS) -> str | None:
    """Partitions in namespaces of their own; None if all went well, else what did not."""
    with tempfile.TemporaryDirectory(prefix="salus-") as folder:
        story = [
            sys.executable,
            "-m",
            "tests.campaign.network.namespaces",
            folder,
            str(seed),
            *kinds,
        ]
        done = subprocess.run(
            ["unshare", "-Urn", *story], cwd=ROOT, capture_output=True, text=True, check=False
        )
    return None if done.returncode == 0 else done.stderr[-1_500:]


def why_not() -> str | None:
    """What this machine lacks for it; None if a veth pair could be made."""
    pair = ["ip", "link", "add", "here", "type", "veth", "peer", "name", "there"]
    command = ["unshare", "-Urn", *pair]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return f"{error.filename} is not on PATH"
    return None if done.returncode == 0 else done.stderr.strip()


def main(folder: str, seed: str, *kinds: str) -> None:
    """One partition after another; ends with what did not hold."""
    with _lines() as lines:
        members = Members(Network(Path(folder)), {name: lines.inside(name) for name in NAMES})
        members.network.hosts = {name: lines.api(name) for name in NAMES}
        lead(members, lines.address)
        for name in NAMES:
            _open_doors(members, lines, name)
        done = Partitions()
        with members, loaded(members, int(seed)) as stage:
            stage.links = lines
            try:
                for kind in kinds:
                    one_partition(stage, done, kind)
            except AssertionError as error:
                sys.exit(f"seed {seed}: {error}")


class Lines:
    """Namespaces, held by a sleeping process each, and what leads from one to another."""

    def __init__(self, holders: dict[str, int]) -> None:
        """`holders`: process ids."""
        self._holders = holders
        _run("ip", "link", "set", "lo", "up")
        for name in NAMES:
            self._run_inside(name, "ip", "link", "set", "lo", "up")
            self._lay_api_line(name)
        for pair in PAIRS:
            self._lay(pair)

    def inside(self, name: str) -> list[str]:
        """Words before a command that is run in a member's namespace."""
        return ["nsenter", f"--net=/proc/{self._holders[name]}/ns/net", "--"]

    def api(self, name: str) -> str:
        """Where a member's API is reached from outside."""
        return f"10.9.{NAMES.index(name)}.2"

    def address(self, dialer: str, listener: str, port: int) -> str:
        """Where one reaches the other on their own line."""
        pair = (dialer, listener) if (dialer, listener) in PAIRS else (listener, dialer)
        return f"10.8.{PAIRS.index(pair)}.{1 + pair.index(listener)}:{port}"

    def cut(self, ways: Iterable[Way]) -> None:
        """Take the lines down; a line of this kind has no half."""
        cut = set(ways)
        for pair in PAIRS:
            if pair in cut and pair[::-1] in cut:
                self._set(pair, "down")

    def heal(self) -> None:
        """All lines up."""
        for pair in PAIRS:
            self._set(pair, "up")

    def _lay(self, pair: Way) -> None:
        number = PAIRS.index(pair)
        ends = [f"p{number}a", f"p{number}b"]
        _run("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for at, (name, end) in enumerate(zip(pair, ends, strict=True), start=1):
            _run("ip", "link", "set", end, "netns", str(self._holders[name]))
            self._run_inside(name, "ip", "address", "add", f"10.8.{number}.{at}/30", "dev", end)
        self._set(pair, "up")

    def _lay_api_line(self, name: str) -> None:
        number = NAMES.index(name)
        ends = (f"x{number}", "api")
        _run("ip", "link", "add", ends[0], "type", "veth", "peer", "name", ends[1],
             "netns", str(self._holders[name]))  # fmt: skip
        _run("ip", "address", "add", f"10.9.{number}.1/30", "dev", ends[0])
        _run("ip", "link", "set", ends[0], "up")
        self._run_inside(name, "ip", "address", "add", f"{self.api(name)}/30", "dev", ends[1])
        self._run_inside(name, "ip", "link", "set", ends[1], "up")

    def _set(self, pair: Way, state: str) -> None:
        number = PAIRS.index(pair)
        for name, end in zip(pair, (f"p{number}a", f"p{number}b"), strict=True):
            self._run_inside(name, "ip", "link", "set", end, state)

    def _run_inside(self, name: str, *command: str) -> None:
        _run(*self.inside(name), *command)


@contextmanager
def _lines() -> Iterator[Lines]:
    with contextlib.ExitStack() as opened:
        holders = {}
        for name in NAMES:
            holder = subprocess.Popen(
                ["unshare", "-n", "sh", "-c", "echo; exec sleep infinity"], stdout=subprocess.PIPE
            )
            opened.enter_context(holder)
            opened.callback(holder.kill)
            assert holder.stdout is not None
            holder.stdout.readline()
            holders[name] = holder.pid
        yield Lines(holders)


def _open_doors(members: Members, lines: Lines, name: str) -> None:
    """Let a member listen on its lines."""
    path, settings = members.config(name), members.places[name].settings
    assert settings.comet is not None
    text = path.read_text()
    text = replaced(text, rf'(\[door\]\nhost = )"{HOST}"', rf'\g<1>"{lines.api(name)}"')
    text = replaced(text, rf'(\[peer_door\]\nhost = )"{HOST}"', r'\g<1>"0.0.0.0"')
    port = settings.comet.listen.rpartition(":")[2]
    path.write_text(replaced(text, rf'listen = "{HOST}:{port}"', f'listen = "0.0.0.0:{port}"'))


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
