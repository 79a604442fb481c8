"""Records' workload: batches with random holders, some receipts spoiled."""

from random import Random

from salus.base.hashing import ZERO32
from salus.modules.records.invariants import batches_are_held, batches_stay
from salus.modules.records.messages import CommitBatch, MemberReceipt
from salus.modules.records.state import BATCH, Batch
from salus.sealed import acts
from salus.sealed.receipts import SHARE_ACCEPTED, STORED, StorageReceipt
from tests.support.machine import BLOCK_MS, Actor, Ledger
from tests.support.workload import Step

COPIES = 3
THRESHOLD = {1: 1, 2: 2, 3: 3, 4: 3}
"""Shares needed where every member holds a seat."""


class RecordsWorkload:
    """Every member holds a seat; nobody leaves."""

    def __init__(self, ledger: Ledger) -> None:
        """Start without batches."""
        self.ledger = ledger
        self.batches: dict[bytes, Batch] = {}
        self.needed = min(len(ledger.members), COPIES)
        self.before: dict[bytes, Batch] = {}

    def draw(self, random: Random) -> Step:
        """A batch of any member, now and then of an id that exists."""
        author = random.choice(self.ledger.members)
        known = bool(self.batches) and random.random() < 0.1
        name = random.choice(sorted(self.batches)) if known else random.randbytes(16)
        root, size = random.randbytes(32), random.randint(1, 2**25)
        roles = {
            one.id: (one, random.choice((0, STORED, SHARE_ACCEPTED, 3, 3, 3, 3, 3)))
            for one in self.ledger.members
        }
        spoiled = random.choice(("", "", "", "old", "thief", "root", "author"))
        given = [
            self._receipt(author, one, role, spoiled, name, root, size)
            for _, (one, role) in sorted(roles.items())
            if role
        ]
        message = CommitBatch(batch=name, bytes=size, receipts=given, root=root, seats=1)
        storing = [n for n, one in enumerate(self.ledger.members) if roles[one.id][1] & STORED]
        shares = sum(bool(role & SHARE_ACCEPTED) for _, role in roles.values())

        def change() -> None:
            self.batches[name] = Batch(
                author=author.id,
                bytes=size,
                root=root,
                stored=storing,
                time_ms=self.ledger.time_ms,
            )

        code = self._code(spoiled if given else "", len(storing), shares, known=known)
        words = f"commit {spoiled or 'well'}, {len(given)} receipts"
        return Step(words, code, lambda: self.ledger.send(author, message).code, change)

    def check(self) -> None:
        """Every row is the dictionary's, and the invariants hold."""
        rows = self.ledger.all_rows(BATCH)
        assert self.batches == rows
        batches_stay(self.before, rows)
        batches_are_held(rows, dict.fromkeys(rows, self.needed))
        self.before = rows

    def _receipt(
        self,
        author: Actor,
        member: Actor,
        role: int,
        spoiled: str,
        name: bytes,
        root: bytes,
        size: int,
    ) -> MemberReceipt:
        receipt = StorageReceipt(
            author=bytes(16) if spoiled == "author" else author.id,
            batch=name,
            bytes=size,
            chain=self.ledger.network,
            checked=self.ledger.time_ms + BLOCK_MS - (120_001 if spoiled == "old" else 5),
            roles=role,
            root=ZERO32 if spoiled == "root" else root,
        )
        key = member.log if spoiled == "thief" else member.service
        data, signature = acts.sign(key, self.ledger.network, receipt)
        return MemberReceipt(member=member.id, receipt=data, signature=signature)

    def _code(self, spoiled: str, storing: int, shares: int, *, known: bool) -> int:
        if known:
            return 3_002
        if spoiled:
            return {"old": 3_007, "thief": 3_009, "author": 3_018, "root": 3_020}[spoiled]
        if storing < self.needed:
            return 3_010
        return 3_011 if shares < THRESHOLD[len(self.ledger.members)] else 0
