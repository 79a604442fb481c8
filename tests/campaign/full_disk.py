"""
An engine on a disk that fills up (T5), in a process of its own on a small file system.

    python -m tests.campaign.full_disk [LEFT_BYTES ...]      each on a fresh ledger

Without root: the process gets its own mounts by `unshare`. While the disk is full every read is
answered and every write refused with StorageFull; when there is room again, writing goes on by
itself, and all that was acknowledged is there.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from salus.base import merkle
from salus.base.errors import Problem, Refusal
from salus.machine.transaction import sign
from salus.modules.audit.messages import DefineTerm
from salus.node.audit.audit import audit_folder
from salus.node.embedded import EmbeddedEngine
from salus.node.ledger import Ledger
from salus.node.mempool import Done, StorageFull
from salus.node.ports import RealClock
from salus.node.verify_pool import VerifyPool
from tests.campaign.engine import LIFETIME_MS, make_folder, open_folder
from tests.support.machine import Actor

DISK_BYTES = 32 * 1024 * 1024
ROOT = Path(__file__).resolve().parents[2]

RESERVE_BYTES = 4 * 1024 * 1024
"""Of a node on so small a disk; a quarter of it is for the blocks under way."""

TRIES_MAX = 4_000
"""Transactions after which the disk should have been full."""

RESUME_S_MAX = 12.0
"""The engine looks for room each 5 s."""


def run_full_disk(left_bytes: list[int]) -> str | None:
    """Run the story in its own mounts; None if all went well, else what did not."""
    with tempfile.TemporaryDirectory() as mount:
        script = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'
        story = [sys.executable, "-m", "tests.campaign.full_disk", *map(str, left_bytes)]
        done = subprocess.run(
            ["unshare", "-rm", "sh", "-c", script, "sh", str(DISK_BYTES), mount, *story],
            cwd=ROOT,
            env={**os.environ, "SALUS_CAMPAIGN_DISK": mount},
            capture_output=True,
            text=True,
            check=False,
        )
    return None if done.returncode == 0 else done.stderr[-1_500:]


def can_mount() -> bool:
    """Whether this kernel lets a process have its own mounts."""
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as mount:
        command = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", mount]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0


class Story:
    """One ledger on the small disk."""

    def __init__(self, disk: Path, left_bytes: int) -> None:
        """`left_bytes`: what is left free when the disk fills up."""
        self._home = disk / "home"
        self._filler = disk / "filler"
        self._left_bytes = left_bytes
        self._acknowledged: list[Done] = []
        self._nonce = 0
        shutil.rmtree(self._home, ignore_errors=True)
        self._genesis = make_folder(self._home)

    def tell(self) -> None:
        """Play it; raises AssertionError."""
        with closing(open_folder(self._home, reserve_bytes=RESERVE_BYTES)) as ledger:
            pool = VerifyPool(ledger.network, workers=0)
            engine = EmbeddedEngine(ledger, quarantine=self._home / "quarantine", pool=pool)
            with closing(engine):
                for _ in range(20):
                    self._submit(engine)
                self._fill()
                self._submit_until_full(engine)
                self._read_everything(ledger)
                self._filler.unlink()
                self._resume(engine)
        with closing(open_folder(self._home, reserve_bytes=RESERVE_BYTES)) as ledger:
            self._read_everything(ledger)
        report = audit_folder(self._home / "node", self._genesis, workers=0)
        assert report.sound, str(report.findings[0])

    def _fill(self) -> None:
        free = shutil.disk_usage(self._home).free
        with self._filler.open("wb") as file:
            for _ in range(max(0, free - self._left_bytes) // 4096):
                file.write(bytes(4096))

    def _submit_until_full(self, engine: EmbeddedEngine) -> None:
        for _ in range(TRIES_MAX):
            try:
                self._submit(engine)
            except StorageFull:
                break
        else:
            raise AssertionError("expected StorageFull on a full disk, found none")
        for _ in range(5):
            try:
                self._submit(engine)
            except StorageFull:
                continue
            raise AssertionError("expected StorageFull again, found an acknowledgement")

    def _resume(self, engine: EmbeddedEngine) -> None:
        give_up_s = time.monotonic() + RESUME_S_MAX
        while True:
            try:
                self._submit(engine)
            except StorageFull:
                assert time.monotonic() < give_up_s, "expected writing to go on, found it full"
                time.sleep(0.1)
                continue
            return

    def _submit(self, engine: EmbeddedEngine) -> None:
        message = DefineTerm(kind=1, number=self._nonce % 65_536, text="T" * 64)
        data = sign(
            engine.ledger.network,
            Actor(0).transaction,
            [message],
            nonce=self._nonce,
            until_ms=RealClock().now_ms() + LIFETIME_MS,
        )
        done = engine.submit_and_wait(data)
        self._nonce += 1
        self._acknowledged.append(done)

    def _read_everything(self, ledger: Ledger) -> None:
        """Every acknowledged transaction with its receipt and its place in the log."""
        tip = ledger.tip
        entries: dict[int, list[bytes]] = {}
        for done in self._acknowledged:
            assert ledger.find(done.id) == (done.height, done.position)
            assert ledger.receipts(done.height).receipts[done.position] == done.receipt
            found = entries.setdefault(done.height, ledger.entries(done.height))
            index = ledger.record(done.height).first_index + done.position
            path = ledger.path(index, tip.log_size)
            leaf = merkle.leaf_hash(found[done.position])
            assert merkle.root_from_path(leaf, index, tip.log_size, path) == tip.log_root


def main(left_bytes: list[str]) -> None:
    """Tell a story for each."""
    disk = Path(os.environ["SALUS_CAMPAIGN_DISK"])
    for left in left_bytes:
        try:
            Story(disk, int(left)).tell()
        except (AssertionError, Problem, Refusal, OSError) as error:
            sys.exit(f"{left} bytes left: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
