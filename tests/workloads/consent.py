"""
Consent's workload: random acts of patients, relays and thieves.

Few people, so that stops meet updates, and ends meet grants; about one act in eight is spoiled in
each way it can be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from salus.base import merkle
from salus.base.hashing import ZERO32
from salus.base.signing import SigningKey
from salus.machine.module import Message
from salus.modules.consent import invariants
from salus.modules.consent.messages import (
    AnchorLog,
    PostIntents,
    PutGrant,
    RegisterTags,
    RevokeGrant,
    StopTag,
    UpdateTag,
)
from salus.modules.consent.state import (
    ANCHOR,
    GRANT,
    INTENT_COUNT,
    INTENTS,
    SEATS,
    SEATS_CURRENT,
    TAG,
    Grant,
    TagRecord,
)
from salus.sealed import acts
from salus.sealed.acts import StopTagAct, UpdateTagAct
from salus.sealed.grants import PutGrantAct, RevokeGrantAct
from tests.support.machine import BLOCK_MS, Actor, Ledger
from tests.support.workload import Step

HOUR_MS = 3_600_000


@dataclass
class TagModel:
    """What a tag must be."""

    key: SigningKey
    generation: int = 0
    era: int = 0
    sequence: int = 0
    open: bool = True
    sheet: bytes = ZERO32
    first_day: int = 0

    @property
    def row(self) -> TagRecord:
        """The row it must have."""
        return TagRecord(
            control_key=self.key.public,
            era=self.era,
            first_day=self.first_day,
            generation=self.generation,
            open=self.open,
            sequence=self.sequence,
            sheet_root=self.sheet,
        )


class Draw(NamedTuple):
    """A message, the refusal foretold (0: none), and what it changes."""

    message: Message
    number: int
    change: Callable[[], None]


class ConsentWorkload:
    """Plain dictionaries of what tags, grants, intents and logs must be."""

    def __init__(self, ledger: Ledger) -> None:
        """Start with the genesis' seats and nothing else."""
        self.ledger = ledger
        self.tags: dict[bytes, TagModel] = {}
        self.grants: dict[bytes, tuple[SigningKey, Grant]] = {}
        self.intents: dict[bytes, int] = {}
        self.logs: dict[bytes, list[bytes]] = {}
        self.before = self._rows()

    def draw(self, random: Random) -> Step:
        """Any message of the module, carried by any member."""
        actor = random.choice(self.ledger.members)
        makers = [self._register, self._put, self._post, self._anchor]
        if self.tags:
            makers += [self._update, self._update, self._stop]
        if self.grants:
            makers += [self._revoke]
        message, number, change = random.choice(makers)(random, actor)
        code = 4_000 + number if number else 0
        words = type(message).__name__
        return Step(words, code, lambda: self.ledger.send(actor, message).code, change)

    def check(self) -> None:
        """Every row is the dictionaries', there is no other, and the invariants hold."""
        before, after = self.before, self._rows()
        self.before = after
        assert {name: one.row for name, one in self.tags.items()} == after[TAG.name]
        assert {name: row for name, (_, row) in self.grants.items()} == after[GRANT.name]
        counts = self.ledger.all_rows(INTENT_COUNT)
        assert self.intents == {name: row.last for name, row in counts.items()}
        sizes = {name: row.size for (name, _), row in after[ANCHOR.name].items()}
        assert {name: len(log) for name, log in self.logs.items()} == sizes

        invariants.tags_never_fall(before[TAG.name], after[TAG.name])
        invariants.grants_stay(before[GRANT.name], after[GRANT.name])
        invariants.anchors_only_grow(before[ANCHOR.name], after[ANCHOR.name])
        invariants.intents_have_no_gap(counts, self.ledger.all_rows(INTENTS))
        invariants.seats_are_sound(self.ledger.all_rows(SEATS), self.ledger.row(SEATS_CURRENT))

    def _register(self, random: Random, _actor: Actor) -> Draw:
        names = {random.randbytes(16) for _ in range(random.randint(1, 3))}
        known = bool(self.tags) and rarely(random)
        if known:
            names.add(random.choice(sorted(self.tags)))
        keys = {name: new_key(random) for name in sorted(names)}
        tags = [acts.register_tag(key, self.ledger.network, name) for name, key in keys.items()]

        def change() -> None:
            self.tags.update({name: TagModel(key) for name, key in keys.items()})

        return Draw(RegisterTags(tags=tags), first({3: known}), change)

    def _update(self, random: Random, _actor: Actor) -> Draw:
        name, old = pick(random, self.tags)
        key = new_key(random) if random.random() < 0.3 else old.key
        late, thief, far = rarely(random), rarely(random), rarely(random)
        act = UpdateTagAct(
            control_key=key.public,
            era=old.era + random.choice((0, 1)),
            first_day=64 * random.randrange(700, 800),
            generation=old.generation + (2 if far else random.choice((0, 1))),
            open=not rarely(random),
            sequence=old.sequence + (0 if late else 1),
            sheet_root=random.randbytes(32),
            tag=name,
        )
        signer = new_key(random) if thief else old.key
        data, signature = acts.sign(signer, self.ledger.network, act)
        proof = None if key is old.key else acts.prove_new_key(key, self.ledger.network, data)

        def change() -> None:
            self.tags[name] = TagModel(
                key=key,
                generation=act.generation,
                era=act.era,
                sequence=act.sequence,
                open=act.open,
                sheet=act.sheet_root,
                first_day=act.first_day,
            )

        number = first({6: not old.open, 7: late, 8: thief, 10: far})
        return Draw(UpdateTag(act=data, signature=signature, proof=proof), number, change)

    def _stop(self, random: Random, _actor: Actor) -> Draw:
        name, old = pick(random, self.tags)
        thief, far = rarely(random), rarely(random)
        act = StopTagAct(era=old.era + (2 if far else 1), sequence=old.sequence + 1, tag=name)
        signer = new_key(random) if thief else old.key
        data, signature = acts.sign(signer, self.ledger.network, act)

        def change() -> None:
            old.era += 1
            old.sequence += 1

        number = first({6: not old.open, 8: thief, 11: far})
        return Draw(StopTag(act=data, signature=signature), number, change)

    def _put(self, random: Random, _actor: Actor) -> Draw:
        key = new_key(random)
        taken, odd = bool(self.grants) and rarely(random), rarely(random)
        name = pick(random, self.grants)[0] if taken else random.randbytes(16)
        hour = (self.ledger.time_ms + BLOCK_MS) // HOUR_MS + random.randint(1, 720)
        act = PutGrantAct(
            commitment=random.randbytes(32),
            grant=name,
            grant_key=key.public,
            until_ms=hour * HOUR_MS + odd,
        )
        data, signature = acts.sign(key, self.ledger.network, act)
        row = Grant(commitment=act.commitment, grant_key=key.public, until_ms=act.until_ms)

        def change() -> None:
            self.grants[name] = (key, row)

        number = first({17: taken, 20: odd})
        return Draw(PutGrant(act=data, signature=signature), number, change)

    def _revoke(self, random: Random, _actor: Actor) -> Draw:
        name, (key, old) = pick(random, self.grants)
        thief = rarely(random)
        signer = new_key(random) if thief else key
        data, signature = acts.sign(signer, self.ledger.network, RevokeGrantAct(grant=name))

        def change() -> None:
            row = Grant(
                commitment=old.commitment,
                grant_key=old.grant_key,
                until_ms=old.until_ms,
                revoked_ms=self.ledger.time_ms,
            )
            self.grants[name] = (key, row)

        number = first({22: old.revoked_ms is not None, 8: thief})
        return Draw(RevokeGrant(act=data, signature=signature), number, change)

    def _post(self, random: Random, actor: Actor) -> Draw:
        gap, odd = rarely(random), rarely(random)
        following = self.intents.get(actor.id, 0) + 1
        message = PostIntents(
            closings=ZERO32,
            leaves=9 if odd else random.choice((1, 8, 64, 512)),
            root=random.randbytes(32),
            sequence=following + gap,
        )

        def change() -> None:
            self.intents[actor.id] = following

        return Draw(message, first({23: gap, 24: odd}), change)

    def _anchor(self, random: Random, actor: Actor) -> Draw:
        old = self.logs.get(actor.id, [])
        same, forged = rarely(random), bool(old) and rarely(random)
        new = [random.randbytes(8) for _ in range(0 if same else random.randint(1, 5))]
        log = [b"forged", *old[1:], *new] if forged else [*old, *new]
        proof = consistency(log, len(old)) if old and new else []
        message = AnchorLog(log=0, proof=proof, root=merkle.root(log), size=len(log))

        def change() -> None:
            self.logs[actor.id] = log

        return Draw(message, first({35: same, 36: forged}), change)

    def _rows(self) -> dict[str, Any]:
        return {table.name: self.ledger.all_rows(table) for table in (TAG, GRANT, ANCHOR)}


def consistency(leaves: list[bytes], old: int) -> list[bytes]:
    """RFC 6962 §2.1.2 by its recursion: that `leaves` extend their first `old`; 0 < old."""

    def step(m: int, part: list[bytes], *, known: bool) -> list[bytes]:
        if m == len(part):
            return [] if known else [merkle.root(part)]
        cut = 1 << (len(part) - 1).bit_length() - 1
        if m <= cut:
            return [*step(m, part[:cut], known=known), merkle.root(part[cut:])]
        return [*step(m - cut, part[cut:], known=False), merkle.root(part[:cut])]

    return step(old, leaves, known=True)


def first(wrong: dict[int, bool]) -> int:
    """The first refusal, in the given order, that is due; 0 if none is."""
    return next((number for number, due in wrong.items() if due), 0)


def pick(random: Random, rows: dict[bytes, Any]) -> tuple[bytes, Any]:
    """One entry."""
    name = random.choice(sorted(rows))
    return name, rows[name]


def new_key(random: Random) -> SigningKey:
    """A key nobody had before."""
    return SigningKey(random.randbytes(32))


def rarely(random: Random) -> bool:
    """True one time in eight."""
    return random.random() < 0.125
