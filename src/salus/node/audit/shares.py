"""
The witness's share store against the vault's index, which names every batch with an own seat.

Shares are sealed and no key is at hand: it is shown that RocksDB can read every block, and that no
batch and no group lacks its share; whoever opens one finds out the rest. A database whose newest
note of its files cannot be read opens as an older one, with rows missing and without a word.
"""

import struct
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from rocksdict import AccessType, Options, Rdict

from salus.node.audit.report import Finding, Report
from salus.node.audit.store_view import link_folder, read_all
from salus.node.audit.tables import open_copy
from salus.node.witness.shares import HeldBatch

BATCH_BYTES = 16


class _Held(NamedTuple):
    """What the store has."""

    batches: dict[bytes, HeldBatch]
    shares: Counter[bytes]
    """By batch."""


def check_shares(folder: Path, vault: Path, report: Report) -> None:
    """Check the store in `folder`; `vault`: the same member's."""
    held = _read(folder, report)
    if held is None:
        return
    for batch, one in sorted(held.batches.items()):
        if held.shares[batch] != one.groups:
            _add(report, f"{one.groups} shares of batch {batch.hex()}", f"{held.shares[batch]}")
    if held.shares.keys() - held.batches.keys():
        _add(report, "shares of batches it knows", "some of another")
    if (vault / "index.sqlite").exists():
        _compare(held, vault, report)


def _compare(held: _Held, vault: Path, report: Report) -> None:
    with open_copy(vault / "index.sqlite", "vault", report) as rows:
        if rows is None:
            return
        seated = rows.all("select id, lower(hex(id)), root, seat from batch where seat > 0")
    for batch, name, root, seat in sorted(seated, key=lambda row: str(row[1])):
        one = held.batches.get(batch)
        if one is None or (one.root, one.x) != (root, seat):
            _add(report, f"the shares of seat {seat} of batch {name}", "none of it")


def _read(folder: Path, report: Report) -> _Held | None:
    """All rows; None, and a finding, if they cannot be read."""
    held = _Held({}, Counter())
    with tempfile.TemporaryDirectory(prefix="salus-audit-") as links:
        link_folder(folder, Path(links))
        options = Options(raw_mode=True)
        options.set_paranoid_checks(enabled=True)
        try:
            db = Rdict(
                links, options, access_type=AccessType.read_only(error_if_log_file_exist=False)
            )
            for key, value in read_all(db):
                report.counts["witness.shares"] += 1
                batch = key[1 : 1 + BATCH_BYTES]
                if key[:1] == b"b":
                    held.batches[batch] = HeldBatch.read(value)
                elif key[:1] == b"s":
                    held.shares[batch] += 1
            db.close()
        except struct.error:
            _add(report, "a row of a batch", "another length")
            return None
        except Exception as error:  # noqa: BLE001 (rocksdict raises plain ones)
            _add(report, "a database that can be read", str(error))
            return None
    return held


def _add(report: Report, expected: str, found: str) -> None:
    report.add(Finding("witness", "witness/shares", expected, found))
