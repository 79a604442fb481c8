"""
State sync on real sockets, by the call grammar: `*state-sync-attempt success-sync`.

An attempt is an offer and any number of chunks; the last one ends with the ledger.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from salus.base import codec
from salus.base.hashing import sha256
from salus.node import snapshots as snapshots_module
from salus.node.comet.abci_pb2 import (
    Request,
    RequestCheckTx,
    RequestFinalizeBlock,
    RequestOfferSnapshot,
    RequestQuery,
    ResponseApplySnapshotChunk,
    ResponseOfferSnapshot,
    Snapshot,
)
from salus.node.comet.joiner import NOT_YET
from salus.node.snapshots import read_meta
from tests.conformance.abci.chain import NetworkChain
from tests.conformance.abci.conftest import Hosts
from tests.conformance.abci.driver import AppFailed, AppHost, CometSide, Connection
from tests.conformance.abci.syncing import BLOCKS, NODE, Case
from tests.support.ledgers import term

Offer = ResponseOfferSnapshot
Apply = ResponseApplySnapshotChunk


@pytest.fixture
def case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chain: NetworkChain, comet: CometSide
) -> Iterator[Case]:
    """Chunks are small, so that there are several."""
    monkeypatch.setattr(snapshots_module, "CHUNK_BYTES", 1_000)
    made = Case(tmp_path, chain, comet)
    yield made
    made.close()


def changed(snapshot: Snapshot, **fields: object) -> Snapshot:
    """A copy with other fields."""
    found = Snapshot()
    found.CopyFrom(snapshot)
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def told(snapshot: Snapshot, **fields: object) -> Snapshot:
    """With other metadata, and all that is said of it fitting."""
    meta = msgspec.structs.replace(read_meta(snapshot.metadata), **fields)
    data = codec.encode(meta)
    return Snapshot(
        height=meta.height, format=1, chunks=len(meta.chunks), hash=sha256(data), metadata=data
    )


def test_a_running_member_gives_its_newest_two(case: Case) -> None:
    """Newest first, each described by its own metadata; what is not here is missing, no error."""
    assert case.heights == [one.height for one in case.offered]
    for one in case.offered:
        meta = read_meta(one.metadata)
        assert (1, len(meta.chunks), sha256(one.metadata)) == (one.format, one.chunks, one.hash)
    meta = read_meta(case.offered[0].metadata)
    assert len(case.chunks) > 3
    assert meta.chunks == [sha256(one) for one in case.chunks]
    assert b"" == case.load(len(case.chunks))
    assert b"" == case.load(0, height=BLOCKS + 1)
    assert b"" == case.load(0, kind=2)


def test_a_member_with_a_ledger_takes_none(case: Case) -> None:
    """CometBFT does not offer it any; if it did, it would be told to stop."""
    asked = RequestOfferSnapshot(snapshot=case.offered[0], app_hash=case.app_hash)
    assert Offer.ABORT == case.giver.ask(Request(offer_snapshot=asked)).offer_snapshot.result


REFUSED: dict[str, tuple[Callable[[Snapshot], Snapshot], int]] = {
    "another format": (lambda one: changed(one, format=2, metadata=b""), Offer.REJECT_FORMAT),
    "no metadata": (lambda one: changed(one, metadata=b""), Offer.REJECT),
    "metadata that is none": (lambda one: changed(one, metadata=b"\xc1"), Offer.REJECT),
    "another height": (lambda one: changed(one, height=BLOCKS + 1), Offer.REJECT),
    "another number of chunks": (lambda one: changed(one, chunks=one.chunks + 1), Offer.REJECT),
    "another hash": (lambda one: changed(one, hash=bytes(32)), Offer.REJECT),
    "another state": (lambda one: told(one, state=bytes(32)), Offer.REJECT),
    "another log": (
        lambda one: told(one, frontier=[bytes(32)] * len(read_meta(one.metadata).frontier)),
        Offer.REJECT,
    ),
    "a time nobody states": (
        lambda one: told(one, time_ms=read_meta(one.metadata).time_ms + 1),
        Offer.REJECT,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_offer_nobody_stands_behind_is_rejected(case: Case, name: str) -> None:
    """Format first, then its form, then the validators' app hash, then the members' word."""
    make, expected = REFUSED[name]

    assert expected == case.joining.offer(make(case.offered[0]), case.app_hash)
    assert Apply.ABORT == case.joining.apply(0, case.chunks[0]).result
    assert [Offer.ACCEPT] + [Apply.ACCEPT] * len(case.chunks) == case.take()


def test_an_app_hash_of_another_block_rejects_the_offer(case: Case) -> None:
    """What CometBFT's light client trusts decides, and the members who do not answer say no."""
    assert Offer.REJECT == case.joining.offer(case.offered[0], bytes(32))
    case.stating.silent = True
    assert Offer.REJECT == case.joining.offer(case.offered[0], case.app_hash)


