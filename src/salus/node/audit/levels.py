"""The two levels: `log` reads what stands there, `full` makes everything again and compares."""

import tempfile
from pathlib import Path

from salus.modules.records.state import BATCH
from salus.node.audit import vault
from salus.node.audit.notes import own_member
from salus.node.audit.replay import Replay
from salus.node.audit.run import Run
from salus.node.audit.store import compare_heaps, compare_stores
from salus.node.audit.tail import Tail
from salus.node.audit.witness import check_witness
from salus.node.journal_mark import CLEAN
from salus.state.disk import Base


def run_full(run: Run, base: Base | None, workers: int | None) -> None:
    """Execute every block on a state of its own; compare store, vault and witness with it."""
    with tempfile.TemporaryDirectory(prefix="salus-audit-") as folder:
        levels = None if base is None else base.levels
        replay = Replay(Path(folder), run.machine, run.genesis, levels)
        try:
            log = run.new_log(replay.genesis_leaf)
            if base is not None and base.height == 0:
                _compare_state(run, replay, base, Path(folder))
            # Processes check the signatures of the next spans while this one executes.
            for span, _ in run.signed_spans(None, workers):
                for record in run.records(span):
                    block = replay.execute(record, run.report) if run.complete else None
                    if block is None or not log.add(block, block.leaves or []):
                        run.complete = False
                        break
                    run.report.counts["blocks"] += 1
                    if base is not None and record.height == base.height:
                        _compare_state(run, replay, base, Path(folder))
            if base is not None and base.height > replay.at.height:
                run.report.skip(
                    f"state: it stands at {base.height}, and blocks could be executed up to"
                    f" {replay.at.height}"
                )
            run.check_log(log, replay.view())
            _check_vault_and_witness(run, replay)
        finally:
            replay.pause()


def run_log(run: Run, base: Base | None, workers: int | None) -> None:
    """Make the log of the journal and the served receipts; the blocks above them are executed."""
    state = None if base is None else run.folder / "state"
    tail = Tail(run.machine, run.genesis, state, base)
    try:
        log = run.new_log(tail.genesis_leaf)
        for span, blocks in run.signed_spans(state, workers):
            made = {block.height: block.leaves for block in blocks}
            if None in made.values():
                for record in run.records(span):
                    if made.get(record.height, b"") is None and run.complete:
                        made[record.height] = tail.leaves(record, run.report)
            for block in blocks:
                leaves = made[block.height]
                run.complete = run.complete and leaves is not None and log.add(block, leaves)
                run.report.counts["blocks"] += run.complete
        run.check_log(log, tail.view())
    finally:
        tail.close()
    run.report.skip("blocks, state, vault and witness: level full reads them")


def _compare_state(run: Run, replay: Replay, base: Base, folder: Path) -> None:
    replay.pause()
    run.progress("state", 0, base.row_count)
    compare_stores(run.folder / "state", folder, base.levels, run.report)
    if (run.folder / "journal" / CLEAN).exists():
        compare_heaps(run.folder / "state", folder, run.report)
    replay.resume()
    run.progress("state", base.row_count, base.row_count)


def _check_vault_and_witness(run: Run, replay: Replay) -> None:
    """Hold both to the replayed state of the newest block."""
    if not run.complete:
        run.report.skip("vault and witness: they need the state of the newest block")
        return
    member = own_member(run.stated)
    run.progress("vault", 0, 1)
    if (run.folder / "vault").exists():
        known = vault.Known(
            vault.all_batches(replay.rows(BATCH.prefix)), replay.batch_heights, replay.sheet_roots
        )
        vault.VaultChecker(run.folder / "vault", replay.view(), known, run.report).check(member)
    if (run.folder / "witness").exists():
        check_witness(
            run.folder / "witness", run.folder / "vault", replay.view(), member, run.report
        )
    run.progress("vault", 1, 1)
