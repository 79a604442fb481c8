"""
Rate and size of sealing, and of what members and readers do with the result.

Bars: `patient-control.md` §9. Records are FHIR-like observations of 1.3 kB of one person with 16
compartments; n = 4, t = 3. Times are those of one core, the median of five runs.
"""

import functools
import json
import random
import statistics
import time
from collections.abc import Callable
from typing import TypeVar

from salus.base.sealing import SealingKey, seal
from salus.base.signing import SigningKey
from salus.client.seal import Author, RecordToSeal, Seats, TagToSeal, seal_batch
from salus.client.unseal import SlotKeys, open_as_reader
from salus.client.wallet import Compartment, CompartmentKeys, Wallet
from salus.sealed import checks, container, sheet
from salus.sealed.days import day_slot
from salus.sealed.record import Meta
from salus.sealed.shares import shares_of

CHAIN = bytes(32)
FIRST_DAY = 46_272
SEATS = 4
THRESHOLD = 3
DAYS = 64
TIMES = 5

T = TypeVar("T")


def main() -> None:
    """Print the table."""
    wallet = Wallet(bytes(range(32)))
    keys = [wallet.compartment(number) for number in Compartment]
    tags = {each.tag: _tag(each) for each in keys}
    holders = [SealingKey.random() for _ in range(SEATS)]
    author = Author(bytes(16), SigningKey.random(), bytes(32), 1)
    seats = Seats(1, THRESHOLD, tuple((x, key.public) for x, key in enumerate(holders, 1)))

    public = holders[0].public
    _, seconds = _timed(lambda: [seal(public, bytes(32), "mail", CHAIN) for _ in range(1_000)])
    print(f"{'what':<52}{'measured':>12}{'bar':>10}")
    _row("one HPKE seal alone, us", seconds * 1e3, None)
    for per_group, rate_min, items_max in ((1, 5_000, 660), (2, 8_000, 420), (5, 10_000, 270)):
        records = _records(list(tags), 1_000 // per_group, per_group)
        work = functools.partial(
            seal_batch, records, chain=CHAIN, author=author, seats=seats, tags=tags
        )
        sealed, seconds = _timed(work)
        parsed = container.parse(sealed.container)
        blob = parsed.head.blobs_bytes / len(records)
        items = len(sealed.container) / len(records) - blob
        _row(f"sealed records/s, {per_group} a group", len(records) / seconds, rate_min)
        _row(f"  item bytes a record, {per_group} a group", items, items_max)
        _row("  blob bytes a record", blob, 700)

    records = _records(list(tags), 1_000, 2)
    sealed = seal_batch(records, chain=CHAIN, author=author, seats=seats, tags=tags)
    parsed, seconds = _timed(lambda: container.parse(sealed.container))
    _row("parse with root, 1,000 groups, 2,000 records, ms", seconds * 1e3, None)
    _, seconds = _timed(lambda: _check(parsed, holders[0]))
    _row("member's check of shares and root, ms", seconds * 1e3, 15)
    _, seconds = _timed(lambda: _check_bytes(parsed))
    _row("member's check of blobs and form, ms", seconds * 1e3, None)
    _reader(parsed, holders, keys)
    _, seconds = _timed(lambda: keys[0].sheet(0, FIRST_DAY))
    _row("sheet, ms", seconds * 1e3, 30)


def _reader(
    parsed: container.Container, holders: list[SealingKey], keys: list[CompartmentKeys]
) -> None:
    """Open 2,000 records in 1,000 groups, and scale to 5,000 in 2,500."""
    released = {x: shares_of(parsed, x, key) for x, key in enumerate(holders[:THRESHOLD], 1)}
    seeds = {(each.tag, 0): each.seeds(0, FIRST_DAY, FIRST_DAY + 89) for each in keys}

    def read() -> int:
        slot_keys = SlotKeys(seeds)
        count = 0
        for number in range(len(parsed.groups)):
            shares = {x: of_seat[number] for x, of_seat in released.items()}
            opened = open_as_reader(parsed, number, shares=shares, keys=slot_keys)
            count += sum(1 for _ in opened.records())
        return count

    _, seconds = _timed(read)
    _row("reader opens 5,000 records in 2,500 groups, s", seconds * 2.5, 0.5)


def _check(parsed: container.Container, key: SealingKey) -> None:
    container.root_of(parsed.items)
    shares_of(parsed, 1, key)


def _check_bytes(parsed: container.Container) -> None:
    checks.check_blobs(parsed)
    checks.check_form(parsed)


def _tag(keys: CompartmentKeys) -> TagToSeal:
    made = keys.sheet(0, FIRST_DAY)
    slots = [day_slot(FIRST_DAY + offset) for offset in range(DAYS)]
    slot_keys = {slot: sheet.extract(made, slot).key for slot in slots}
    return TagToSeal(0, made.owner_key, slot_keys, bytes(120), b"\x01" + bytes(64))


def _records(tags: list[bytes], groups: int, per_group: int) -> list[RecordToSeal]:
    """Fill groups of `per_group` records, each with a tag and a day of its own."""
    draw = random.Random(1)  # the same records in every run
    records = []
    for number in range(groups * per_group):
        group = number // per_group
        day = FIRST_DAY + group // len(tags)
        meta = Meta(type="Observation", id=f"obs-{number}", labels=[], day=day)
        body = _observation(draw, number)
        record = RecordToSeal(
            tags[group % len(tags)], day_slot(day), draw.randbytes(16), 1, meta, body
        )
        records.append(record)
    return records


def _observation(draw: random.Random, number: int) -> bytes:
    code = {"system": "http://loinc.org", "code": f"{draw.randrange(99_999)}-{draw.randrange(9)}"}
    return json.dumps(
        {
            "resourceType": "Observation",
            "id": f"obs-{number}",
            "meta": {"lastUpdated": "2026-11-23T10:00:00Z", "versionId": "1"},
            "status": "final",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/"
                                      "observation-category", "code": "laboratory"}]}],
            "code": {"coding": [code], "text": draw.randbytes(24).hex()},
            "subject": {"reference": f"urn:uuid:{draw.randbytes(16).hex()}"},
            "encounter": {"reference": f"urn:uuid:{draw.randbytes(16).hex()}"},
            "effectiveDateTime": "2026-11-23T10:00:00Z",
            "component": [
                {"code": code, "valueQuantity": {"value": draw.random(), "unit": "mmol/L",
                 "system": "http://unitsofmeasure.org", "code": "mmol/L"}}
                for _ in range(3)
            ],
        }
    ).encode()  # fmt: skip


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    seconds = []
    for _ in range(TIMES):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return result, statistics.median(seconds)


def _row(what: str, measured: float, bar: float | None) -> None:
    shown = f"{measured:,.2f}" if measured < 10 else f"{measured:,.0f}"
    print(f"{what:<52}{shown:>12}{'' if bar is None else f'{bar:,}':>10}")


if __name__ == "__main__":
    main()
