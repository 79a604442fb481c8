"""What a vault's operator is told: by the web door, and by the metrics."""

from tests.unit.doors.world import World, sample_bundle


def test_an_empty_receipt_is_told_until_it_is_good_again(world: World) -> None:
    """The holder by id and name, the batch, since when; in the metrics by the holder's id."""
    world.operate("POST", "/import/fhir", files=[("documents", sample_bundle())])
    lab = world.network["lab"]
    before = world.operate("POST", "/vault/probe").json()
    holdings = lab.node.vault._holdings
    batch = holdings.index.held()[0].batch
    data = holdings.objects.get(batch.hex())
    assert data is not None
    holdings.objects.delete(batch.hex())
    found = world.operate("POST", "/vault/probe").json()
    metrics = world.client.get("/metrics").text
    holdings.objects.put(batch.hex(), data)
    after = world.operate("POST", "/vault/probe").json()

    assert ([], []) == (before["lacking"], before["unproven"])
    assert before["held"] == before["committed"] > 0
    (one,) = found["unproven"]
    assert (lab.id.hex(), batch.hex()) == (one["member"], one["batch"])
    assert "Harbour Laboratory" == one["member_name"]
    holder = f'holder="{lab.id.hex()}",member="north"'
    assert f"salus_vault_empty_receipts{{{holder}}} 1.0" in metrics
    assert [] == after["unproven"] == world.operate("GET", "/vault").json()["unproven"]


def test_the_vault_is_the_operator_s(world: World) -> None:
    """Without the member's token neither route says a word."""
    assert 401 == world.client.get("/north/gateway/v1/vault").status_code
    assert 401 == world.client.post("/north/gateway/v1/vault/probe").status_code
