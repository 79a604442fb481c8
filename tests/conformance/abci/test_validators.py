"""What the members' table says about voting reaches CometBFT, and what CometBFT saw, the ledger."""

from hashlib import sha256

from salus.base import codec
from salus.base.signing import SigningKey
from salus.machine.module import Action, Message
from salus.modules.governance.messages import Propose, Vote
from salus.modules.members import rules
from salus.modules.members.actions import SetPower, Suspend
from salus.modules.members.events import Misbehaved
from salus.modules.members.messages import AddKey, RetireKey
from salus.node.comet.abci_pb2 import (
    Misbehavior,
    MisbehaviorType,
    Request,
    RequestQuery,
    Validator,
)
from tests.conformance.abci.chain import POWER, NetworkChain
from tests.conformance.abci.driver import CometSide

HOUR_MS = 3_600_000
NODE = 6


def send(comet: CometSide, chain: NetworkChain, *acts: tuple[int, Message]) -> None:
    """A block of one transaction an act, all of which must be done."""
    assert [0] * len(acts) == comet.decide([chain.sign(member, act) for member, act in acts])


def accept(comet: CometSide, chain: NetworkChain, action: Action, *yes: int) -> None:
    """Put an action to the vote and accept it; it happens two blocks later."""
    name = sha256(codec.encode(action)).digest()[:16]
    closes_ms = comet.next_time_ms() + 2 * HOUR_MS
    first, *others = yes
    send(
        comet,
        chain,
        (first, Propose(proposal=name, actions=[codec.encode(action)], closes_ms=closes_ms)),
    )
    send(comet, chain, *((member, Vote(proposal=name, yes=True)) for member in others))


def may_connect(comet: CometSide, key: SigningKey) -> bool:
    """What the App says to a node of that key."""
    name = sha256(key.public[1:]).digest()[:20].hex()
    asked = RequestQuery(path=f"/p2p/filter/id/{name}")
    return comet.query.ask(Request(query=asked)).query.code == 0


def test_a_voted_power_reaches_comet_with_the_block_that_applies_it(
    chain: NetworkChain, comet: CometSide
) -> None:
    """Not with the vote; CometBFT counts it two heights later by itself."""
    member = chain.members[3]
    accept(comet, chain, SetPower(member=member.id, power=25), 0, 1, 2)
    comet.decide([])
    comet.decide([])

    assert [[], [], [], [(member.node.public[1:], 25)]] == comet.updates


def test_who_is_suspended_neither_votes_nor_connects(chain: NetworkChain, comet: CometSide) -> None:
    """Power 0 takes the validator out; its node is no peer any more."""
    member = chain.members[3]
    assert may_connect(comet, member.node)
    accept(comet, chain, Suspend(member=member.id), 0, 1, 2)
    comet.decide([])
    comet.decide([])

    assert [(member.node.public[1:], 0)] == comet.updates[-1]
    assert not may_connect(comet, member.node)
    assert may_connect(comet, chain.members[0].node)


def test_a_new_node_key_takes_the_old_ones_place(chain: NetworkChain, comet: CometSide) -> None:
    """One update takes the old key out and puts the new one in: the power stays the member's."""
    member, new = chain.members[1], SigningKey(bytes(range(32)))
    proof = new.sign(rules.add_key_bytes(chain.network, member.id, NODE, new.public))
    send(comet, chain, (1, AddKey(use=NODE, key=new.public, proof=proof)))
    send(comet, chain, (1, RetireKey(use=NODE, key=member.node.public)))
    told = [one for updates in comet.updates for one in updates]

    assert {(new.public[1:], POWER), (member.node.public[1:], 0)} == set(told)
    assert may_connect(comet, new)
    assert not may_connect(comet, member.node)


def misbehaved(address: bytes) -> Misbehavior:
    """Two votes at one height, as CometBFT tells of it."""
    return Misbehavior(
        type=MisbehaviorType.DUPLICATE_VOTE, validator=Validator(address=address), height=1
    )


def test_evidence_names_the_member(chain: NetworkChain, comet: CometSide) -> None:
    """By the address of any node key it ever had; an address of nobody leaves no event."""
    member = chain.members[2]
    comet.decide([])
    address = sha256(member.node.public[1:]).digest()[:20]
    comet.decide([], [misbehaved(address), misbehaved(bytes(20))])
    ledger = comet.host.ledger
    events = [ledger.machine.read_event(data) for data in ledger.receipts(2).events]

    assert [Misbehaved(member=member.id, height=1, kind="duplicate_vote")] == events
    assert 1 == len(ledger.entries(2))
