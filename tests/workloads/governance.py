"""Governance's workload: proposals, votes and what falls due, members suspended meanwhile."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from salus.base import codec
from salus.machine.module import Action, Message
from salus.modules.governance import invariants, queries
from salus.modules.governance.actions import SetParameter
from salus.modules.governance.messages import Propose, Vote, Withdraw
from salus.modules.governance.state import OPEN, PARAMETER, PROPOSAL
from salus.modules.members import queries as members
from salus.modules.members.actions import Resume, Suspend
from tests.support.machine import BLOCK_MS, Actor, Ledger
from tests.support.workload import Step

HOUR_MS = 3_600_000


@dataclass
class Plain:
    """A proposal in plain words."""

    proposer: bytes
    actions: list[Action]
    closes_ms: int
    active_at: int
    subject: bytes | None
    votes: dict[bytes, bool] = field(default_factory=dict)
    status: str = "open"


class GovernanceWorkload:
    """Few proposals and two kinds of action, so that they meet one another."""

    def __init__(self, ledger: Ledger) -> None:
        """All members active, `vault.copies` 3."""
        self.ledger = ledger
        self.active = {one.id for one in ledger.members}
        self.copies = 3
        self.proposals: dict[bytes, Plain] = {}
        self.agenda: list[tuple[int, bytes]] = []

    def draw(self, random: Random) -> Step:
        """The next block: what falls due in it, then one act."""
        if random.random() < 0.02:
            self.ledger.time_ms += 2 * HOUR_MS
        self._do_due()
        actor = random.choice(self.ledger.members)
        new = random.randbytes(16)
        known = random.choice([*list(self.proposals)[-5:], new])
        kind = random.random()
        if kind < 0.3:
            return self._propose(random, actor, new if random.random() < 0.9 else known)
        if kind < 0.9:
            return self._vote(actor, known, yes=random.random() < 0.8)
        return self._withdraw(actor, known)

    def check(self) -> None:
        """The state is what the plain proposals say, and the invariants hold."""
        ledger = self.ledger
        rows = ledger.all_rows(PROPOSAL)
        assert {name: (one.status, one.subject) for name, one in self.proposals.items()} == {
            name: (row.status, row.subject) for name, row in rows.items()
        }
        votes = {
            name: {m for m, yes in one.votes.items() if yes} for name, one in self.proposals.items()
        }
        assert votes == {name: set(row.yes) for name, row in rows.items()}
        view = ledger.context()
        assert self.active == set(members.roster(view))
        assert self.copies == queries.parameter(view, "vault.copies")
        agenda = queries.agenda(view)
        assert sorted(self.agenda) == sorted((due.height, due.proposal) for due in agenda)
        invariants.agenda_holds_the_accepted(rows, agenda, ledger.height)
        invariants.votes_are_lawful(rows, members.admitted(view))
        invariants.open_ones_are_known(rows, ledger.all_rows(OPEN), ledger.time_ms)
        declared = ledger.machine.declared.parameters
        invariants.parameters_are_in_range(ledger.all_rows(PARAMETER), declared)

    def _now(self) -> int:
        return self.ledger.time_ms + BLOCK_MS

    def _do_due(self) -> None:
        height = self.ledger.height + 1
        due = [entry for entry in sorted(self.agenda, key=lambda one: one[0]) if entry[0] <= height]
        for entry in due:
            self.agenda.remove(entry)
            self._carry_out(self.proposals[entry[1]])

    def _carry_out(self, plain: Plain) -> None:
        before = set(self.active), self.copies
        plain.status = "applied"
        for action in plain.actions:
            if not self._possible(action):
                self.active, self.copies = before
                plain.status = "failed"
                return
            if isinstance(action, SetParameter):
                self.copies = action.value
            elif isinstance(action, Suspend):
                self.active.discard(action.member)
            elif isinstance(action, Resume):
                self.active.add(action.member)

    def _possible(self, action: Action) -> bool:
        if isinstance(action, SetParameter):
            return 3 <= action.value <= 7
        if isinstance(action, Suspend):
            return action.member in self.active and len(self.active) > 1
        return isinstance(action, Resume) and action.member not in self.active

    def _is_open(self, plain: Plain) -> bool:
        return plain.status == "open" and self._now() <= plain.closes_ms

    def _decide(self, name: bytes, plain: Plain) -> None:
        eligible = self.active - {plain.subject}
        yes = sum(plain.votes.get(one) is True for one in eligible)
        no = sum(plain.votes.get(one) is False for one in eligible)
        if yes * 3 > len(eligible) * 2:
            plain.status = "accepted"
            self.agenda.append((max(self.ledger.height + 2, plain.active_at), name))
        elif (len(eligible) - no) * 3 <= len(eligible) * 2:
            plain.status = "rejected"

    def _step(self, actor: Actor, message: Message, code: int, change: Callable[[], None]) -> Step:
        silent = actor.id not in self.active
        return Step(
            repr(message),
            10 if silent else code,
            lambda: self.ledger.send(actor, message).code,
            change,
        )

    def _propose(self, random: Random, actor: Actor, name: bytes) -> Step:
        member = random.choice(self.ledger.members).id
        choices: list[Action] = [
            SetParameter(name="vault.copies", value=random.randrange(2, 9)),
            SetParameter(name="vault.copies", value=random.randrange(3, 8)),
            Suspend(member=member),
            Resume(member=member),
        ]
        actions = random.sample(choices, random.choice((1, 1, 2)))
        subject = next((one.member for one in actions if isinstance(one, Suspend | Resume)), None)
        height = self.ledger.height + 1
        activation = random.choice((None, None, None, height + 1, height + 2, height + 6))
        plain = Plain(
            proposer=actor.id,
            actions=actions,
            closes_ms=self._now() + random.choice((HOUR_MS - 1, HOUR_MS, *[3 * HOUR_MS] * 4)),
            active_at=activation or 0,
            subject=subject,
            votes={} if subject == actor.id else {actor.id: True},
        )
        message = Propose(
            proposal=name,
            actions=[codec.encode(action) for action in actions],
            closes_ms=plain.closes_ms,
            activation_height=activation,
        )

        def change() -> None:
            self.proposals[name] = plain
            self._decide(name, plain)

        return self._step(actor, message, self._propose_code(name, plain), change)

    def _propose_code(self, name: bytes, plain: Plain) -> int:
        mine = [one for one in self.proposals.values() if one.proposer == plain.proposer]
        if name in self.proposals:
            return 2002
        if sum(self._is_open(one) for one in mine) >= 4:
            return 2003
        if plain.closes_ms - self._now() < HOUR_MS:
            return 2004
        if plain.active_at == self.ledger.height + 2:
            return 2005
        if plain.subject is not None and len(plain.actions) > 1:
            return 2013
        return 0 if all(self._possible(action) for action in plain.actions) else 2006

    def _vote(self, actor: Actor, name: bytes, *, yes: bool) -> Step:
        plain = self.proposals.get(name)
        code = 0
        if plain is None:
            code = 2007
        elif not self._is_open(plain):
            code = 2008
        elif plain.subject == actor.id:
            code = 2009
        elif plain.votes.get(actor.id) is yes:
            code = 2010

        def change() -> None:
            assert plain is not None
            plain.votes[actor.id] = yes
            self._decide(name, plain)

        return self._step(actor, Vote(proposal=name, yes=yes), code, change)

    def _withdraw(self, actor: Actor, name: bytes) -> Step:
        plain = self.proposals.get(name)
        code = 0
        if plain is None:
            code = 2007
        elif not self._is_open(plain):
            code = 2008
        elif plain.proposer != actor.id:
            code = 2012

        def change() -> None:
            assert plain is not None
            plain.status = "withdrawn"

        return self._step(actor, Withdraw(proposal=name), code, change)
