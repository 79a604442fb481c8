"""A batch of one patient on the ledger, granted to member 1, whose shares member 2 is asked for."""

from typing import Any

import pytest

from salus.modules.consent.messages import RevokeGrant
from salus.sealed import acts
from salus.sealed.grants import RevokeGrantAct
from salus.sealed.release import Want
from tests.support.network import DAY, Network
from tests.support.parts import Granted
from tests.support.reader import Session, start

READER = 1
WITNESS = 2


class Case:
    """A batch of one patient on the ledger, granted to member 1; member 2 is asked."""

    def __init__(self, network: Network, patch: pytest.MonkeyPatch) -> None:
        """Make it all with a patient of its own; what `patch` changes is undone."""
        network.clock.time_ms = network.ledger.tip.time_ms
        self.network = network
        self.patch = patch
        self.patient = self.network.patient()
        self.sealed = self.network.seal(self.patient, [DAY])
        self.network.store(self.sealed)
        self.wants = [Want(batch=self.sealed.batch, group=group) for group in range(2)]
        self.node = self.network.node(WITNESS)

    def grant(self, **terms: Any) -> Granted:
        """A grant to member 1."""
        return self.network.grant(self.patient, READER, **terms)

    def session(self, granted: Granted | None = None, **leaf: Any) -> Session:
        """A session of member 1."""
        return start(self.network, granted or self.grant(), READER, self.wants, **leaf)

    def answers(
        self, session: Session, wants: list[Want] | None = None, **request: Any
    ) -> list[int]:
        """The answers to each want."""
        wanted = sorted(self.wants if wants is None else wants)
        answer = session.ask(self.node, wanted, **request)
        return [one.answer for one in session.shares(answer, WITNESS + 1, wanted)]


def revoke(case: Case, granted: Granted) -> None:
    """End a grant by its key."""
    act = RevokeGrantAct(grant=granted.grant)
    signed = acts.sign(granted.key, case.network.ledger.network, act)
    case.network.must([RevokeGrant(act=signed.data, signature=signed.signature)])


def rotate(case: Case, keys: Any) -> None:
    """Give a tag its next control key."""
    case.network.update_tag(keys, new_control=keys.control(1))
