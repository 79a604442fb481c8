"""A vault keeps what it gives a receipt for, through restarts, as long as it should."""

from typing import TYPE_CHECKING

import pytest

from salus.base.errors import Problem
from salus.base.sealing import padme_bytes
from salus.sealed.receipts import check_receipt
from tests.support.network import DAY, HOUR_MS

if TYPE_CHECKING:
    from tests.unit.node.vault.conftest import Held


def test_receipt_says_what_was_kept(held: "Held") -> None:
    """A receipt names author, root, padded size, the state it was checked on and both roles."""
    network = held.network
    sealed = network.seal(held.patient, [DAY])
    signed = network.node(1).vault.put(network.members[0].id, sealed.container)
    receipt = check_receipt(
        network.members[1].service.public, network.ledger.network, signed.data, signed.signature
    )

    assert (network.members[0].id, sealed.batch, sealed.root) == (
        receipt.author,
        receipt.batch,
        receipt.root,
    )
    assert (padme_bytes(len(sealed.container)), network.ledger.tip.time_ms, 3) == (
        receipt.bytes,
        receipt.checked,
        receipt.roles,
    )


def test_member_without_seat_gives_role_one(held: "Held", monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that holds no seat stores, and says no more."""
    network = held.network
    holdings = network.node(1).vault._holdings
    monkeypatch.setattr(holdings, "seat_in", lambda _view, _container: None)
    sealed = network.seal(held.patient, [DAY])
    signed = network.node(1).vault.put(network.members[0].id, sealed.container)
    receipt = check_receipt(
        network.members[1].service.public, network.ledger.network, signed.data, signed.signature
    )

    assert 1 == receipt.roles
    assert holdings.shares.batch(sealed.batch) is None


def test_get_gives_the_exact_container(held: "Held") -> None:
    """What was put comes back byte for byte, also after a restart."""
    assert held.sealed.container == held.network.node(3).vault.get(held.sealed.batch)
    assert held.sealed.container == held.network.reopen(3).vault.get(held.sealed.batch)


def test_put_again_writes_nothing_and_gives_a_receipt(
    held: "Held", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same container again costs no write: the stored bytes are compared and left."""
    network = held.network
    sealed = network.seal(held.patient, [DAY])
    vault = network.node(1).vault
    first = vault.put(network.members[0].id, sealed.container)
    monkeypatch.setattr(vault._holdings.objects, "put", None)
    network.wait(1_000)

    assert first != vault.put(network.members[0].id, sealed.container)


def test_index_is_rebuilt_from_containers(held: "Held") -> None:
    """A lost index, or a file that is no index, is made anew from the containers."""
    network = held.network
    before = {row.batch for row in network.node(1).vault._index.held()}
    network.nodes.pop(1).close()
    index = held.network.folder / "member-1" / "vault" / "index.sqlite"
    index.write_bytes(b"no database at all, but long enough to be looked at" * 40)
    for rest in index.parent.glob("index.sqlite-*"):
        rest.unlink()
    vault = network.node(1).vault
    vault._holdings.follow()

    assert before == {row.batch for row in vault._index.held()}
    assert [] == list(vault.verify_all())


def test_interrupted_put_leaves_no_trace(held: "Held") -> None:
    """A temporary file that an end left behind is gone after the next start."""
    network = held.network
    folder = held.network.folder / "member-1" / "vault" / "batches"
    network.node(1)
    (folder / f"{'00' * 16}.abcd.new").write_bytes(b"half")
    network.reopen(1)

    assert {".salus"} == {one.suffix for one in folder.iterdir()}


def test_waiting_container_goes_after_a_day(held: "Held") -> None:
    """What was never committed is dropped after 24 h, its shares too; the committed one stays."""
    network = held.network
    node = network.node(1)
    sealed = network.seal(held.patient, [DAY])
    node.vault.put(network.members[0].id, sealed.container)
    network.wait(25 * HOUR_MS)
    node.vault.tidy()

    assert node.shares.batch(sealed.batch) is None
    assert node.vault._holdings.objects.get(sealed.batch.hex()) is None
    assert held.sealed.container == node.vault.get(held.sealed.batch)
    assert [] == list(node.vault.verify_all())


def test_full_disk_is_v14_and_leaves_nothing(held: "Held", monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room refuses by V14; the half-written file goes."""
    network = held.network
    vault = network.node(1).vault
    disk = vault._holdings.objects._disk  # type: ignore[attr-defined]  # a folder's
    monkeypatch.setattr(disk, "pwrite_if_room", lambda *_: False)
    with pytest.raises(Problem) as caught:
        vault.put(network.members[0].id, network.seal(held.patient, [DAY]).container)

    assert ("VaultFull", "V14") == (caught.value.name, caught.value.facts["code"])
    folder = network.folder / "member-1" / "vault" / "batches"
    assert {".salus"} == {one.suffix for one in folder.iterdir()}
