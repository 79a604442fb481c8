"""Members' workload: keys come and go, people are registered and ended, members rise and fall."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from salus.base.errors import Refusal
from salus.base.sealing import SealingKey
from salus.base.signing import SigningKey
from salus.machine.module import Action, Message
from salus.machine.tables import KEY, META
from salus.modules.members import invariants, rules
from salus.modules.members.actions import ACTIONS, Remove, Resume, SetPower, Suspend
from salus.modules.members.messages import (
    AddKey,
    EndPractitioner,
    RegisterPractitioner,
    RetireKey,
    Voucher,
)
from salus.modules.members.state import (
    MEMBER,
    MEMBER_KEY,
    OWNER,
    PRACTITIONER,
    RING,
    ROSTER,
    SEALING,
    TRANSACTION,
    USES,
)
from tests.support.machine import Actor, Ledger, Person
from tests.support.workload import Step

KEYS = [SigningKey(bytes([50 + one]) * 32) for one in range(24)]
SEALS = [SealingKey(bytes([90 + one]) * 32).public for one in range(4)]
PEOPLE = [Person(f"Person {one}", role=role) for one, role in enumerate((1, 2, 7, 7))]


@dataclass
class Plain:
    """A member in plain words."""

    actor: Actor
    status: str = "active"
    power: int = 0
    ever: dict[int, list[bytes]] = field(default_factory=dict)
    """Use -> all keys, oldest first."""

    live: dict[int, list[bytes]] = field(default_factory=dict)


class MembersWorkload:
    """Few keys and people, so that acts meet one another; in a network, so that weight counts."""

    def __init__(self, ledger: Ledger, power: int) -> None:
        """`power`: what each member has by genesis."""
        self.ledger = ledger
        self.network = power > 0
        self.signers = {key.public: key for key in KEYS}
        self.members = [Plain(actor, power=power) for actor in ledger.members]
        self.people: dict[bytes, tuple[Plain, Person, bool]] = {}
        for plain in self.members:
            plain.ever = {use: [key] for use, key in plain.actor.keys.items()}
            plain.live = {use: [key] for use, key in plain.actor.keys.items()}
            self.signers[plain.actor.transaction.public] = plain.actor.transaction
            for issuer in plain.actor.issuers:
                self.people[issuer.id] = (plain, issuer, True)

    def draw(self, random: Random) -> Step:
        """One act, often a wrong one."""
        plain = random.choice(self.members)
        acts: list[Callable[[Random, Plain], Step]] = [
            self._add, self._add, self._retire, self._register, self._end, self._vote
        ]  # fmt: skip
        return random.choice(acts)(random, plain)

    def check(self) -> None:
        """The state is what the plain members say, and the invariants hold."""
        ledger = self.ledger
        rows = ledger.all_rows(MEMBER)
        told = {one.actor.id: (one.status, one.power) for one in self.members}
        assert told == {member: (row.status, row.power) for member, row in rows.items()}
        keys = ledger.all_rows(MEMBER_KEY)
        live = {
            (member, use): [keys[member, use, gen].key for gen in ring.live]
            for (member, use), ring in ledger.all_rows(RING).items()
        }
        assert live == {
            (one.actor.id, use): found for one in self.members for use, found in one.live.items()
        }
        ended = {person: row.ended_ms for person, row in ledger.all_rows(PRACTITIONER).items()}
        assert {one: valid for one, (_, _, valid) in self.people.items()} == {
            person: at is None for person, at in ended.items()
        }
        self._check_invariants()

    def _check_invariants(self) -> None:
        ledger = self.ledger
        roster, meta = ledger.row(ROSTER), ledger.row(META)
        assert roster is not None
        assert meta is not None
        keys = ledger.all_rows(MEMBER_KEY)
        invariants.roster_is_the_active(ledger.all_rows(MEMBER), roster)
        invariants.rings_are_the_live(ledger.all_rows(RING), keys)
        invariants.keys_are_owned(keys, ledger.all_rows(OWNER), ledger.all_rows(KEY))
        invariants.weight_is_left([one.power for one in self._active()], meta.mode)

    def _active(self) -> list[Plain]:
        return [one for one in self.members if one.status == "active"]

    def _step(self, plain: Plain, message: Message, code: int, change: Callable[[], None]) -> Step:
        def do() -> int:
            key = self.signers[plain.live[TRANSACTION][-1]]
            return (
                self.ledger.block(self.ledger.sign(plain.actor, message, key=key)).receipts[0].code
            )

        silent = plain.status != "active"
        return Step(repr(message), 10 if silent else code, do, change)

    def _add(self, random: Random, plain: Plain) -> Step:
        use = random.choice((*USES, 3))
        signer = random.choice(KEYS)
        key = random.choice(SEALS) if use == SEALING else signer.public
        member = random.choice((plain, plain, plain, random.choice(self.members))).actor.id
        proof = signer.sign(rules.add_key_bytes(self.ledger.network, member, use, key))
        proven = use == SEALING or member == plain.actor.id
        message = AddKey(use=use, key=key, proof=None if use == SEALING else proof)
        used = any(
            key in found for one in self.members for what, found in one.ever.items() if what != 2
        )
        code = 0
        if use == 3:
            code = 1002
        elif (key in plain.live[SEALING]) if use == SEALING else used:
            code = 1003
        elif not proven:
            code = 1004
        elif len(plain.live[use]) >= (32 if use == TRANSACTION else 2):
            code = 1005

        def change() -> None:
            plain.ever[use].append(key)
            plain.live[use].append(key)

        return self._step(plain, message, code, change)

    def _retire(self, random: Random, plain: Plain) -> Step:
        use = random.choice(USES)
        owner = random.choice((plain, plain, random.choice(self.members)))
        key = random.choice(owner.ever[use])
        code = 0
        if key not in plain.live[use]:
            code = 1006
        elif len(plain.live[use]) == 1:
            code = 1007

        def change() -> None:
            plain.live[use].remove(key)

        return self._step(plain, RetireKey(use=use, key=key), code, change)

    def _register(self, random: Random, plain: Plain) -> Step:
        person = random.choice(PEOPLE)
        role = random.choice((person.role, person.role, 0))
        now = self.ledger.time_ms
        claim = rules.Claim(
            id=person.id,
            role=role,
            key=person.key.public,
            credential=person.credential,
            from_ms=now,
            until_ms=now + random.choice((1_000, 86_400_000)),
        )
        signed = rules.claim_bytes(self.ledger.network, plain.actor.id, claim)
        vouching = random.sample([one for _, one, _ in self.people.values()], 2)
        if random.random() < 0.7:
            vouching = plain.actor.issuers
        message = RegisterPractitioner(
            issuers=[Voucher(id=one.id, sig=one.key.sign(signed)) for one in vouching],
            proof=person.key.sign(signed),
            **{name: getattr(claim, name) for name in claim.__struct_fields__},
        )
        code = 0
        if person.id in self.people:
            code = 1010
        elif role == 0:
            code = 1011
        elif claim.until_ms == now + 1_000:
            code = 1012
        elif not all(self._vouches(plain, one) for one in vouching):
            code = 1013

        def change() -> None:
            self.people[person.id] = (plain, person, True)

        return self._step(plain, message, code, change)

    def _vouches(self, plain: Plain, person: Person) -> bool:
        owner, _, valid = self.people[person.id]
        return owner is plain and valid and person.role == 7

    def _end(self, random: Random, plain: Plain) -> Step:
        person = random.choice([*PEOPLE, *plain.actor.issuers, random.choice(PEOPLE)])
        owner, _, valid = self.people.get(person.id, (None, None, False))
        code = 0
        if owner is None:
            code = 1014
        elif owner is not plain:
            code = 1015
        elif not valid:
            code = 1016

        def change() -> None:
            self.people[person.id] = (plain, person, False)

        return self._step(plain, EndPractitioner(id=person.id), code, change)

    def _vote(self, random: Random, plain: Plain) -> Step:
        member = plain.actor.id
        power = random.choice((0, 1, 9))
        status = random.choice(("active", "suspended", "active", "power", "power", "removed"))
        if status == "removed" and random.random() < 0.8:
            status = "active"
        action: Action = {
            "active": Resume(member=member),
            "suspended": Suspend(member=member),
            "removed": Remove(member=member),
            "power": SetPower(member=member, power=power),
        }[status]

        def do() -> int:
            rule = ACTIONS[type(action)]
            try:
                with self.ledger.trying() as ctx:
                    rule.validate(ctx, action)
                    rule.apply(ctx, action)
            except Refusal as refusal:
                return refusal.code
            return 0

        def change() -> None:
            if status == "power":
                plain.power = power
            else:
                plain.status = status
            if status == "removed":
                plain.power = 0

        return Step(repr(action), self._vote_code(plain, status, power), do, change)

    def _vote_code(self, plain: Plain, status: str, power: int) -> int:
        others = [one for one in self._active() if one is not plain]
        weightless = self.network and not any(one.power for one in others)
        wrong = {
            "active": plain.status != "suspended",
            "suspended": plain.status != "active",
            "removed": plain.status == "removed",
            "power": plain.status == "removed",
        }[status]
        if wrong:
            return 1024
        if status in ("suspended", "removed") and not others:
            return 1025
        takes = status in ("suspended", "removed") or (status == "power" and power == 0)
        return 1027 if takes and weightless else 0
