"""What everybody may read: status, members, keys, blocks, rows, derived queries, OpenAPI, log."""

from typing import Any

import pytest

from salus.base import merkle
from salus.base.errors import Problem
from salus.base.note_text import decode64
from salus.chain import MODULES
from salus.doors.http.queries import query_parameters
from salus.doors.http.tlog import parse_place
from salus.modules.audit.messages import DefineTerm
from tests.unit.doors.world import World

QUERIES = [(module.name, query) for module in MODULES for query in module.queries]
NAMES = [f"{module}.{query.__name__}" for module, query in QUERIES]


def test_all_members_are_at_one_app_hash(world: World) -> None:
    """Every member's status is its own copy's."""
    world.submit(world.envelope(DefineTerm(kind=1, number=100, text="ONE")))
    north = world.client.get("/v1/status").json()
    insurer = world.client.get("/insurer/v1/status").json()

    assert north["network"] == insurer["network"]
    assert (True, False) == (north["orders"], insurer["orders"])


def test_members_show_names_and_live_keys(world: World) -> None:
    """Uses 1, 2, 4 and 5 of the demo's members."""
    members = world.client.get("/v1/members").json()["members"]

    assert ["North Hospital", "South Hospital", "Harbour Laboratory", "Coast Insurance"] == [
        one["name"] for one in members
    ]
    assert {"1", "2", "4", "5"} == set(members[0]["keys"])


def test_a_key_s_window_gives_the_next_nonce(world: World) -> None:
    """An unknown key has an untouched window."""
    path = f"/v1/keys/{world.key.key_id.hex()}"
    before = world.client.get(path).json()["next_nonce"]
    world.submit(world.envelope(DefineTerm(kind=1, number=101, text="TWO")))

    assert before < world.client.get(path).json()["next_nonce"]
    assert 0 == world.client.get(f"/v1/keys/{'00' * 16}").json()["next_nonce"]


def test_a_block_names_its_transactions(world: World) -> None:
    """By the ids their senders know."""
    ended = world.submit(world.envelope(DefineTerm(kind=1, number=102, text="X"))).json()

    block = world.client.get(f"/v1/blocks/{ended['height']}").json()
    assert {"id": ended["id"], "code": 0} in block["transactions"]
    assert 404 == world.client.get("/v1/blocks/999999").status_code


def test_rows_are_read_by_table_and_key(world: World) -> None:
    """A row that is not there is null, a key of a wrong width a slip."""
    world.submit(world.envelope(DefineTerm(kind=1, number=103, text="READ")))

    def row(path: str) -> Any:
        return world.client.get(f"/v1/state/{path}").json()

    assert {"text": "READ"} == row("audit.term/010067")["row"]
    assert row("audit.term/010ff7")["row"] is None
    assert "KeyMalformed" == row("audit.term/01")["code"]
    assert "TableUnknown" == row("audit.nothing/01")["code"]
    assert 4 == len(row("members.roster")["row"]["active"])


@pytest.mark.parametrize(("module", "query"), QUERIES, ids=NAMES)
def test_every_declared_query_is_a_described_route(world: World, module: str, query: Any) -> None:
    """It answers with keys of right widths, and tells wrong ones: never a 500."""
    path = f"/v1/{module}/{query.__name__}"
    described = world.client.get("/schema/openapi.json").json()["paths"][path]["get"]
    wanted = [(name, default) for name, _, default in query_parameters(query)]

    assert [name for name, _ in wanted] == [one["name"] for one in described.get("parameters", [])]
    assert described["description"]
    answer = world.client.get(path, params={name: "00" for name, _ in wanted})
    assert answer.status_code in (200, 400, 404, 422)


def test_a_query_sees_what_modules_see(world: World) -> None:
    """Bytes in hex, structs by field name."""
    north = world.north.id.hex()

    member = world.client.get(f"/v1/members/member?member_id={north}").json()["value"]
    assert ("North Hospital", "active") == (member["name"], member["status"])
    assert world.client.get(f"/v1/members/active?member={north}").json()["value"] is True


def test_the_door_describes_its_byte_routes(world: World) -> None:
    """Those the framework does not know are described by hand."""
    paths = world.client.get("/schema/openapi.json").json()["paths"]

    assert {"/v1/transactions", "/north/gateway/v1/grants"} <= set(paths)
    assert [{"operator": []}] == paths["/north/gateway/v1/patients"]["get"]["security"]


