"""
Packages: openings and seeds, sealed to the reader and left in every member's vault.

A package has at most 64 KiB; what does not fit into one goes into further ones, the newest keys
first, and the reader joins them.
"""

from collections.abc import Iterator, Sequence

from salus.base.errors import Category, Problem
from salus.base.sealing import seal
from salus.client.wallet import CompartmentKeys
from salus.gateway.office import Office
from salus.node.vault.messages import PACKAGE_PUT, PackagePut
from salus.node.vault.messages import Done as Stored
from salus.sealed.grants import Item, Opening, Package, TagSeeds, Terms, pack_package, sign_opening

SEEDS_BYTES_MAX = 40 * 1024
"""Seeds of one package: with 32 openings and terms of 16 KiB they stay below 64 KiB."""

_NAMES_BYTES = 80
"""Tag, generation and field names beside the seeds of one entry."""


class Delivery:
    """Hands grants over to their readers."""

    def __init__(self, office: Office) -> None:
        """Of one gateway."""
        self._office = office

    def hand_over(
        self, reader: bytes, terms: Terms, data: bytes, keys: Sequence[CompartmentKeys]
    ) -> None:
        """
        Put a grant's packages, with all keys its tags have had, into every vault that answers.

        `data`: the terms' canonical bytes; `keys`: of the terms' items. Raises Problem: no vault
        took one.
        """
        by_tag = {one.tag: one for one in keys}
        openings = [
            sign_opening(by_tag[item.tag].control(0), self._office.network, data, item.tag)
            for item in terms.items
        ]
        seeds = [one for item in terms.items for one in self._seeds(by_tag[item.tag], item)]
        for part in _parts(seeds):
            self._put(reader, terms.grant, data, openings, part)

    def _put(
        self,
        reader: bytes,
        grant: bytes,
        data: bytes,
        openings: list[Opening],
        seeds: list[TagSeeds],
    ) -> None:
        package = Package(keys=seeds, links=[], openings=openings, terms=data)
        key = self._office.sealing_key(reader)
        sealed = seal(key, pack_package(package), "package", self._office.network, grant)
        answers = self._office.ask_all(
            self._office.members(), PACKAGE_PUT, PackagePut(grant=grant, sealed=sealed), Stored
        )
        problems = [answer for answer in answers.values() if isinstance(answer, Problem)]
        if len(problems) == len(answers):
            raise problems[0]

    def _seeds(self, keys: CompartmentKeys, item: Item) -> list[TagSeeds]:
        """Seeds of every generation the tag has had, over the item's window."""
        row = self._office.tag(keys.tag)
        if row is None:
            raise Problem(Category.NOT_FOUND, "TagUnknown", "the tag is not on the ledger")
        return [
            TagSeeds(blocks=seeds.blocks, generation=generation, nodes=seeds.nodes, tag=keys.tag)
            for generation in range(row.generation + 1)
            for seeds in [keys.seeds(generation, item.first_day, item.last_day)]
        ]


def _parts(seeds: Sequence[TagSeeds]) -> Iterator[list[TagSeeds]]:
    """Cut seeds into packages, the newest generations in the first; each sorted as it must be."""
    part: list[TagSeeds] = []
    part_bytes = 0
    for one in sorted(seeds, key=lambda one: (-one.generation, one.tag)):
        one_bytes = len(one.nodes) + len(one.blocks) + _NAMES_BYTES
        if part and part_bytes + one_bytes > SEEDS_BYTES_MAX:
            yield _sorted(part)
            part, part_bytes = [], 0
        part.append(one)
        part_bytes += one_bytes
    yield _sorted(part)


def _sorted(part: Sequence[TagSeeds]) -> list[TagSeeds]:
    return sorted(part, key=lambda one: (one.tag, one.generation))