def test_a_taken_snapshot_is_the_ledger_at_its_height(case: Case) -> None:
    """Info says so before CometBFT builds on it; the copy goes on with the others' blocks."""
    assert 0 == case.joining.info().last_block_height
    case.take()
    info = case.joining.info()
    assert (BLOCKS, case.app_hash) == (info.last_block_height, info.last_block_app_hash)

    ledger = case.restored()
    assert case.comet.host.ledger.tip == ledger.tip
    case.comet.decide([case.chain.sign(1, term(50))])
    block = case.comet.host.ledger.record(BLOCKS + 1).block
    ledger.commit(ledger.execute(block))
    assert case.comet.app_hashes[-1] == ledger.tip.app_hash
    ledger.close()


def test_a_wrong_chunk_is_asked_for_again_and_its_sender_named(case: Case) -> None:
    """Altered, another's place, too much or nothing: the sender is out, what was good stays."""
    case.joining.offer(case.offered[0], case.app_hash)
    assert Apply.ACCEPT == case.joining.apply(0, case.chunks[0]).result
    for wrong in (case.chunks[0], case.chunks[1] + b"\x00", case.chunks[1][:-1], b""):
        answer = case.joining.apply(1, wrong, sender="cd" * 20)
        assert Apply.RETRY == answer.result
        assert [1] == answer.refetch_chunks
        assert ["cd" * 20] == answer.reject_senders
    beyond = case.joining.apply(len(case.chunks), case.chunks[0])
    assert Apply.RETRY == beyond.result

    rest = [case.joining.apply(at, one).result for at, one in enumerate(case.chunks) if at]
    assert [Apply.ACCEPT] * (len(case.chunks) - 1) == rest
    assert BLOCKS == case.joining.info().last_block_height


def test_made_up_chunks_under_a_true_app_hash_are_found_at_the_end(case: Case) -> None:
    """No app hash covers the chunks' own: all who sent some are named, and a true one is taken."""
    garbage = [b"\x01a\x00\x00\x00\x01b", b"\x01c\x00\x00\x00\x01d"]
    made_up = told(case.offered[0], chunks=[sha256(one) for one in garbage])
    assert Offer.ACCEPT == case.joining.offer(made_up, case.app_hash)
    assert Apply.ACCEPT == case.joining.apply(0, garbage[0], sender="11" * 20).result
    answer = case.joining.apply(1, garbage[1], sender="22" * 20)
    assert Apply.REJECT_SNAPSHOT == answer.result
    assert ["11" * 20, "22" * 20] == answer.reject_senders
    assert 0 == case.joining.info().last_block_height

    assert [Offer.ACCEPT] + [Apply.ACCEPT] * len(case.chunks) == case.take()


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_a_crash_between_chunks_begins_anew(case: Case, kept: int) -> None:
    """Whatever was written: the next offer starts from the first chunk and ends sound."""
    case.joining.offer(case.offered[0], case.app_hash)
    for index in range(kept):
        case.joining.apply(index, case.chunks[index])
    case.joining.crash()
    case.joining.start()
    assert 0 == case.joining.info().last_block_height
    assert Apply.ABORT == case.joining.apply(kept, case.chunks[kept]).result

    case.take()
    with_ledger = case.restored()
    assert case.app_hash == with_ledger.tip.app_hash
    with_ledger.close()


def test_a_crash_after_the_last_chunk_begins_anew_too(case: Case) -> None:
    """CometBFT had not built on it, so it offers again: the first ledger is made over."""
    case.take()
    case.joining.crash()
    case.joining.start()
    assert 0 == case.joining.info().last_block_height

    case.take()
    assert BLOCKS == case.joining.info().last_block_height


