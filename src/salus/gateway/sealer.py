"""
Records to a sealed batch, under tags in the member's custody: their slot keys are derived here.

No sheet is needed, and every record takes the key of its own day.
"""

from collections.abc import Mapping, Sequence

from salus.base.errors import Category, Problem
from salus.client.seal import Author, RecordToSeal, Sealed, Seats, TagToSeal, seal_batch
from salus.client.wallet import CompartmentKeys
from salus.gateway.links import Links
from salus.gateway.office import Office
from salus.sealed.days import Node


class Sealer:
    """Seals in the member's name."""

    def __init__(self, office: Office) -> None:
        """Of one gateway."""
        self._office = office
        self._links = Links(office)

    def seal(
        self, records: Sequence[RecordToSeal], keys: Mapping[bytes, CompartmentKeys], seats: Seats
    ) -> Sealed:
        """
        Seal one batch by the tags' present generations; `keys`: by tag.

        Raises Problem TagUnknown, and as `client.seal.seal_batch`.
        """
        slots: dict[bytes, set[Node]] = {}
        for record in records:
            slots.setdefault(record.tag, set()).add(record.slot)
        secrets = self._office.keys
        return seal_batch(
            records,
            chain=self._office.network,
            author=Author(
                member=self._office.member,
                service=secrets.service,
                retention_key=secrets.retention,
                retention_version=0,
            ),
            seats=seats,
            tags={tag: self._tag(keys[tag], wanted) for tag, wanted in slots.items()},
        )

    def _tag(self, keys: CompartmentKeys, slots: set[Node]) -> TagToSeal:
        row = self._office.tag(keys.tag)
        if row is None:
            raise Problem(
                Category.UNAVAILABLE,
                "TagUnknown",
                "a tag in custody is not on this node's ledger yet; try again in a minute",
            )
        link = self._links.own(keys, row.era)
        return TagToSeal(
            generation=row.generation,
            owner_key=keys.owner(row.generation).public,
            slot_keys={slot: keys.slot_key(row.generation, slot).bare for slot in slots},
            link=link.data,
            link_signature=link.signature,
        )
