"""
What a verification ends with: `Verified`, the one line that tells it, or `Unverified`.

Both speak of ids and numbers only (`ledger.md` §5.6, §6).
"""

import dataclasses
import datetime as dt
import enum

from salus.base.comet.commit import Tally
from salus.base.entry import UNREADABLE_CODE_MAX, UNSPENT_CODE_MAX, BlockEntry, TransactionEntry
from salus.base.errors import Category, Problem
from salus.base.proof_file import (
    AbsentClaim,
    Claim,
    EventClaim,
    MessageClaim,
    RowClaim,
    TransactionClaim,
)
from salus.client.trust import Anchor


class Growth(enum.Enum):
    """How the proof's log stands to the saved one (corrections 18)."""

    FIRST = "first log seen"
    SAME = "as at your last check"
    SHOWN = "growth shown"
    NOT_SHOWN = "growth not shown"
    OLDER = "older than your last check"


@dataclasses.dataclass(frozen=True)
class Verified:
    """What is proved: that members agreed on it, not that it is true of the world."""

    claim: Claim
    entry: TransactionEntry | BlockEntry
    index: int
    """The entry's place in the log."""

    tx_id: bytes | None
    """Known for a transaction claim; of an unreadable envelope its hash. 32 B."""

    log_size: int
    log_root: bytes
    origin: str
    """Whose note it is; under a block of CometBFT the chain's id."""

    cosigners: tuple[str, ...]
    """Names, by the policy, of those whose cosignature holds; empty under a block."""

    quorum: tuple[int, int]
    """Needed, and of how many; (0, m): its operator's word alone. Under a block (0, 0)."""

    cosigned_s: int
    """Newest time a counted cosigner wrote, seconds since 1970 UTC; 0 without."""

    votes: Tally | None
    """Under a block: how many validators, and how much of their power, made it final."""

    growth: Growth
    anchor: Anchor | None
    """What to save now; None where growth was not shown or nothing is new."""

    @property
    def code(self) -> int | None:
        """The transaction's code, 0 done; None for a row."""
        return self.entry.code if isinstance(self.entry, TransactionEntry) else None

    @property
    def copy_refused(self) -> bool:
        """Whether this copy was refused without spending its nonce: another may have been done."""
        return self.code is not None and 1 <= self.code <= UNSPENT_CODE_MAX

    @property
    def height(self) -> int:
        """The block's height."""
        return self.entry.height

    @property
    def time_ms(self) -> int:
        """Block time, ms since 1970 UTC."""
        return self.entry.time_ms

    @property
    def signer(self) -> bytes | None:
        """Key id of who signed the transaction, 16 B; None for rows and unreadable envelopes."""
        if isinstance(self.entry, BlockEntry) or 1 <= self.entry.code <= UNREADABLE_CODE_MAX:
            return None
        return self.entry.signer


class Unverified(Problem):
    """The file does not prove its claim; the numbered step says at which check."""

    def __init__(
        self, step: int, expected: str, found: str, next_step: str, name: str = "Unverified"
    ) -> None:
        """Refuse at a step of §5.6; all words are ours, never the file's."""
        text = f"refused at step {step}: expected {expected}, found {found}. {next_step}"
        super().__init__(Category.UNVERIFIED, name, text, step=step)
        self.step = step
        self.expected = expected
        self.found = found
        self.next_step = next_step

    def __str__(self) -> str:
        """The sentence alone: it names the step."""
        return self.text


def describe(verified: Verified) -> str:
    """
    Say what is proved, since when, by whom, and who stands for it.

    Ids are shortened to 8 hex; nothing of a message, event or row is shown.
    """
    signer = f", by key {_short(verified.signer)}" if verified.signer else ""
    return (
        f"ok  {_subject(verified)} {_fate(verified)} block {verified.height},"
        f" {_utc(verified.time_ms)}{signer}; log size {verified.log_size},"
        f" {_cosigned(verified)}{_growth(verified)}"
    )


def _subject(verified: Verified) -> str:
    match verified.claim:
        case TransactionClaim():
            return f"transaction {_short(verified.tx_id or b'')}"
        case MessageClaim(position=position):
            return f"message {position}"
        case EventClaim(position=position):
            return f"event {position}"
        case RowClaim(table=table):
            return f"row of table {table}"
        case AbsentClaim(table=table):
            return f"no such row of table {table}"


def _fate(verified: Verified) -> str:
    if verified.code is None:
        return "as of"
    if verified.code == 0:
        return "done in"
    if verified.copy_refused:
        return f"this copy was refused (code {verified.code}) in"
    return f"refused (code {verified.code}) in"


def _cosigned(verified: Verified) -> str:
    votes, (needed, of) = verified.votes, verified.quorum
    if votes is not None:
        power = f"power {votes.power} of {votes.total}"
        return f"{votes.voters} of {votes.validators} validators voted ({power})"
    if needed == 0:
        return "its operator's word alone"
    return f"{len(verified.cosigners)} of {of} cosigned (quorum {needed})"


def _growth(verified: Verified) -> str:
    quiet = (Growth.FIRST, Growth.SAME, Growth.SHOWN)
    return "" if verified.growth in quiet else f"; {verified.growth.value}"


def _utc(time_ms: int) -> str:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    try:
        time = epoch + dt.timedelta(milliseconds=time_ms)
    except OverflowError:
        return f"{time_ms} ms"
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _short(data: bytes) -> str:
    return f"{data.hex()[:8]}…"
