"""Shares lie sealed on the disk, bound to their place, under keys of the month."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from salus.base.errors import Fault
from salus.base.hashing import u16
from salus.client.seal import Sealed
from salus.node.witness.month_keys import month_of
from salus.node.witness.shares import ShareStore
from salus.sealed import container as containers
from salus.sealed.container import Container
from salus.sealed.days import day_slot
from salus.sealed.release import Want
from tests.support.network import DAY, Network, make_network
from tests.support.parts import Patient

SECRET = b"\x09" * 32
X = 1


class Stored:
    """A container and a store of seat 1 that keeps its shares."""

    def __init__(self, network: Network, folder: Path) -> None:
        """Seal one batch and keep its shares."""
        self.network = network
        self.folder = folder
        self.patient: Patient = network.patient()
        self.sealed: Sealed = network.seal(self.patient, [DAY, DAY - 1])
        self.container: Container = containers.parse(self.sealed.container)
        self.store = self.open()
        self.shares = self.store.open_shares(self.container, X)
        self.store.keep(self.container, X, self.shares)

    def open(self, secret: bytes = SECRET) -> ShareStore:
        """Open the store."""
        key = self.network.members[0].sealing
        return ShareStore(self.folder, secret, [key], self.network.clock)

    def wants(self) -> list[Want]:
        """All groups."""
        return [Want(batch=self.sealed.batch, group=number) for number in range(4)]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """One network for all tests of this file."""
    made = make_network(tmp_path_factory.mktemp("network"))
    yield made
    made.close()


@pytest.fixture
def stored(network: Network, tmp_path: Path) -> Iterator[Stored]:
    """A store with shares, closed at the end."""
    made = Stored(network, tmp_path)
    yield made
    made.store.close()


def test_shares_come_back_with_what_decides(stored: Stored) -> None:
    """Each group's share, tag, slot and seat survive a restart."""
    stored.store.close()
    stored.store = stored.open()
    found = stored.store.find([*stored.wants(), Want(batch=bytes(16), group=0)])

    assert found[4] is None
    assert [
        (X, group.tag, day_slot(group.index), stored.shares[number])
        for number, group in enumerate(stored.container.groups)
        if group is not None
    ] == [(one.x, one.tag, one.slot, one.share) for one in found if one is not None]


def test_no_share_lies_open_on_the_disk(stored: Stored) -> None:
    """No file of the store holds a share, a tag or the secret in clear."""
    stored.store.close()
    data = b"".join(path.read_bytes() for path in stored.folder.rglob("*") if path.is_file())
    stored.store = stored.open()

    assert len(data) > 400
    for word in (*stored.shares.values(), stored.patient.tag(3), SECRET):
        assert word not in data


def test_another_secret_opens_nothing(stored: Stored) -> None:
    """With another member's storage secret the store's keys stay shut."""
    stored.store.close()
    stored.store = stored.open(bytes(32))
    with pytest.raises(Fault, match="storage key"):
        stored.store.find(stored.wants())


def test_swapped_rows_do_not_open(stored: Stored) -> None:
    """A row moved to another group's place is damage, not that group's share."""
    database = stored.store._db
    first, second = (b"s" + stored.sealed.batch + u16(number) for number in (0, 1))
    database.put(first, database.get(second))
    with pytest.raises(Fault, match="does not open"):
        stored.store.find(stored.wants())


def test_each_month_has_its_key(stored: Stored) -> None:
    """Values of one month stay readable in the next, until that month's key is dropped."""
    clock = stored.network.clock
    old_month = month_of(clock.now_ms())
    clock.time_ms += 31 * 24 * 3_600_000
    sealed = stored.network.seal(stored.patient, [DAY])
    container = containers.parse(sealed.container)
    stored.store.keep(container, X, stored.store.open_shares(container, X))
    assert None not in stored.store.find(stored.wants())

    stored.store._db.delete(b"m" + u16(old_month))
    stored.store.close()
    stored.store = stored.open()
    assert None not in stored.store.find([Want(batch=sealed.batch, group=0)])
    with pytest.raises(Fault, match="storage key is missing"):
        stored.store.find(stored.wants())


def test_drop_takes_all_of_one_batch(stored: Stored) -> None:
    """After a drop the batch is unknown; another one stays."""
    sealed = stored.network.seal(stored.patient, [DAY])
    container = containers.parse(sealed.container)
    stored.store.keep(container, X, stored.store.open_shares(container, X))
    stored.store.drop(sealed.batch)

    assert stored.store.batch(sealed.batch) is None
    assert [None] == stored.store.find([Want(batch=sealed.batch, group=0)])
    assert None not in stored.store.find(stored.wants())


def test_older_sealing_key_still_opens(stored: Stored) -> None:
    """A container sealed before a key change opens by the older of two live keys."""
    newer = type(stored.network.members[0].sealing).random()
    keys = [newer, stored.network.members[0].sealing]
    store = ShareStore(stored.folder / "other", SECRET, keys, stored.network.clock)

    assert stored.shares == store.open_shares(stored.container, X)
    store.close()


def test_store_does_not_read_the_databases_notes_of_its_settings(stored: Stored) -> None:
    """A flipped bit in RocksDB's OPTIONS file would end the process: nobody reads the file."""
    stored.store.close()
    [options] = (stored.folder / "shares").glob("OPTIONS-*")
    harmed = options.read_bytes().replace(b"[TableOptions/B", b"[TableOptions/C", 1)
    options.write_bytes(harmed)
    stored.store = stored.open()

    assert None not in stored.store.find(stored.wants())
    assert b"[TableOptions/C" in harmed
    assert not options.exists()
