"""Handing in, looking up and proving transactions through the web door."""

import time
from typing import Any

import pytest

from salus.base import proof_file, tlog_proof
from salus.base.limits import TRANSACTION_BYTES_MAX
from salus.base.policy import default_policy
from salus.client.trust import Trust
from salus.client.verify import verify
from salus.doors.problems import MEDIA_TYPE, TYPE_PREFIX
from salus.modules.audit.messages import DefineTerm, RecordLine
from tests.unit.doors.world import World

UNKNOWN_ID = "00" * 32


def term(number: int, text: str = "VIEW") -> DefineTerm:
    """A message that is done once, and refused with 9002 the second time."""
    return DefineTerm(kind=1, number=number, text=text)


def test_a_transaction_is_durable_when_answered(world: World) -> None:
    """Height and log index tell where it stands; every member's door then shows it."""
    ended = world.submit(world.envelope(term(1))).json()

    assert ("committed", 0) == (ended["status"], ended["code"])
    shown = world.client.get(f"/v1/transactions/{ended['id']}").json()
    assert ended.items() <= shown.items()
    assert [{"do": "audit.define_term", "kind": 1, "number": 1, "text": "VIEW"}] == shown[
        "messages"
    ]
    assert world.key.key_id.hex() == shown["signer"]
    assert "audit.term_defined" == shown["events"][0]["event"]


def test_the_index_is_the_entry_s_place_in_the_log(world: World) -> None:
    """A proof of the transaction names the same place."""
    ended = world.submit(world.envelope(term(2))).json()
    proof = world.client.get(f"/v1/transactions/{ended['id']}/proof").content

    tlog = tlog_proof.parse(proof_file.tlog_text(proof))
    assert ended["index"] == tlog.index


def test_the_same_bytes_are_done_once(world: World) -> None:
    """A caller that lost the answer sends again, and gets the first one's end."""
    envelope = world.envelope(term(3))

    assert world.submit(envelope).json() == world.submit(envelope).json()


def test_a_refused_transaction_is_told_by_number_and_name(world: World) -> None:
    """The block decided it, so the answer is 200 and the code says no."""
    world.submit(world.envelope(term(4)))
    answer = world.submit(world.envelope(term(4)))

    assert (200, 9002, "TermExists") == (
        answer.status_code,
        answer.json()["code"],
        answer.json()["name"],
    )


def test_a_spent_nonce_is_a_conflict(world: World) -> None:
    """Admission refuses it; nothing enters the log."""
    world.submit(world.envelope(term(5)))
    answer = world.submit(world.envelope(term(6), nonce=0))

    _hold_document(answer.json(), "NonceUsed", 409, 14)


def test_admitted_answers_at_once(world: World) -> None:
    """202 promises nothing but an id to ask for; the block comes soon."""
    answer = world.submit(world.envelope(term(7)), "admitted")

    assert (202, "admitted") == (answer.status_code, answer.json()["status"])
    deadline = time.monotonic() + 5
    path = f"/v1/transactions/{answer.json()['id']}"
    while world.client.get(path).json().get("status") != "committed":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_proved_answers_when_a_note_covers_it(world: World) -> None:
    """The checkpoint is then at least as large as the transaction's place."""
    ended = world.submit(world.envelope(term(8)), "proved").json()

    size = world.client.get("/v1/status").json()["note_size"]
    assert size > ended["index"]


def test_another_member_s_door_hands_in_too(world: World) -> None:
    """It forwards to the ordering member, and answers once its own copy has the block."""
    answer = world.client.post("/south/v1/transactions", content=world.envelope(term(9)))

    shown = world.client.get(f"/south/v1/transactions/{answer.json()['id']}")
    assert (200, "committed") == (answer.status_code, shown.json()["status"])


def test_a_handler_s_refusal_of_time_is_told(world: World) -> None:
    """A line from the future is refused by its own number."""
    world.submit(world.envelope(term(10), DefineTerm(kind=2, number=10, text="VAR")))
    ahead_ms = time.time_ns() // 1_000_000 + 3_600_000
    line = RecordLine(activity=10, node=1, ref=7, resource=10, time_ms=ahead_ms, user=5)

    assert 9005 == world.submit(world.envelope(line)).json()["code"]


REFUSED = {
    "nothing": (b"", 400, "EnvelopeMalformed", 2),
    "no msgpack": (b"\xc1", 400, "EnvelopeMalformed", 2),
    "over the size": (bytes(TRANSACTION_BYTES_MAX + 1), 413, "BodyTooLarge", "BodyTooLarge"),
}


