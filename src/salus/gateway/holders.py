"""
The groups a grant covers, from as many holders as it takes that none can hold one back.

- Every batch is re-rooted, its root held to the ledger's and its blobs to their hashes: what
  differs is not used, and the next holder is asked.
- Of n members each batch lies with r or more, and f may lie: of any n - r + f + 1 members one is
  an honest holder of it. So many are asked; if fewer answer in full, the chart says that something
  may be missing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from salus.base import codec
from salus.base.errors import Category, Problem
from salus.gateway.office import Office
from salus.machine.context import StateView
from salus.modules.records import queries as records
from salus.node.tracing import traces
from salus.node.vault.messages import GROUPS, GroupsAsk, GroupsAsked, GroupsFound, ReaderAsks
from salus.sealed import container as containers
from salus.sealed.checks import check_blobs
from salus.sealed.container import Container


@dataclass
class Fetched:
    """What holders served."""

    containers: list[Container] = field(default_factory=list)
    """Pruned; together they hold each group once or more often."""

    complete: bool = False
    """Whether enough holders answered that nothing covered is missing."""

    refusals: dict[bytes, Problem] = field(default_factory=dict)
    """Members that served nothing, or something false, and why."""


@traces.spanned("session.fetch")
def fetch(office: Office, reader: ReaderAsks) -> Fetched:
    """
    Ask holders for all groups in a reader's sight, this member's own vault first.

    Raises the Problem most of them gave if none serves anything.
    """
    view = office.view()
    members = office.members()
    enough = holders_asked(len(members), records.copies_needed(view))
    fetched = Fetched()
    known: dict[bytes, set[bytes]] = {}
    served = 0
    waiting = list(members)
    while served < enough and waiting:
        now, waiting = waiting[: enough - served], waiting[enough - served :]
        answers = office.with_each(now, lambda member: list(_pages(office, member, reader)))
        for member, answer in answers.items():
            if isinstance(answer, Problem):
                fetched.refusals[member] = answer
                continue
            try:
                _take(view, answer, known, fetched)
            except Problem as problem:
                fetched.refusals[member] = problem
            else:
                served += 1
    if not served:
        raise common(list(fetched.refusals.values()))
    fetched.complete = served >= enough
    return fetched


def holders_asked(members: int, copies: int) -> int:
    """How many of n members must answer that one honest holder of every batch is among them."""
    return min(members, members - copies + (members - 1) // 3 + 1)


def common(problems: Sequence[Problem]) -> Problem:
    """The "no" that most gave; among equals one with a number, since it says why."""
    names = [problem.name for problem in problems]
    return max(problems, key=lambda one: (names.count(one.name), "code" in one.facts))


def _pages(office: Office, member: bytes, reader: ReaderAsks) -> Iterator[GroupsFound]:
    """Everything one member serves; raises its Problem, or CursorStuck."""
    after: bytes | None = None
    while True:
        ask = GroupsAsk(created_ms=office.now_ms(), to=member, after=after, reader=reader)
        found = office.ask(member, GROUPS, GroupsAsked(ask=codec.encode(ask)), GroupsFound)
        yield found
        if found.next is None:
            return
        if after is not None and found.next <= after:
            raise Problem(
                Category.UNVERIFIED, "CursorStuck", "a member's pages do not advance; ask others"
            )
        after = found.next


def _take(
    view: StateView,
    pages: Sequence[GroupsFound],
    known: dict[bytes, set[bytes]],
    fetched: Fetched,
) -> None:
    """Take what is new and true; raises Problem for what is false, and keeps what came before."""
    for page in pages:
        for batch in page.batches:
            # Honest holders serve the same bytes: most of what comes is known already.
            seen = known.setdefault(batch.batch, set())
            if batch.container in seen:
                continue
            one = containers.parse(batch.container)
            _check_root(view, one)
            check_blobs(one)
            seen.add(batch.container)
            fetched.containers.append(one)


def _check_root(view: StateView, one: Container) -> None:
    row = records.batch(view, one.head.batch)
    if row is None or row.root != one.root:
        raise Problem(
            Category.UNVERIFIED,
            "BatchDiffers",
            "a holder served a batch that is not the committed one; other holders were asked",
        )
