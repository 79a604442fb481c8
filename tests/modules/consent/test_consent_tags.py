"""Tags: registered by their key, changed by acts of their key alone, in order."""

from typing import Any

import msgspec
import pytest

from salus.base import merkle
from salus.base.errors import Refusal
from salus.base.hashing import ZERO32
from salus.modules.consent import handlers, refusals
from salus.modules.consent.events import TagsRegistered, TagStopped, TagUpdated
from salus.modules.consent.messages import RegisterTags
from salus.modules.consent.queries import tag
from salus.modules.consent.state import TagRecord
from salus.sealed import acts
from salus.sealed.acts import StopTagAct, TagRegistration, UpdateTagAct
from tests.modules.consent.world import (
    BAD_KEY,
    CLOSED,
    CONTROL,
    NEW_CONTROL,
    OPEN,
    STRANGER,
    UNKNOWN,
    ledger_with_tags,
    rows,
    stop,
    twin,
    update,
)
from tests.support.machine import Ledger, told

SHEET = b"\x07" * 32


def registration(
    ledger: Ledger, name: bytes, *, control_key: bytes | None = None, proven: bool = True
) -> TagRegistration:
    """A new tag under CONTROL, or one that is spoiled."""
    good = acts.register_tag(CONTROL if proven else STRANGER, ledger.network, name)
    return msgspec.structs.replace(good, control_key=control_key or CONTROL.public)


def register(ledger: Ledger, **spoiled: bool) -> RegisterTags:
    """Two new tags, spoiled where asked: `unsorted`, `known`, `key`, `proven`."""
    last = OPEN if spoiled.get("known") else b"\x60" * 16
    bad = registration(
        ledger,
        last,
        control_key=BAD_KEY if spoiled.get("key") else None,
        proven=spoiled.get("proven", True),
    )
    first = registration(ledger, b"\x70" * 16 if spoiled.get("unsorted") else b"\x01" * 16)
    return RegisterTags(tags=[first, bad])


REGISTER = rows(
    {
        refusals.TagsUnsorted: {"unsorted": True},
        refusals.TagExists: {"known": True},
        refusals.KeyInvalid: {"key": True},
        refusals.ActBadSignature: {"proven": False},
    }
)


@pytest.mark.parametrize(("refusal", "spoiled"), REGISTER)
def test_register_tags_refuses_in_order(refusal: type[Refusal], spoiled: dict[str, Any]) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    ledger = ledger_with_tags()

    with pytest.raises(refusal):
        handlers.register_tags(ledger.context(ledger.members[0]), register(ledger, **spoiled))


def test_register_tags_refuses_one_tag_twice() -> None:
    """Equal neighbours are out of order too."""
    ledger = ledger_with_tags()
    new = registration(ledger, UNKNOWN)

    with pytest.raises(refusals.TagsUnsorted):
        handlers.register_tags(ledger.context(ledger.members[0]), RegisterTags(tags=[new, new]))


def test_register_tags() -> None:
    """New tags have era, generation and sequence 0, no sheet, and are open (corrections 25)."""
    ledger = ledger_with_tags()
    message = register(ledger)
    receipt = ledger.send(ledger.members[0], message)
    names = [new.tag for new in message.tags]
    expected = TagRecord(
        control_key=CONTROL.public,
        era=0,
        first_day=0,
        generation=0,
        open=True,
        sequence=0,
        sheet_root=ZERO32,
    )

    assert receipt.code == 0
    assert [expected, expected] == [tag(ledger.context(), name) for name in names]
    assert [TagsRegistered(count=2, root=merkle.root(names))] == told(
        receipt.events, TagsRegistered
    )


def test_256_tags_fit_one_message() -> None:
    """A relay registers sixteen people at once; one tag more is out of form."""
    ledger = ledger_with_tags()
    new = [registration(ledger, b"\x05" + bytes(13) + i.to_bytes(2, "big")) for i in range(257)]

    assert ledger.send(ledger.members[0], RegisterTags(tags=new[:256])).code == 0
    assert ledger.send(ledger.members[0], RegisterTags(tags=new)).code == 5


MALFORMED = twin(
    UpdateTagAct(
        control_key=CONTROL.public,
        era=0,
        first_day=0,
        generation=0,
        open=True,
        sequence=1,
        sheet_root=ZERO32,
        tag=OPEN,
    )
)

UPDATE = rows(
    {
        refusals.ActMalformed: {"raw": MALFORMED},
        refusals.TagUnknown: {"tag": UNKNOWN},
        refusals.TagClosed: {"tag": CLOSED},
        refusals.SequenceNotNext: {"sequence": 2},
        refusals.ActBadSignature: {"signer": STRANGER},
        refusals.KeyInvalid: {"control_key": BAD_KEY},
        refusals.NewKeyNotProven: {"control_key": NEW_CONTROL.public, "prover": STRANGER},
        refusals.GenerationNotNext: {"generation": 2},
        refusals.EraNotNext: {"era": 2},
        refusals.SheetInvalid: {"first_day": 46_273},
    }
)