@pytest.mark.parametrize(("body", "status", "name", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_bad_envelopes_get_a_problem_document(
    world: World, body: bytes, status: int, name: str, code: object
) -> None:
    """RFC 9457, with the machine's number where the machine refuses."""
    answer = world.submit(body)

    assert MEDIA_TYPE == answer.headers["content-type"]
    _hold_document(answer.json(), name, status, code)


def test_a_signature_of_another_network_is_refused(world: World) -> None:
    """The bytes to sign hold the network's id."""
    envelope = bytearray(world.envelope(term(11)))
    envelope[-1] ^= 1

    _hold_document(world.submit(bytes(envelope)).json(), "SignatureInvalid", 401, 8)


OTHERS = {
    "an unknown way to wait": ("POST", "/v1/transactions?wait=forever", 400, "ParameterMalformed"),
    "reading where only handing in is": ("GET", "/v1/transactions", 422, "MethodNotAllowed"),
    "an id of another width": ("GET", "/v1/transactions/00", 400, "ParameterMalformed"),
    "an id in no block": ("GET", f"/v1/transactions/{UNKNOWN_ID}", 404, "TransactionUnknown"),
    "a proof of none": ("GET", f"/v1/transactions/{UNKNOWN_ID}/proof", 404, "TransactionUnknown"),
    "an unknown form": ("GET", f"/v1/transactions/{UNKNOWN_ID}/proof?format=x", 400, None),
}


@pytest.mark.parametrize(("method", "path", "status", "name"), OTHERS.values(), ids=OTHERS.keys())
def test_slips_of_callers_are_told(
    world: World, method: str, path: str, status: int, name: str | None
) -> None:
    """None of them is a 500."""
    answer = world.client.request(method, path)

    assert status == answer.status_code
    assert name in (None, answer.json()["code"])


SPELLINGS = [
    "/v1/transactions/",
    "//v1//transactions",
    "/north/v1/transactions",
    "/north/v1/transactions/",
]


@pytest.mark.parametrize("path", SPELLINGS)
def test_the_busiest_path_is_spelled_as_any_other(world: World, path: str) -> None:
    """It stands in front of the framework's router, and takes what that would take."""
    answer = world.client.post(f"http://testserver.local{path}", content=b"\xc1")

    _hold_document(answer.json(), "EnvelopeMalformed", 400, 2)


HEADS = {
    "a host of impossible letters": ({"host": "a b"}, 400, "RequestMalformed"),
    "a head over its bound": ({"x-long": "x" * 20_000}, 431, "HeadTooLarge"),
}


@pytest.mark.parametrize(("headers", "status", "code"), HEADS.values(), ids=HEADS.keys())
def test_heads_are_bounded_in_front_as_behind(
    world: World, headers: dict[str, str], status: int, code: str
) -> None:
    """The same document, byte for byte, from the path in front and from one of the framework's."""
    front = world.client.post("/v1/transactions", content=b"", headers=headers)
    behind = world.client.get("/v1/status", headers=headers)

    assert (status, code) == (front.status_code, front.json()["code"])
    assert (behind.status_code, behind.content) == (front.status_code, front.content)
    assert sorted(behind.headers.items()) == sorted(front.headers.items())


def test_proofs_hold_offline_for_any_claim(world: World) -> None:
    """Transaction, message, event, row and absence, from two members' doors, trusting neither."""
    tx_id = world.submit(world.envelope(term(12), term(13))).json()["id"]
    trust = _trust(world)
    author = world.key.key_id.hex()

    for path in (
        f"/v1/transactions/{tx_id}/proof",
        f"/south/v1/transactions/{tx_id}/proof?message=1",
        f"/lab/v1/transactions/{tx_id}/proof?event=0",
        "/v1/state/audit.term/01000c?proof=1",
        f"/v1/state/audit.author/{author[::-1]}?proof=1",
    ):
        verified = verify(world.client.get(path).content, trust)
        assert verified.height <= world.north.node.ledger.tip.height


def test_batches_answer_one_by_one(world: World) -> None:
    """Each envelope has its own end, a malformed one its problem document."""
    envelopes = [world.envelope(term(20)), b"\xc1", world.envelope(term(21))]
    body = b"".join(len(one).to_bytes(4, "big") + one for one in envelopes)

    results = world.client.post("/v1/transactions/batch", content=body).json()["results"]

    assert [0, 2, 0] == [one["code"] for one in results]


@pytest.mark.parametrize("body", [b"\x00", b"\x00\x00\x00\x05abc"])
def test_a_cut_batch_is_malformed(world: World, body: bytes) -> None:
    """Nothing of it is handed in."""
    answer = world.client.post("/v1/transactions/batch", content=body)

    _hold_document(answer.json(), "BatchMalformed", 400, "BatchMalformed")


def _hold_document(document: dict[str, Any], name: str, status: int, code: object) -> None:
    assert (TYPE_PREFIX + name, name, status, code) == (
        document["type"],
        document["title"],
        document["status"],
        document["code"],
    )


def _trust(world: World) -> Trust:
    logs = {
        bytes.fromhex(one["id"]): bytes.fromhex(one["keys"]["5"][0])
        for one in world.client.get("/v1/members").json()["members"]
    }
    return Trust.of(world.network_id, default_policy(world.network_id, logs))
