"""
A journal of random acts, lawful and not: what a replay must bring to the same app hash anywhere.

Every refusal of the machine's own that a block can hold is among them, and each message kind that a
member can send without a patient: terms, lines, keys, addresses, proposals, votes.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

from salus.base import codec
from salus.base.signing import SigningKey
from salus.machine.block import Block
from salus.machine.module import Message
from salus.machine.transaction import sign
from salus.modules.audit.messages import DefineTerm, RecordLine
from salus.modules.governance.actions import SetParameter
from salus.modules.governance.messages import Propose, Vote
from salus.modules.members.messages import RetireKey, SetAddress
from salus.node.ledger import Ledger
from tests.campaign.engine import LIFETIME_MS, MEMBERS, make_folder, open_folder
from tests.support.machine import Actor

BLOCK_MS = 250
BLOCK_TXS_MAX = 120


def write_mixed(folder: Path, seed: int, transactions: int) -> bytes:
    """A closed folder with so many transactions on its ledger; gives the tip's app hash."""
    make_folder(folder)
    random = Random(seed)
    with closing(open_folder(folder)) as ledger:
        mix = Mix(ledger, random)
        left = transactions
        while left:
            count = min(left, random.randrange(1, BLOCK_TXS_MAX))
            left -= count
            tip = ledger.tip
            block = Block(
                evidence=[],
                height=tip.height + 1,
                time_ms=tip.time_ms + random.randrange(BLOCK_MS),
                txs=[mix.draw() for _ in range(count)],
            )
            ledger.commit(ledger.execute(block))
        return ledger.tip.app_hash


class Mix:
    """Draws envelopes."""

    def __init__(self, ledger: Ledger, random: Random) -> None:
        """`random`: decides everything but keys, which are the test members'."""
        self._ledger = ledger
        self._random = random
        self._actors = [Actor(number) for number in range(MEMBERS)]
        self._nonces = [0] * MEMBERS
        self._proposals: list[bytes] = []
        self._sent: list[bytes] = []
        self._messages: Sequence[Callable[[int], Message]] = (
            self._term, self._line, self._line, self._line, self._address, self._propose,
            self._vote, self._retire,
        )  # fmt: skip

    def draw(self) -> bytes:
        """One envelope: mostly sound, sometimes with one thing wrong."""
        member = self._random.randrange(MEMBERS)
        count = self._random.choice((1, 1, 1, 1, 1, 2, 5))
        messages = [self._random.choice(self._messages)(member) for _ in range(count)]
        kind = self._random.random()
        if kind < 0.02 and self._sent:
            return self._random.choice(self._sent)
        if kind < 0.04:
            return self._sign(SigningKey(self._random.randbytes(32)), messages, 0)
        if kind < 0.06:
            return self._random.randbytes(self._random.randrange(1, 400))
        data = self._sign(self._actors[member].transaction, messages, self._nonces[member])
        if kind < 0.08:
            return data[:-1] + bytes([data[-1] ^ 1])
        if kind < 0.09:
            return self._sign(self._actors[member].transaction, messages, 10**9)
        if kind < 0.10:
            return self._sign(self._actors[member].transaction, messages, 0, until_ms=1)
        self._nonces[member] += self._random.choice((1, 1, 1, 2))
        self._sent.append(data)
        return data

    def _sign(
        self,
        key: SigningKey,
        messages: Sequence[Message],
        nonce: int,
        *,
        until_ms: int | None = None,
    ) -> bytes:
        until_ms = until_ms or self._ledger.tip.time_ms + LIFETIME_MS
        return sign(self._ledger.network, key, messages, nonce=nonce, until_ms=until_ms)

    def _term(self, member: int) -> Message:
        number = self._random.randrange(60)
        return DefineTerm(kind=self._random.choice((1, 2)), number=number, text=f"TERM_{member}")

    def _line(self, member: int) -> Message:
        return RecordLine(
            activity=self._random.randrange(60),
            node=member,
            ref=self._random.randrange(10**6),
            resource=self._random.randrange(60),
            time_ms=self._ledger.tip.time_ms,
            user=self._random.randrange(50),
        )

    def _address(self, member: int) -> Message:
        number = self._random.randrange(10**6)
        return SetAddress(address=f"https://member-{member}-{number}.example", certificates=[])

    def _propose(self, member: int) -> Message:
        del member
        proposal = self._random.randbytes(16)
        self._proposals.append(proposal)
        value = self._random.randrange(60_000, 90_000_000)
        return Propose(
            proposal=proposal,
            actions=[codec.encode(SetParameter(name="machine.lifetime_ms", value=value))],
            closes_ms=self._ledger.tip.time_ms + 2 * LIFETIME_MS,
        )

    def _vote(self, member: int) -> Message:
        del member
        proposal = self._random.choice(self._proposals[-4:] or [bytes(16)])
        return Vote(proposal=proposal, yes=self._random.random() < 0.8)

    def _retire(self, member: int) -> Message:
        use = self._random.choice((1, 2, 5))
        key = self._actors[self._random.randrange(MEMBERS)].keys[use]
        return RetireKey(use=use, key=key) if member else self._line(member)
