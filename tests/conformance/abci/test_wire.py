"""The socket as CometBFT uses it, and as it never should."""

import stat
from hashlib import sha256
from pathlib import Path

import pytest

from salus.base.errors import Problem
from salus.node.comet.abci_pb2 import (
    Request,
    RequestCheckTx,
    RequestEcho,
    RequestFlush,
    RequestInfo,
    RequestQuery,
)
from salus.node.comet.frames import FRAME_BYTES_MAX, frame_all, varint
from tests.conformance.abci.chain import NetworkChain
from tests.conformance.abci.conftest import Hosts
from tests.conformance.abci.driver import AppHost, CometSide, Connection
from tests.support.ledgers import term

FLUSH = Request(flush=RequestFlush())


def check(tx: bytes) -> Request:
    """A CheckTx request."""
    return Request(check_tx=RequestCheckTx(tx=tx))


def test_only_the_owner_may_open_the_socket(hosts: Hosts) -> None:
    """Mode 0600: whoever reaches it could commit blocks."""
    assert 0o600 == stat.S_IMODE(hosts("app").socket.stat().st_mode)


def test_frames_may_come_byte_by_byte(chain: NetworkChain, hosts: Hosts) -> None:
    """A whole session in one-byte pieces."""
    side = CometSide(chain)
    side.connect(hosts("app"), chunk_bytes=1)
    side.handshake()
    tx = chain.sign(0, term(1))

    assert [0] == [one.code for one in side.check(tx)]
    assert [0] == side.decide([tx])
    side.disconnect()


def test_a_thousand_checks_are_answered_without_a_flush(
    chain: NetworkChain, comet: CometSide
) -> None:
    """CometBFT pipelines CheckTx and flushes when it likes; answers keep the order."""
    txs = [chain.sign(n % 4, term(n + 1)) for n in range(1_000)]
    for at in (3, 500):
        txs[at] = txs[at][:-1]
    comet.mempool.send(*map(check, txs))
    codes = [one.check_tx.code for one in comet.mempool.receive(1_000)]

    refused = {at for at, code in enumerate(codes) if code == 2}
    quota = {at for at, code in enumerate(codes) if code == 32_002}

    assert {3, 500} == refused
    assert 200 * 4 == len(codes) - len(refused) - len(quota)


def test_every_answer_stands_in_its_requests_place(chain: NetworkChain, comet: CometSide) -> None:
    """FIFO, `Flush` and `Echo` included."""
    tx = chain.sign(0, term(1))
    comet.mempool.send(
        check(tx), FLUSH, Request(echo=RequestEcho(message="a")), check(b""), FLUSH, check(tx)
    )
    answers = comet.mempool.receive(6)
    kinds = [one.WhichOneof("value") for one in answers]

    assert ["check_tx", "flush", "echo", "check_tx", "flush", "check_tx"] == kinds
    assert (0, "a", 2, 0) == (
        answers[0].check_tx.code,
        answers[2].echo.message,
        answers[3].check_tx.code,
        answers[5].check_tx.code,
    )


def test_the_four_connections_do_not_wait_for_one_another(
    chain: NetworkChain, comet: CometSide
) -> None:
    """Half a frame on one of them leaves the others alone."""
    comet.snapshot.send_bytes(varint(100) + b"half")

    assert [0] == comet.decide([chain.sign(0, term(1))])
    assert 1 == comet.info().last_block_height


@pytest.mark.parametrize(
    ("sent", "told"),
    {
        "a request of another protocol": (frame_all([b"\xaa\x01\x00"]), "Fault"),
        "an empty request": (frame_all([b""]), "Fault"),
        "no protobuf": (frame_all([b"\xff\xff\xff"]), "Problem"),
        "over 64 MiB": (varint(FRAME_BYTES_MAX + 1), "Problem"),
        "a length without end": (b"\xff" * 5, "Problem"),
        "a commit before a decision": (frame_all([b"\x5a\x00"]), "Fault"),
    }.values(),
)
def test_what_is_no_request_ends_the_node(
    hosts: Hosts, chain: NetworkChain, sent: bytes, told: str
) -> None:
    """CometBFT hears an exception, then the process is to end; nothing is committed."""
    host = hosts("app")
    side = CometSide(chain)
    side.connect(host)
    side.handshake()
    side.consensus.send_bytes(sent)
    (answer,) = side.consensus.receive()

    side.disconnect()
    host.server.close()

    assert told == answer.exception.error
    assert [told] == [type(one).__name__ for one in host.faults]
    assert 0 == host.ledger.tip.height


def test_a_frame_of_the_largest_size_is_read(hosts: Hosts) -> None:
    """64 MiB and not a byte more."""
    connection = Connection(hosts("app").socket)
    message = "x" * (FRAME_BYTES_MAX - 20)
    connection.send(Request(echo=RequestEcho(message=message)))
    (answer,) = connection.receive()

    assert message == answer.echo.message
    connection.close()


def test_connections_come_and_go(hosts: Hosts) -> None:
    """A CometBFT that ends and starts again finds the App where it was."""
    host = hosts("app")
    for _ in range(3):
        connection = Connection(host.socket)
        assert 0 == connection.ask(Request(info=RequestInfo())).info.last_block_height
        connection.close()
    assert not host.faults


def test_a_socket_left_by_a_killed_process_is_replaced(chain: NetworkChain, tmp_path: Path) -> None:
    """Its file is still there, and nobody listens."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "abci.sock").write_text("left")
    host = AppHost(folder, chain)
    connection = Connection(host.socket)
    connection.close()
    host.close()


def test_a_path_too_long_for_a_socket_is_told(chain: NetworkChain, tmp_path: Path) -> None:
    """The operator reads a sentence, not an errno."""
    with pytest.raises(Problem, match="PathTooLong"):
        AppHost(tmp_path / ("x" * 110), chain)


@pytest.mark.parametrize(
    ("path", "code"),
    {
        "any address": ("/p2p/filter/addr/127.0.0.1:9", 0),
        "a stranger": (f"/p2p/filter/id/{'0' * 40}", 1),
        "not an id": ("/p2p/filter/id/0", 1),
        "anything else": ("/store", 1),
    }.values(),
)
def test_questions_about_peers(comet: CometSide, path: str, code: int) -> None:
    """Nothing else is answered here: doors have proofs."""
    answer = comet.query.ask(Request(query=RequestQuery(path=path))).query

    assert code == answer.code


def test_active_members_may_connect(chain: NetworkChain, comet: CometSide) -> None:
    """By the node key in the members' table."""
    for member in chain.members:
        name = sha256(member.node.public[1:]).digest()[:20].hex()
        path = f"/p2p/filter/id/{name}"

        assert 0 == comet.query.ask(Request(query=RequestQuery(path=path))).query.code
