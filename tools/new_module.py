"""
Write a new module: `python -m tools.new_module officers --number 12`.

It makes the ten files with one small working message, its tests and its workload, so that all
checks pass before the first line of one's own; then it says what is left to do.
"""

import argparse
import re
import sys
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[1]

README = """\
# ${name}: what it does, in a line

## What it is for
Whom it serves, and what they could not do before.

## State
| prefix | table | key | row |
| --- | --- | --- | --- |
| ${number}/1 | `${name}.note` | member 16 B | text, 1–64 characters |

## Messages, refusals in order, events
| message | refusals in order | event |
| --- | --- | --- |
| `${name}.put_note` text | 2 NoteTooLong (> 64), 3 SameNote | `${name}.note_put` member |

## Queries
`note(member)`.

## Invariants
A note is 1–64 characters long.

## Privacy
Who sees what of it, and what never stands here.
"""

FILES = {
    "README.md": README,
    "__init__.py": '''\
"""What ${name} does, in a line."""
''',
    "state.py": '''\
"""What ${name} remembers."""

from salus.base.codec import Struct
from salus.base.types import Text64
from salus.state.tables import Table, raw


class Note(Struct, frozen=True):
    """What a member wants all to read."""

    text: Text64


NOTE = Table(${number}, 1, "${name}.note", Note, (raw("member", 16),))
''',
    "messages.py": '''\
"""What may be asked of ${name}."""

from salus.machine.module import Message


class PutNote(Message, frozen=True, tag="${name}.put_note"):
    """Put the signing member's note in place of its last one."""

    text: str
    """1-64 characters."""
''',
    "refusals.py": '''\
"""Why ${name} refuses; 1 is the machine's NotAMember, which surfaces as its codes 9 and 10."""

from salus.base.errors import Category, Refusal


class NoteTooLong(Refusal, number=2, category=Category.INVALID):
    """A note has 1 to 64 characters."""

    limit: int
    found: int


class SameNote(Refusal, number=3, category=Category.CONFLICT):
    """The note stands already, just so."""


REFUSALS = (NoteTooLong, SameNote)
''',
    "events.py": '''\
"""What ${name} tells."""

from salus.base.types import MemberId
from salus.machine.module import Event


class NotePut(Event, frozen=True, tag="${name}.note_put"):
    """A member has another note."""

    member: MemberId
''',
    "rules.py": '''\
"""How ${name} decides; pure."""

NOTE_CHARACTERS_MAX = 64
"""So that a note is a line, not a letter."""


def is_note(text: str) -> bool:
    """Whether the text is a note: 1 to 64 characters."""
    return 0 < len(text) <= NOTE_CHARACTERS_MAX
''',
    "handlers.py": '''\
"""What happens: one function a message."""

from salus.machine.context import Context
from salus.modules.${name} import refusals, rules
from salus.modules.${name}.events import NotePut
from salus.modules.${name}.messages import PutNote
from salus.modules.${name}.queries import note
from salus.modules.${name}.state import NOTE, Note


def put_note(ctx: Context, msg: PutNote) -> None:
    """
    Put the signing member's note.

    Writes `${name}.note`; emits `NotePut`. Refuses, in this order: NoteTooLong, SameNote.
    """
    # Check.
    if not rules.is_note(msg.text):
        raise refusals.NoteTooLong(limit=rules.NOTE_CHARACTERS_MAX, found=len(msg.text))
    if note(ctx, ctx.member) == Note(text=msg.text):
        raise refusals.SameNote

    # Change.
    ctx.write(NOTE, Note(text=msg.text), ctx.member)

    # Tell.
    ctx.emit(NotePut(member=ctx.member))
''',
    "queries.py": '''\
"""What may be read of ${name}."""

from salus.machine.context import View
from salus.modules.${name}.state import NOTE, Note


def note(view: View, member: bytes) -> Note | None:
    """A member's note, or None."""
    return view.read(NOTE, member)
''',
    "invariants.py": '''\
"""What is always true of ${name}."""

from collections.abc import Mapping

from salus.base.errors import invariant
from salus.modules.${name} import rules
from salus.modules.${name}.state import Note


def notes_are_short(notes: Mapping[bytes, Note]) -> None:
    """Each note has 1 to 64 characters."""
    for row in notes.values():
        invariant(rules.is_note(row.text), "${name}: a note out of bounds")
''',
    "module.py": '''\
"""Contents of ${name}."""

from salus.machine.module import Module
from salus.modules.${name} import handlers, queries
from salus.modules.${name}.events import NotePut
from salus.modules.${name}.invariants import notes_are_short
from salus.modules.${name}.messages import PutNote
from salus.modules.${name}.refusals import REFUSALS
from salus.modules.${name}.state import NOTE

MODULE = Module(
    number=${number},
    name="${name}",
    messages=(PutNote,),
    handlers=handlers,
    refusals=REFUSALS,
    events=(NotePut,),
    tables=(NOTE,),
    queries=(queries.note,),
    invariants=(notes_are_short,),
)
''',
}