@pytest.mark.parametrize(
    "path", ["/", "/v1/status", "/nothing", "/v1/transactions", "/log/checkpoint", "/metrics"]
)
def test_every_answer_has_the_safe_headers(world: World, path: str) -> None:
    """Also those of the byte routes, and of what is refused (S8)."""
    headers = world.client.get(path).headers

    assert "nosniff" == headers["x-content-type-options"]
    assert headers["content-security-policy"].startswith("default-src 'none'")


HEADS: dict[str, tuple[str, dict[str, str]]] = {
    "headers over 16 KiB": ("/v1/status", {"x": "a" * 16 * 1024}),
    "a query over 8 KiB": (f"/v1/status?x={'a' * 8 * 1024}", {}),
    "at the busiest route too": ("/v1/transactions", {"x": "a" * 16 * 1024}),
}


@pytest.mark.parametrize(("path", "headers"), HEADS.values(), ids=HEADS.keys())
def test_a_head_over_the_bounds_is_refused(
    world: World, path: str, headers: dict[str, str]
) -> None:
    """Before any route sees it (`security.md` §8)."""
    answer = world.client.get(path, headers=headers)

    assert (431, "HeadTooLarge") == (answer.status_code, answer.json()["code"])


def test_health_and_metrics_name_every_member(world: World) -> None:
    """Prometheus' text format, one label a member."""
    ready = world.client.get("/health/ready").json()
    text = world.client.get("/metrics").text

    assert ready["ready"] is True
    assert {"live": True} == world.client.get("/health/live").json()
    for name in ready["members"]:
        assert f'salus_height{{member="{name}"}}' in text
    assert 'salus_transactions_total{code="0",member="north"}' in text


def test_entry_bundles_hash_to_tiles_and_tiles_to_the_checkpoint(world: World) -> None:
    """What another's tool does with the C2SP routes: read all, hash all, compare the root."""
    for number in range(110, 114):
        world.submit(world.envelope(DefineTerm(kind=1, number=number, text="T")))
    size_text, root_text = world.client.get("/log/checkpoint").text.split("\n")[1:3]
    size = int(size_text)

    width = f".p/{size}" if size < 256 else ""
    bundle = world.client.get(f"/log/tile/entries/000{width}").content
    tile = world.client.get(f"/log/tile/0/000{width}").content
    hashes = [merkle.leaf_hash(entry) for entry in _entries(bundle)]

    assert tile == b"".join(hashes)
    assert merkle.root_of_hashes(hashes) == decode64(root_text)


def test_neighbouring_parts_of_the_log_fit(world: World) -> None:
    """A bundle is found by its place, wherever blocks begin."""
    size = world.north.node.ledger.tip.log_size
    whole = world.client.get(f"/log/tile/entries/000.p/{size}").content

    for width in range(1, size):
        part = world.client.get(f"/log/tile/entries/000.p/{width}").content
        assert whole.startswith(part)


@pytest.mark.parametrize("path", ["0/001", "0/000.p/255", "9/000", "entries/001", "x/000", "0/x/1"])
def test_tiles_beyond_the_log_are_not_there(world: World, path: str) -> None:
    """404, whether not yet or never."""
    assert 404 == world.client.get(f"/log/tile/{path}").status_code


PLACES = {
    "000": (0, 256),
    "067": (67, 256),
    "067.p/1": (67, 1),
    "x001/x234/067": (1_234_067, 256),
    "x001/x234/067.p/255": (1_234_067, 255),
}


@pytest.mark.parametrize(("text", "place"), PLACES.items())
def test_tile_paths_are_read(text: str, place: tuple[int, int]) -> None:
    """C2SP tlog-tiles: groups of three digits, all but the last led by x."""
    assert place == parse_place(text)


@pytest.mark.parametrize(
    "text", ["", "0", "0000", "x001", "001/002", "x000/001", "000.p/0", "000.p/256", "000.p/01x"]
)
def test_other_tile_paths_are_refused(text: str) -> None:
    """One path a tile, lest caches hold it twice."""
    with pytest.raises(Problem, match="TileUnknown"):
        parse_place(text)


def _entries(bundle: bytes) -> list[bytes]:
    entries = []
    while bundle:
        end = 2 + int.from_bytes(bundle[:2], "big")
        entries.append(bundle[2:end])
        bundle = bundle[end:]
    return entries
