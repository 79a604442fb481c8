"""Proofs by the votes of real validators: verified offline, across changes of the validators."""

import time
from collections.abc import Iterator
from hashlib import sha256

import pytest

from salus.base import codec, note, proof_file
from salus.base.comet.validators import Validator
from salus.base.note import Signer
from salus.base.proof_file import AbsentClaim, CometAnchor, EventClaim, MessageClaim, RowClaim
from salus.client.trust import Anchor, CometTrust, Trust
from salus.client.verify import Growth, Unverified, verify
from salus.machine.module import Action
from salus.modules.audit.state import TERM
from salus.modules.governance.messages import Propose, Vote
from salus.modules.members.actions import SetPower
from salus.node.checkpoints import Checkpoints
from salus.node.comet.anchors import CometAnchors
from salus.node.comet.app import chain_id
from salus.node.proofs import Proofs
from tests.conformance.abci.chain import POWER
from tests.conformance.abci.local_network import LocalNetwork
from tests.support.ledgers import term
from tests.support.live import LIVE

pytestmark = LIVE

HOUR_MS = 3_600_000


class World:
    """A network, what a reader knew of it at its start, and one node's proofs."""

    def __init__(self, network: LocalNetwork) -> None:
        self.network = network
        chain, node = network.chain, network.nodes[0]
        validators = tuple(Validator(one.node.public, POWER) for one in chain.members)
        comet = CometTrust(chain_id(chain.network), 1, validators)
        self.trust = Trust.of(chain.network, "quorum none\n", None, comet)
        signer = Signer(note.origin(chain.network, chain.members[0].id), chain.members[0].log)
        notes = Checkpoints(node.folder / "notes", node.ledger, signer, [])
        self.anchors = CometAnchors(node.ledger, network.homes[0], list)
        self.proofs = Proofs(node.ledger, notes, self.anchors)

    def act(self, number: int) -> bytes:
        """A transaction of its own; its id."""
        return self.network.submit(0, term(number)).id

    def set_power(self, member: int, power: int) -> None:
        """By a vote of the three others, and wait until it counts."""
        action: Action = SetPower(member=self.network.chain.members[member].id, power=power)
        name = sha256(codec.encode(action)).digest()[:16]
        closes_ms = time.time_ns() // 1_000_000 + 2 * HOUR_MS
        proposal = Propose(proposal=name, actions=[codec.encode(action)], closes_ms=closes_ms)
        self.network.submit(0, proposal)
        self.network.submit(1, Vote(proposal=name, yes=True))
        height = self.network.submit(2, Vote(proposal=name, yes=True)).height
        for number in range(4):
            height = self.network.submit(number, term(1)).height
        self.network.wait_level(height)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Four nodes; the tests here go on from each other's blocks."""
    with LocalNetwork(tmp_path_factory.mktemp("network")) as network:
        yield World(network)


def links(file: bytes) -> int:
    """How many changes of the validators a file leads across."""
    anchor = proof_file.parse(file).anchor
    assert isinstance(anchor, CometAnchor)
    return len(anchor.links)


def test_each_claim_verifies_by_the_validators_votes(world: World) -> None:
    """Transaction, message, event, row, missing row: no cosigner is asked, none need be up."""
    made = world.act(1)
    files = [
        world.proofs.transaction(made),
        world.proofs.message(made, 0),
        world.proofs.event(made, 0),
        world.proofs.row(TERM.key(1, 1)),
        world.proofs.row(TERM.key(1, 77)),
    ]
    seen = [verify(file, world.trust) for file in files]

    assert made == seen[0].tx_id
    assert [MessageClaim, EventClaim, RowClaim, AbsentClaim] == [type(x.claim) for x in seen[1:]]
    for one in seen:
        assert one.votes is not None
        assert (40, 4) == (one.votes.total, one.votes.validators)
        assert one.votes.power >= 30
        assert 0 == links(files[0])


def test_links_lead_over_changes_of_the_validators(world: World) -> None:
    """From the first set, from a set seen on the way, and not to one before what was seen."""
    old_file = world.proofs.transaction(world.act(2))
    world.set_power(3, 25)
    middle_file = world.proofs.transaction(world.act(3))
    world.set_power(3, 5)
    new_file = world.proofs.transaction(world.act(4))
    assert [0, 1, 2] == [links(file) for file in (old_file, middle_file, new_file)]

    middle = verify(middle_file, world.trust)
    assert middle.votes is not None
    assert 55 == middle.votes.total
    seen = with_saved(world.trust, middle.anchor)
    new = verify(new_file, seen)
    assert Growth.NOT_SHOWN is new.growth
    assert new.anchor is not None
    assert verify(new_file, world.trust).votes == new.votes

    for reader in (seen, with_saved(world.trust, new.anchor)):
        with pytest.raises(Unverified) as refused:
            verify(old_file, reader)
        assert 8 == refused.value.step


def test_links_are_found_by_a_node_that_never_kept_them(world: World) -> None:
    """By halving, after a start: the same ones."""
    made = world.act(5)
    known = proof_file.parse(world.proofs.transaction(made)).anchor
    node = world.network.nodes[1]
    other = CometAnchors(node.ledger, world.network.homes[1], list)
    height, position = node.ledger.find(made) or (0, 0)
    found = other.anchor(height, position)

    assert isinstance(known, CometAnchor)
    assert [one.header for one in known.links] == [one.header for one in found.links]


def with_saved(trust: Trust, saved: Anchor | None) -> Trust:
    """The same trust, of a reader who saw that."""
    return Trust.of(trust.network, trust.policy_text, saved, trust.comet)
