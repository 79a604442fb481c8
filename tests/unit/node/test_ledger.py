"""One copy of the ledger: what it promises when it commits, and what it finds when it opens."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from salus.base import codec, merkle
from salus.base.entry import BlockEntry, GenesisEntry, TransactionEntry
from salus.base.errors import Fault, Problem
from salus.machine.block import Block, Evidence
from salus.machine.genesis import network_id
from salus.machine.transaction import Transaction
from salus.modules.audit.queries import term as term_row
from salus.node import ledger as ledger_file
from salus.node.record import record_of
from salus.state import store as store_file
from tests.support.ledgers import VIEW, Chain, add_block, execute, term
from tests.support.machine import GENESIS_MS


@pytest.fixture
def chain() -> Chain:
    """Two members."""
    return Chain(members=2)


def read(chain: Chain, data: bytes) -> Transaction:
    """An envelope, decoded."""
    return chain.machine.form.read(data)


def test_a_new_ledger_holds_its_genesis(chain: Chain, tmp_path: Path) -> None:
    """Height 0, one entry, which names the network and the first state."""
    ledger = chain.open(tmp_path)

    (data,) = ledger.entries(0)
    entry = codec.decode(data, GenesisEntry)
    assert GenesisEntry(network=chain.network, state=ledger.tip.state_root, time_ms=GENESIS_MS) == (
        entry
    )
    assert (0, 1, GENESIS_MS) == (ledger.tip.height, ledger.tip.log_size, ledger.tip.time_ms)
    assert ledger.tip.log_root == merkle.root([data])
    ledger.close()


def test_executing_changes_nothing(chain: Chain, tmp_path: Path) -> None:
    """Only a commit moves the tip; two executions of one block are equal."""
    ledger = chain.open(tmp_path)
    before = ledger.tip
    first, second = (execute(ledger, chain.sign(0, VIEW, nonce=0)) for _ in range(2))

    assert first.sealed.app_hash == second.sealed.app_hash
    assert before is ledger.tip
    assert term_row(ledger.view(), 1, 1) is None
    ledger.close()


def test_a_block_stands_where_it_says(chain: Chain, tmp_path: Path) -> None:
    """Record, receipts, index, entries, paths and proofs of one block agree."""
    ledger = chain.open(tmp_path)
    data = chain.sign(0, VIEW, nonce=0)
    receipts = add_block(ledger, data)

    record = ledger.record(1)
    assert [data] == record.txs
    assert receipts == ledger.receipts(1).receipts
    assert (1, 0) == ledger.find(read(chain, data).id)
    entry, last = ledger.entries(1)
    assert read(chain, data).hash == codec.decode(entry, TransactionEntry).tx
    assert ledger.tip.state_root == codec.decode(last, BlockEntry).state
    assert (1, 3) == (record.first_index, ledger.tip.log_size)
    for index, one in enumerate([*ledger.entries(0), entry, last]):
        path = ledger.path(index, 3)
        assert ledger.log_root(3) == merkle.root_from_path(merkle.leaf_hash(one), index, 3, path)
        assert ledger.height_of_entry(index) == (1 if index else 0)
    merkle.check_consistency(
        1, 3, ledger.log_root(1), ledger.tip.log_root, ledger.consistency(1, 3)
    )
    ledger.close()


def test_what_was_committed_is_there_after_a_restart(chain: Chain, tmp_path: Path) -> None:
    """Tip, rows, receipts and index are equal, and the ledger goes on."""
    ledger = chain.open(tmp_path)
    for number in range(70):  # more than the 64 layers that memory holds
        data = chain.sign(0, term(number), nonce=number, until_ms=GENESIS_MS + 100_000)
        assert [0] == [one.code for one in add_block(ledger, data)]
    before, receipts = ledger.tip, ledger.receipts(70)
    ledger.close()

    again = chain.open(tmp_path)

    assert before == again.tip
    assert receipts == again.receipts(70)
    assert term_row(again.view(), 1, 69) is not None
    late = chain.sign(1, VIEW, nonce=0, until_ms=GENESIS_MS + 100_000)
    assert [9002] == [one.code for one in add_block(again, late)]
    assert 71 == again.tip.height
    again.close()


KILLED = """
import os, sys
from pathlib import Path
from tests.support.ledgers import Chain, add_block, term
chain = Chain(members=2)
ledger = chain.open(Path(sys.argv[1]))
for number in range(5):
    add_block(ledger, chain.sign(0, term(number), nonce=number))