TEST = '''\
"""PutNote: each refusal in order, then what passes; and a random workload."""

import pytest

from salus.base.errors import Refusal
from salus.chain import MODULES
from salus.modules.${name} import refusals
from salus.modules.${name}.events import NotePut
from salus.modules.${name}.handlers import put_note
from salus.modules.${name}.messages import PutNote
from salus.modules.${name}.module import MODULE
from tests.support.machine import Ledger, told
from tests.support.workload import run
from tests.workloads.${name} import NotesWorkload

ROWS: dict[str, tuple[str, type[Refusal]]] = {
    "nothing": ("", refusals.NoteTooLong),
    "65 characters": ("x" * 65, refusals.NoteTooLong),
    "the same": ("here", refusals.SameNote),
}


@pytest.fixture
def noted() -> Ledger:
    """A ledger whose first member has a note."""
    ledger = Ledger(members=2, modules=[one for one in MODULES if one is not MODULE] + [MODULE])
    receipt = ledger.send(ledger.members[0], PutNote(text="here"))
    assert [NotePut(member=ledger.members[0].id)] == told(receipt.events, NotePut)
    return ledger


@pytest.mark.parametrize(("text", "refusal"), ROWS.values(), ids=ROWS.keys())
def test_put_note_refuses_in_order(noted: Ledger, text: str, refusal: type[Refusal]) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    with pytest.raises(refusal):
        put_note(noted.context(noted.members[0]), PutNote(text=text))


def test_random_acts_end_as_predicted(noted: Ledger) -> None:
    """100 acts: outcome, state and invariants as a dictionary says."""
    seen = run(NotesWorkload(noted), seed=1, steps=100)

    assert {0, ${number}002, ${number}003} == set(seen)
'''

WORKLOAD = '''\
"""The workload of ${name}: notes put by few members, so that they meet one another."""

from random import Random

from salus.modules.${name}.invariants import notes_are_short
from salus.modules.${name}.messages import PutNote
from salus.modules.${name}.state import NOTE
from tests.support.machine import Ledger
from tests.support.workload import Step


class NotesWorkload:
    """A dictionary of notes beside the ledger's."""

    def __init__(self, ledger: Ledger) -> None:
        """Start from what the ledger holds."""
        self.ledger = ledger
        self.notes = {member: row.text for member, row in ledger.all_rows(NOTE).items()}

    def draw(self, random: Random) -> Step:
        """A note, a third of them wrong."""
        actor = random.choice(self.ledger.members)
        message = PutNote(text=random.choice(("", "a", "b", "x" * 65)))
        code = 0
        if message.text not in ("a", "b"):
            code = ${number}002
        elif self.notes.get(actor.id) == message.text:
            code = ${number}003

        def change() -> None:
            self.notes[actor.id] = message.text

        return Step(repr(message), code, lambda: self.ledger.send(actor, message).code, change)

    def check(self) -> None:
        """The ledger's notes are the dictionary's."""
        rows = self.ledger.all_rows(NOTE)
        assert self.notes == {member: row.text for member, row in rows.items()}
        notes_are_short(rows)
'''

NEXT = """\
wrote {count} files. Next:
 1. README.md first: state, messages, refusals in order, events, privacy
 2. messages, refusals, state, events; rules; handlers, each with its decision table
 3. one line in src/salus/chain.py, and number {number} is taken for good
 4. pytest tests/house tests/modules/{name} says in words what is missing"""


def files(name: str, number: int) -> dict[str, str]:
    """Path below the project's folder -> text."""
    templates = {f"src/salus/modules/{name}/{file}": text for file, text in FILES.items()}
    templates[f"tests/modules/{name}/test_{name}.py"] = TEST
    templates[f"tests/workloads/{name}.py"] = WORKLOAD
    return {
        path: Template(text).substitute(name=name, number=number)
        for path, text in templates.items()
    }


def write(root: Path, name: str, number: int) -> list[Path]:
    """Write the files below `root`; raises FileExistsError before the first if one is there."""
    made = {root / path: text for path, text in files(name, number).items()}
    for path in made:
        if path.exists():
            raise FileExistsError(path)
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(made)


def main() -> int:
    """Read the command line, write, and say what is next."""
    parser = argparse.ArgumentParser(description="write a new module of the machine")
    parser.add_argument("name", help="one lower-case word, a plural noun")
    parser.add_argument("--number", type=int, required=True, help="a free one of 1-31, for good")
    args = parser.parse_args()
    if not re.fullmatch("[a-z]{2,20}", args.name) or not 1 <= args.number <= 31:
        parser.error("expected a name of 2-20 letters a-z and a number of 1-31")
    try:
        made = write(ROOT, args.name, args.number)
    except FileExistsError as error:
        print(f"{error} is there already; nothing was written", file=sys.stderr)
        return 73
    print(NEXT.format(count=len(made), name=args.name, number=args.number), file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
