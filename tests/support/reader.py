"""A reader for tests: posts an intent for one leaf and asks witnesses, each field replaceable."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from salus.base import codec
from salus.base.sealing import SealingKey
from salus.base.signing import SigningKey
from salus.modules.consent import queries as consent
from salus.modules.consent.messages import PostIntents
from salus.sealed import acts
from salus.sealed.grants import Leaf, Reader, commitment
from salus.sealed.release import (
    IntentTree,
    ReleaseAnswer,
    ReleaseRefusal,
    ReleaseRequest,
    Share,
    Want,
    open_shares,
    release_place,
)
from tests.support.network import Network
from tests.support.parts import Granted, TestNode

SESSION_MS = 900_000


@dataclass
class Session:
    """One posted leaf and the key its answers are sealed to."""

    network: Network
    member: int
    leaf: Leaf
    key: SealingKey
    request: ReleaseRequest

    def ask(
        self, node: TestNode, wants: Sequence[Want] | None = None, **changes: Any
    ) -> ReleaseAnswer | ReleaseRefusal:
        """Ask one witness, the request changed as given."""
        request = replace(self.request, **changes)
        if wants is not None:
            request = replace(request, wants=sorted(wants))
        sender = self.network.members[self.member].id
        return node.witness.release(sender, request)

    def shares(self, answer: ReleaseAnswer | ReleaseRefusal, x: int, wants: Any) -> list[Share]:
        """Open an answer of seat `x`."""
        assert isinstance(answer, ReleaseAnswer), answer
        place = release_place(self.leaf.intent, x, wants)
        chain = self.network.ledger.network
        return open_shares(self.key, chain, place, answer.shares, len(wants))


def start(
    network: Network,
    granted: Granted,
    member: int,
    wants: Sequence[Want],
    *,
    wallet: SigningKey | None = None,
    post: bool = True,
    **changes: Any,
) -> Session:
    """Announce a session of `member` under a grant; `changes` go to its leaf."""
    key = SealingKey.random()
    reader = Reader(member=network.members[member].id)
    fields: dict[str, Any] = {
        "chain": network.ledger.network,
        "intent": os.urandom(16),
        "kind": 0,
        "notice": bytes(32),
        "practitioner": network.person(member).id,
        "purpose": "TREAT",
        "reader": reader,
        "salt": os.urandom(16),
        "session_key": key.public,
        "session_ms": SESSION_MS,
        "subject": granted.grant,
        "v": 1,
    }
    if wallet is not None:
        fields |= {"reader": Reader(wallet=wallet.public), "practitioner": None}
    leaf = Leaf(**{**fields, **changes})
    data = codec.encode(leaf)
    signature = None
    if wallet is not None:
        signature = acts.sign(wallet, network.ledger.network, leaf).signature
    tree = IntentTree([data, os.urandom(80)], os.urandom)
    actor = network.members[member]
    sequence = consent.intent_count(network.ledger.view(), actor.id) + 1
    if post:
        message = PostIntents(
            closings=bytes(32), leaves=tree.size, root=tree.root, sequence=sequence
        )
        network.must([message], actor)
    request = ReleaseRequest(
        index=0,
        leaf=data,
        leaf_signature=signature,
        member=actor.id,
        path=tree.path(0),
        sequence=sequence,
        wants=sorted(wants),
        shown=granted.shown,
    )
    return Session(network, member, leaf, key, request)


def by_commitment(granted: Granted) -> dict[str, Any]:
    """The changes of a later request, which shows only the terms' commitment."""
    return {"shown": None, "commitment": commitment(granted.shown.terms)}