print(ledger.tip.app_hash.hex(), flush=True)
os._exit(9)
"""


def test_a_killed_process_loses_nothing_it_acknowledged(chain: Chain, tmp_path: Path) -> None:
    """`os._exit` right after a commit: no flush, no clean mark; all is replayed, once."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert 9 == done.returncode, done.stderr

    ledger = chain.open(tmp_path)

    assert done.stdout.split()[-1] == ledger.tip.app_hash.hex()
    assert (5, 11) == (ledger.tip.height, ledger.tip.log_size)
    refused = add_block(ledger, *(chain.sign(0, term(n), nonce=n) for n in range(5)))
    assert [14] * 5 == [one.code for one in refused]
    ledger.close()


def test_a_start_works_out_few_transactions_however_full_the_blocks(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill loses is bounded by the bytes of transactions, and so are the log's leaves."""
    ledger = chain.open(tmp_path / "working")
    data = [chain.sign(0, term(nonce), nonce=nonce) for nonce in range(12)]
    monkeypatch.setattr(store_file, "LAYER_REPLAY_BYTES_MAX", 2 * len(data[0]))
    monkeypatch.setattr(ledger_file, "LOG_SYNC_ENTRIES", 8)
    for nonce in range(0, 12, 2):
        add_block(ledger, *data[nonce : nonce + 2])

    assert (6, 5) == (ledger.tip.height, ledger._store.base_height)
    assert ledger.tip.log_size - ledger._log_files.synced_size <= 8

    shutil.copytree(tmp_path / "working", tmp_path / "killed")
    killed = chain.open(tmp_path / "killed")

    assert ledger.tip == killed.tip

    killed.close()
    ledger.close()


@pytest.mark.parametrize("lost", ["state", "log"])
def test_all_but_the_journal_is_made_again(chain: Chain, tmp_path: Path, lost: str) -> None:
    """Store and log files are derived: without them the journal gives the same ledger."""
    ledger = chain.open(tmp_path)
    for number in range(4):
        add_block(ledger, *(chain.sign(who, term(number), nonce=number) for who in (0, 1)))
    before = ledger.tip
    ledger.close()
    shutil.rmtree(tmp_path / lost)

    again = chain.open(tmp_path)

    assert before == again.tip
    assert again.path(3, before.log_size)
    again.close()


def test_a_damaged_store_is_set_aside_and_made_anew(chain: Chain, tmp_path: Path) -> None:
    """The journal is the truth; the damaged folder is kept for whoever wants to look."""
    ledger = chain.open(tmp_path)
    add_block(ledger, chain.sign(0, VIEW, nonce=0))
    before = ledger.tip
    ledger.close()
    (tmp_path / "state" / "rocks" / "CURRENT").write_bytes(b"nonsense\n")

    again = chain.open(tmp_path)

    assert before == again.tip
    assert (tmp_path / "state.damaged").is_dir()
    again.close()


def test_a_journal_behind_the_state_is_a_fault(chain: Chain, tmp_path: Path) -> None:
    """Acknowledged blocks are missing: the node does not go on, and gives its lock back."""
    ledger = chain.open(tmp_path)
    add_block(ledger, chain.sign(0, VIEW, nonce=0))
    ledger.close()
    shutil.move(tmp_path / "journal", tmp_path / "kept")

    for _ in range(2):
        with pytest.raises(Fault, match="the journal ends at 0, the state at 1"):
            chain.open(tmp_path)

    shutil.rmtree(tmp_path / "journal")
    shutil.move(tmp_path / "kept", tmp_path / "journal")
    chain.open(tmp_path).close()


def test_a_journal_that_ends_before_what_was_signed_is_a_fault(
    chain: Chain, tmp_path: Path
) -> None:
    """`must_hold` names the newest height of any note."""
    ledger = chain.open(tmp_path)
    add_block(ledger, chain.sign(0, VIEW, nonce=0))
    ledger.close()

    with pytest.raises(Fault):
        chain.open(tmp_path, must_hold=2)

    chain.open(tmp_path, must_hold=1).close()


def test_another_program_is_found_by_its_app_hash(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay that gives another hash stops at the first such block, and names it."""
    ledger = chain.open(tmp_path)
    add_block(ledger)
    add_block(ledger, chain.sign(0, VIEW, nonce=0))
    ledger.close()
    shutil.rmtree(tmp_path / "state")
    monkeypatch.setattr("salus.modules.audit.handlers.rules.is_term", lambda *_: False)

    with pytest.raises(Fault, match="block 2: expected app hash"):
        chain.open(tmp_path)


def test_another_genesis_is_refused_even_before_the_first_block(tmp_path: Path) -> None:
    """An empty journal names no network yet; the genesis entry does."""
    Chain(members=2).open(tmp_path).close()

    with pytest.raises(Problem, match="GenesisDiffers"):
        Chain(members=1).open(tmp_path)


def test_a_folder_serves_one_process(chain: Chain, tmp_path: Path) -> None:
    """A second opener is told so before anything is touched."""
    ledger = chain.open(tmp_path)

    with pytest.raises(Problem) as refused:
        chain.open(tmp_path)

    assert "FolderInUse" == refused.value.name
    ledger.close()
    chain.open(tmp_path).close()


def test_a_block_commits_on_the_tip_it_was_executed_on(chain: Chain, tmp_path: Path) -> None:
    """A stale execution is refused before the journal holds it."""
    ledger = chain.open(tmp_path)
    stale = execute(ledger, chain.sign(0, VIEW, nonce=0))
    skipped = ledger.execute(Block(evidence=[], height=2, time_ms=GENESIS_MS, txs=[]))
    with pytest.raises(Fault, match="not executed on the tip"):
        ledger.commit(skipped)
    add_block(ledger)

    with pytest.raises(Fault, match="not executed on the tip"):
        ledger.commit(stale)

    assert 1 == ledger.tip.height
    ledger.close()
    again = chain.open(tmp_path)
    assert 1 == again.tip.height
    again.close()


def test_an_empty_block_changes_no_hash(chain: Chain, tmp_path: Path) -> None:
    """It moves height and time alone: the log, its root and the app hash stay."""
    ledger = chain.open(tmp_path)
    add_block(ledger, chain.sign(0, VIEW, nonce=0))
    before = ledger.tip

    add_block(ledger)

    assert [] == ledger.entries(2)
    assert (before.app_hash, before.log_size) == (ledger.tip.app_hash, ledger.tip.log_size)
    assert (2, before.time_ms + 1_000) == (ledger.tip.height, ledger.tip.time_ms)
    ledger.close()


def test_evidence_of_nobody_known_still_leaves_a_block_entry(chain: Chain, tmp_path: Path) -> None:
    """Correction 14: a block with evidence has an entry, its entries are rebuilt alike."""
    ledger = chain.open(tmp_path)
    strange = Evidence(member=b"\x07" * 16, height=1, kind="duplicate vote")
    block = Block(evidence=[strange], height=1, time_ms=GENESIS_MS, txs=[])

    executed = ledger.execute(block)
    ledger.commit(executed)

    assert executed.sealed.entries == ledger.entries(1)
    assert 0 == codec.decode(ledger.entries(1)[0], BlockEntry).transactions
    assert 2 == ledger.tip.log_size
    ledger.close()


def test_a_refused_copy_never_hides_the_one_that_was_done(chain: Chain, tmp_path: Path) -> None:
    """Correction 11: the index keeps the entry that spent the nonce, whichever came first."""
    ledger = chain.open(tmp_path)
    early = chain.sign(0, term(1), nonce=70_000)  # NonceTooFar today
    data = chain.sign(0, term(2), nonce=0)
    tx_id = read(chain, data).id

    add_block(ledger, early)
    assert (1, 0) == ledger.find(read(chain, early).id)
    add_block(ledger, chain.sign(1, VIEW, nonce=0), data, data)
    assert (2, 1) == ledger.find(tx_id)
    add_block(ledger, data)

    assert (2, 1) == ledger.find(tx_id)
    assert [14] == [one.code for one in ledger.receipts(3).receipts]
    ledger.close()


def test_a_refused_copy_gives_way_to_the_done_one(chain: Chain, tmp_path: Path) -> None:
    """Refused first (too early), done later: the index moves to the one that was done."""
    ledger = chain.open(tmp_path)
    day_ms = 86_400_000
    data = chain.sign(0, VIEW, nonce=0, until_ms=GENESIS_MS + day_ms + 5_000)
    tx_id = read(chain, data).id

    assert [12] == [one.code for one in add_block(ledger, data)]
    assert (1, 0) == ledger.find(tx_id)
    assert [0] == [one.code for one in add_block(ledger, data, time_ms=GENESIS_MS + 10_000)]

    assert (2, 0) == ledger.find(tx_id)
    ledger.close()


def test_an_unreadable_envelope_has_its_place(chain: Chain, tmp_path: Path) -> None:
    """It is found by its hash, and its entry names no signer."""
    ledger = chain.open(tmp_path)
    add_block(ledger, b"garbage")

    entry = codec.decode(ledger.entries(1)[0], TransactionEntry)

    assert (2, bytes(16), 0) == (entry.code, entry.signer, entry.message_count)
    assert (1, 0) == ledger.find(entry.tx)
    assert ledger.find(bytes(32)) is None
    ledger.close()


def test_unknown_blocks_are_told_by_name(chain: Chain, tmp_path: Path) -> None:
    """Below 1 and above the tip."""
    ledger = chain.open(tmp_path)
    for height in (0, 1, 99):
        with pytest.raises(Problem, match="BlockUnknown"):
            ledger.record(height)
        with pytest.raises(Problem, match="BlockUnknown"):
            ledger.receipts(height)
    ledger.close()


def test_a_view_shows_a_later_time_if_asked(chain: Chain, tmp_path: Path) -> None:
    """Admission looks at the time of the block to come, never at an earlier one."""
    ledger = chain.open(tmp_path)

    assert GENESIS_MS == ledger.view(5).time_ms
    assert GENESIS_MS + 5 == ledger.view(GENESIS_MS + 5).time_ms
    assert network_id(chain.genesis) == ledger.view().network
    ledger.close()


def test_waiting_for_a_height_ends_with_the_block_or_the_time(chain: Chain, tmp_path: Path) -> None:
    """The tip is returned either way."""
    ledger = chain.open(tmp_path)
    assert 0 == ledger.wait_above(0, 0.01).height
    add_block(ledger)

    assert 1 == ledger.wait_above(0, 10.0).height
    ledger.close()


def test_a_row_can_be_proved_at_recent_heights(chain: Chain, tmp_path: Path) -> None:
    """The value a height had, not the newest one."""
    ledger = chain.open(tmp_path)
    table = next(one for one in chain.machine.tables if one.name == "audit.term")
    add_block(ledger)
    add_block(ledger, chain.sign(0, VIEW, nonce=0))
    key = table.key(1, 1)

    assert ledger.prove(key, 1)[0] is None
    assert ledger.prove(key, 2)[0] is not None
    ledger.close()


def test_the_record_is_made_again_alike(chain: Chain, tmp_path: Path) -> None:
    """Journals of one network are equal: a record depends on block and outcome alone."""
    ledger = chain.open(tmp_path)
    executed = execute(ledger, chain.sign(0, VIEW, nonce=0), b"garbage")
    ledger.commit(executed)

    made = record_of(executed.block, executed.outcome, executed.sealed)

    assert codec.encode(made) == ledger.record_bytes(1)
    ledger.close()
