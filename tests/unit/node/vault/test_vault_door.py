"""Every route answers its own struct, and anything else by one named no."""

from typing import TYPE_CHECKING

import pytest

from salus.base import codec
from salus.base.errors import Problem
from salus.node.vault import messages as m
from salus.node.witness.messages import RELEASE, ReleaseReply
from salus.sealed.release import Want
from tests.support.reader import start

if TYPE_CHECKING:
    from tests.unit.node.vault.conftest import Held

VAULT_ROUTES = [
    m.PUT,
    m.GET,
    m.GROUPS,
    m.HOLDS,
    m.SHEET_PUT,
    m.SHEET_GET,
    m.PACKAGE_PUT,
    m.PACKAGE_GET,
    m.PACKAGE_LIST,
    "releases",
]


@pytest.mark.parametrize("route", VAULT_ROUTES)
def test_malformed_body_has_one_answer(held: "Held", route: str) -> None:
    """Bytes that are no struct of the route are refused before anything is looked at."""
    with pytest.raises(Problem, match="BodyMalformed"):
        held.network.peer(0, 1).call(route, b"\xc1")


def test_malformed_release_is_w1(held: "Held") -> None:
    """At the release route it is a refusal like all others."""
    answer = held.network.peer(0, 1).call(RELEASE, b"\xc1")
    refusal = codec.decode(answer, ReleaseReply).refusal

    assert refusal is not None
    assert "W1" == refusal.code


def test_whole_way_over_signed_calls(held: "Held") -> None:
    """Put, get, sheet, package and release, each over a signed call of another member."""
    network = held.network
    peer = network.peer(0, 1)
    sealed = network.seal(held.patient)
    receipt = peer.call(m.PUT, codec.encode(m.PutAsked(container=sealed.container)))
    found = peer.call(m.GET, codec.encode(m.BatchAsked(batch=held.sealed.batch)))
    peer.call(m.SHEET_PUT, codec.encode(m.SheetPut(sheet=held.patient.sheets[3])))
    sheet = peer.call(m.SHEET_GET, codec.encode(m.SheetAsked(tag=held.patient.tag(3))))
    granted = network.grant(held.patient, 0)
    package = m.PackagePut(grant=granted.grant, sealed=b"sealed")
    peer.call(m.PACKAGE_PUT, codec.encode(package))
    packages = peer.call(m.PACKAGE_GET, codec.encode(m.PackagesOf(grant=granted.grant)))
    session = start(network, granted, 0, [Want(batch=held.sealed.batch, group=0)])
    released = peer.call(RELEASE, codec.encode(session.request))

    assert codec.decode(receipt, m.SignedReceipt)
    assert held.sealed.container == codec.decode(found, m.ContainerFound).container
    assert held.patient.sheets[3] == codec.decode(sheet, m.SheetFound).sheet
    assert 1 == len(codec.decode(packages, m.PackagesFound).packages)
    assert codec.decode(released, ReleaseReply).answer is not None
