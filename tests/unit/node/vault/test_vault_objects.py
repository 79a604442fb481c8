"""Every object store keeps the same promises: a folder, a local bucket, a bucket in memory."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from obstore.store import LocalStore, MemoryStore

from salus.base.errors import Problem
from salus.node.vault.objects import BucketObjects, FolderObjects, ObjectStore

if TYPE_CHECKING:
    from tests.unit.node.vault.conftest import Held

NAME = "00" * 16


@pytest.fixture(params=["folder", "local", "memory", "url"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """One of each kind."""
    if request.param == "folder":
        return FolderObjects(tmp_path)
    if request.param == "local":
        return BucketObjects(LocalStore(tmp_path))
    if request.param == "memory":
        return BucketObjects(MemoryStore())
    return BucketObjects.at("memory:///")


def test_put_get_delete(objects: ObjectStore) -> None:
    """What is put is got, over what was there, until it is deleted; a second delete is nothing."""
    objects.put(NAME, b"first")
    objects.put(NAME, b"second")

    assert b"second" == objects.get(NAME)
    assert [NAME] == list(objects.names())
    objects.delete(NAME)
    objects.delete(NAME)
    assert (None, []) == (objects.get(NAME), list(objects.names()))


def test_bucket_that_gives_other_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not give back what was put gets no receipt signed over it."""
    bucket = BucketObjects(MemoryStore())
    monkeypatch.setattr(bucket, "get", lambda _name: b"other")
    with pytest.raises(Problem, match="VaultUnavailable"):
        bucket.put(NAME, b"bytes")


def test_vault_works_on_a_bucket(held: "Held", tmp_path: Path) -> None:
    """A whole vault over `obstore`: store, commit, serve, verify."""
    (tmp_path / "bucket").mkdir()
    objects = BucketObjects(LocalStore(tmp_path / "bucket"))
    held.network.reopen(1, objects=objects)
    sealed = held.network.seal(held.patient)
    held.network.store(sealed, 0, 1, 2, 3)
    vault = held.network.node(1).vault

    assert sealed.container == vault.get(sealed.batch)
    assert [held.sealed.batch] == [one.batch for one in vault.verify_all()]
