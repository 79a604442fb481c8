"""
A process that replays a journal on a state of its own and prints the app hash it comes to.

    python -m tests.campaign.replay FOLDER LEVELS WORKERS

LEVELS: T of the state tree. WORKERS: processes that check signatures; their answers, not the
journal's, decide what is executed. Prints one line: `height app_hash`; ends with 1 at a difference.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from salus.chain import machine
from salus.machine.genesis import network_id
from salus.node.audit.replay import Replay
from salus.node.audit.report import Report
from salus.node.audit.segments import read_journal
from salus.node.record import BlockRecord, Result, read_record
from salus.node.verify_pool import VerifyPool

SIGNATURE_INVALID = 8


def main(folder: str, levels: str, workers: str) -> int:
    """Replay and print."""
    home = Path(folder)
    genesis = (home / "genesis.json").read_bytes()
    report = Report("full")
    with tempfile.TemporaryDirectory() as state:
        replay = Replay(Path(state), machine(), genesis, int(levels))
        app = b""
        with closing(VerifyPool(network_id(genesis), workers=int(workers))) as pool:
            for record in _records(home, genesis, report):
                holds = pool.check(record.txs)
                if replay.execute(_checked(record, holds), report) is None:
                    break
                app = record.app
        replay.pause()
    for finding in report.findings:
        print(finding, file=sys.stderr)
    print(replay.at.height, app.hex())
    return 0 if report.sound else 1


def _records(home: Path, genesis: bytes, report: Report) -> Iterator[BlockRecord]:
    journal = read_journal(home / "node" / "journal", network_id(genesis), report)
    for span in journal.spans:
        for _, payload in span.payloads():
            yield read_record(payload)


def _checked(record: BlockRecord, holds: list[bool]) -> BlockRecord:
    """The record with signature results as they were found here; a difference then surfaces."""
    results = [
        Result(code=SIGNATURE_INVALID, events=result.events)
        if not good and (result.code == 0 or result.code > SIGNATURE_INVALID)
        else Result(code=0, events=result.events)
        if good and result.code == SIGNATURE_INVALID
        else result
        for result, good in zip(record.results, holds, strict=True)
    ]
    return replace(record, results=results)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