@pytest.mark.parametrize(("refusal", "spoiled"), UPDATE)
def test_update_tag_refuses_in_order(refusal: type[Refusal], spoiled: dict[str, Any]) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    ledger = ledger_with_tags()

    with pytest.raises(refusal):
        handlers.update_tag(ledger.context(ledger.members[0]), update(ledger, **spoiled))


EDGES = {
    "a new key without proof": (refusals.NewKeyNotProven, {"control_key": NEW_CONTROL.public}),
    "a proof without a new key": (refusals.NewKeyNotProven, {"prover": CONTROL}),
    "a sheet of no day": (refusals.SheetInvalid, {"sheet_root": ZERO32}),
    "a sheet that begins off the step": (refusals.SheetInvalid, {"first_day": 1}),
}


@pytest.mark.parametrize(("refusal", "spoiled"), EDGES.values(), ids=EDGES.keys())
def test_update_tag_refuses_edges(refusal: type[Refusal], spoiled: dict[str, Any]) -> None:
    """Half-stated changes are refused, whichever half is missing."""
    ledger = ledger_with_tags()

    with pytest.raises(refusal):
        handlers.update_tag(ledger.context(ledger.members[0]), update(ledger, **spoiled))


@pytest.mark.parametrize("counter", ["generation", "era"])
def test_counters_never_fall(counter: str) -> None:
    """Once raised, neither generation nor era goes back."""
    ledger = ledger_with_tags()
    fields: dict[str, Any] = {counter: 1, "sheet_root": b"\x08" * 32}
    raised = update(ledger, **fields)
    assert ledger.send(ledger.members[0], raised).code == 0
    code = ledger.send(ledger.members[0], update(ledger, sequence=2)).code

    expected = {
        "generation": refusals.GenerationNotNext.number,
        "era": refusals.EraNotNext.number,
    }
    assert 4_000 + expected[counter] == code


def test_a_new_generation_cannot_keep_the_old_sheet() -> None:
    """The old sheet's keys open to those the new generation shuts out."""
    ledger = ledger_with_tags()
    assert ledger.send(ledger.members[0], update(ledger)).code == 0

    with pytest.raises(refusals.SheetInvalid):
        handlers.update_tag(
            ledger.context(ledger.members[0]), update(ledger, sequence=2, generation=1)
        )


def test_update_tag() -> None:
    """The whole record becomes what the act says; the new key then signs alone."""
    ledger = ledger_with_tags()
    message = update(
        ledger, control_key=NEW_CONTROL.public, prover=NEW_CONTROL, generation=1, era=1
    )
    receipt = ledger.send(ledger.members[1], message)
    expected = TagRecord(
        control_key=NEW_CONTROL.public,
        era=1,
        first_day=46_272,
        generation=1,
        open=True,
        sequence=1,
        sheet_root=SHEET,
    )

    assert expected == tag(ledger.context(), OPEN)
    assert [TagUpdated(era=1, generation=1, open=True, sequence=1, tag=OPEN)] == told(
        receipt.events, TagUpdated
    )


def test_closing_is_for_good() -> None:
    """After an update with open false no act changes the tag."""
    ledger = ledger_with_tags()
    assert ledger.send(ledger.members[0], update(ledger, open=False)).code == 0

    with pytest.raises(refusals.TagClosed):
        handlers.update_tag(ledger.context(ledger.members[0]), update(ledger, sequence=2))
    with pytest.raises(refusals.TagClosed):
        handlers.stop_tag(ledger.context(ledger.members[0]), stop(ledger, sequence=2))


STOP = rows(
    {
        refusals.ActMalformed: {"raw": twin(StopTagAct(era=1, sequence=1, tag=OPEN))},
        refusals.TagUnknown: {"tag": UNKNOWN},
        refusals.TagClosed: {"tag": CLOSED},
        refusals.SequenceNotNext: {"sequence": 0},
        refusals.ActBadSignature: {"signer": STRANGER},
        refusals.EraNotNext: {"era": 0},
    }
)


@pytest.mark.parametrize(("refusal", "spoiled"), STOP)
def test_stop_tag_refuses_in_order(refusal: type[Refusal], spoiled: dict[str, Any]) -> None:
    """Each row also breaks every later rule; the first refusal is the one told."""
    ledger = ledger_with_tags()

    with pytest.raises(refusal):
        handlers.stop_tag(ledger.context(ledger.members[0]), stop(ledger, **spoiled))


def test_stop_tag() -> None:
    """The era goes up by one, and nothing else of the record but its sequence changes."""
    ledger = ledger_with_tags()
    before = tag(ledger.context(), OPEN)
    receipt = ledger.send(ledger.members[2], stop(ledger))
    assert before is not None

    expected = msgspec.structs.replace(before, era=1, sequence=1)
    assert expected == tag(ledger.context(), OPEN)
    assert [TagStopped(era=1, tag=OPEN)] == told(receipt.events, TagStopped)