@pytest.mark.parametrize("seed", range(4))
def test_any_lawful_order_of_attempts_ends_in_one_ledger(case: Case, seed: int) -> None:
    """Offers refused, given up half-way, of the older snapshot, chunks asked for again, crashes."""
    random = Random(seed)
    for _ in range(6):
        match random.randrange(4):
            case 0:
                make, expected = random.choice(list(REFUSED.values()))
                assert expected == case.joining.offer(make(case.offered[0]), case.app_hash)
            case 1:
                case.joining.offer(case.offered[0], case.app_hash)
                for index in range(random.randrange(len(case.chunks))):
                    if random.random() < 0.3:
                        assert Apply.RETRY == case.joining.apply(index, b"wrong").result
                    assert Apply.ACCEPT == case.joining.apply(index, case.chunks[index]).result
            case 2:
                older = case.offered[1]
                app = case.comet.app_hashes[older.height - 1]
                assert Offer.ACCEPT == case.joining.offer(older, app)
                chunks = [case.load(at, older.height) for at in range(older.chunks)]
                assert {Apply.ACCEPT} == set(case.joining.apply_all(chunks))
                assert older.height == case.joining.info().last_block_height
            case _:
                case.joining.crash()
                case.joining.start()
    case.take()
    ledger = case.restored()

    assert case.comet.host.ledger.tip == ledger.tip
    ledger.close()


def test_who_may_connect_is_who_was_named(case: Case) -> None:
    """Without a table of members: the settings' and the stating members' nodes, nobody else."""
    asked = {
        f"/p2p/filter/id/{NODE}": 0,
        f"/p2p/filter/id/{'cd' * 20}": 1,
        "/p2p/filter/addr/127.0.0.1:1": 0,
        "/store": 1,
    }
    for path, expected in asked.items():
        request = Request(query=RequestQuery(path=path))
        assert expected == case.joining.line.ask(request).query.code


def test_transactions_wait_for_a_ledger(case: Case) -> None:
    """CheckTx says "not yet", as a code of no module."""
    line = case.joining.line
    line.send(Request(check_tx=RequestCheckTx(tx=case.chain.sign(0, term(9)))))
    (answer,) = line.receive()

    assert NOT_YET == answer.check_tx.code


def test_the_first_block_is_held_until_the_node_starts(case: Case) -> None:
    """CometBFT stored it; it is told nothing before it is stopped, and brings it again later."""
    case.take()
    asker = threading.Thread(target=ask_block, args=(case.joining.line, BLOCKS + 1))
    asker.start()
    assert case.joining.joiner.arrived.wait(10)
    case.joining.joiner.release()
    asker.join(10)

    assert not asker.is_alive()
    assert [] == case.joining.faults


def test_a_block_before_a_snapshot_is_no_sync(case: Case) -> None:
    """The process would end: there is no state to execute it on."""
    with pytest.raises(AppFailed, match="Fault"):
        case.joining.line.ask(Request(finalize_block=RequestFinalizeBlock(height=1)))
    case.joining.crash()

    assert 1 == len(case.joining.faults)
    case.joining.start()


def ask_block(line: Connection, height: int) -> None:
    """As CometBFT does, which ends with the exception it is told."""
    with pytest.raises(AppFailed, match="NodeStarts"):
        line.ask(Request(finalize_block=RequestFinalizeBlock(height=height)))


def test_a_node_goes_on_where_the_snapshot_ended(
    case: Case, chain: NetworkChain, hosts: Hosts
) -> None:
    """Its App stands at the snapshot's height, and CometBFT hands over what came after it."""
    case.take()
    case.comet.decide([chain.sign(2, term(60))])
    case.comet.decide([])
    side = CometSide(chain, seed=2)
    side.blocks, side.app_hashes = list(case.comet.blocks), list(case.comet.app_hashes)
    side.codes, side.updates = list(case.comet.codes), list(case.comet.updates)
    moved = case.joining.ledger.parent / "joined"
    moved.mkdir()
    case.joining.ledger.rename(moved / "ledger")
    host: AppHost = hosts("joined")
    side.connect(host)
    side.handshake()

    assert case.comet.host.ledger.tip == host.ledger.tip
    assert BLOCKS == host.ledger.start.height
    side.disconnect()
