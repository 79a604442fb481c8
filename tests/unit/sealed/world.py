"""A small world to seal in: one person, four witnesses, one author; all keys are counted."""

import hashlib
from collections.abc import Sequence

from salus.base.sealing import SealingKey
from salus.base.signing import SigningKey
from salus.client.seal import Author, RecordToSeal, Sealed, Seats, TagToSeal, seal_batch
from salus.client.unseal import SlotKeys
from salus.client.wallet import Compartment, CompartmentKeys, Wallet
from salus.sealed import container
from salus.sealed.container import Container
from salus.sealed.days import Node, day_slot
from salus.sealed.record import Meta
from salus.sealed.shares import shares_of

CHAIN = hashlib.sha256(b"test chain").digest()
WALLET = Wallet(bytes(range(32)))
LABS = WALLET.compartment(Compartment.LABS)
NOTES = WALLET.compartment(Compartment.NOTES)
DAY = 46_346
HOLDERS = {x: SealingKey(bytes([x]) * 32) for x in (1, 2, 5, 255)}
SEATS = Seats(3, 3, tuple((x, key.public) for x, key in HOLDERS.items()))
AUTHOR = Author(bytes([0xA0] * 16), SigningKey(bytes([0xA1] * 32)), bytes([0xA2] * 32), 7)


def record(
    keys: CompartmentKeys = LABS, day: int = DAY, number: int = 0, *, slot: Node | None = None
) -> RecordToSeal:
    """One record of a compartment; its body names its number."""
    meta = Meta(type="Observation", id=f"o{number}", labels=["R"], day=day)
    body = b'{"resourceType":"Observation","id":"o%d"}' % number
    name = hashlib.sha256(b"record %d" % number).digest()[:16]
    return RecordToSeal(keys.tag, slot or day_slot(day), name, 1, meta, body)


def tag_to_seal(keys: CompartmentKeys, slots: Sequence[Node], generation: int = 0) -> TagToSeal:
    """What a writer knows of a compartment."""
    slot_keys = {slot: keys.slot_key(generation, slot).bare for slot in slots}
    return TagToSeal(
        generation, keys.owner(generation).public, slot_keys, b"a link", b"\x01" + bytes(64)
    )


def sealed(
    records: Sequence[RecordToSeal], seats: Seats = SEATS, author: Author = AUTHOR
) -> Sealed:
    """Seal records of any of the person's two compartments."""
    tags = {
        keys.tag: tag_to_seal(keys, [each.slot for each in records if each.tag == keys.tag])
        for keys in (LABS, NOTES)
    }
    return seal_batch(records, chain=CHAIN, author=author, seats=seats, tags=tags)


def batch(records: Sequence[RecordToSeal], seats: Seats = SEATS) -> Container:
    """Seal and parse."""
    return container.parse(sealed(records, seats).container)


def released(parsed: Container, number: int, seats: Sequence[int] = (1, 2, 5)) -> dict[int, bytes]:
    """What these seats would release for one group."""
    return {x: shares_of(parsed, x, HOLDERS[x])[number] for x in seats}


def reader_keys(first_day: int = DAY, last_day: int = DAY) -> SlotKeys:
    """The keys of a grant for both compartments over a window."""
    seeds = {(keys.tag, 0): keys.seeds(0, first_day, last_day) for keys in (LABS, NOTES)}
    return SlotKeys(seeds)
