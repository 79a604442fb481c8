"""
What a member checks of a container before its receipt: V1 to V12, the lowest code first.

`sealed.checks` holds those that need the container alone; here they are joined with those that need
the ledger's state (`patient-control.md` §5.2). V13 is the share store's, V14 the vault's.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

from salus.base.codec import Malformed
from salus.base.errors import Category, Problem
from salus.base.limits import LINK_MS_MAX
from salus.base.signing import SignatureRefused
from salus.machine.context import View
from salus.modules.consent import queries as consent
from salus.modules.consent.state import TagRecord
from salus.modules.members import queries as members
from salus.modules.members.state import SERVICE
from salus.sealed import acts, checks
from salus.sealed import container as containers
from salus.sealed.acts import Link
from salus.sealed.container import Container
from salus.sealed.items import OwnerPacket

KnownRoot = Callable[[bytes], bytes | None]
"""Batch id -> the root this id already stands for, on the ledger or in this vault, or None."""


def check(view: View, sender: bytes, data: bytes, known_root: KnownRoot) -> Container:
    """
    Check a container as `sender` hands it in, and give it parsed; 10 ms for 1,000 groups.

    Raises Problem with fact `code`: V1 BatchTooLarge, BatchMalformed, BatchPruned, NetworkDiffers;
    V2 SuiteUnknown; V3 AuthorDiffers, AuthorInactive, AuthorUnsigned; V4 SeatsNotCurrent; V5
    RootDiffers; V6 BlobDiffers; V7 TagUnknown; V8 GenerationNotCurrent; V9 LinkInvalid; V10
    LevelUnknown; V11 OwnerPacketMissing; V12 SizesWrong.
    """
    container = containers.parse(data)
    checks.check_complete(container)
    if container.head.chain != view.network:
        raise _no(Category.INVALID, "NetworkDiffers", "V1", "a container of this network")
    _check_author(view, sender, container)
    _check_seats(view, container)
    if known_root(container.head.batch) not in (None, container.root):
        raise _no(Category.CONFLICT, "RootDiffers", "V5", "an id that names no other container")
    checks.check_blobs(container)
    records = _check_tags(view, container)
    _check_generations(container, records)
    for packet in filter(None, container.owner_packets):
        _check_link(view, container.head.author, packet, records.get(packet.tag))
    checks.check_form(container)
    return container


def check_signed(view: View, container: Container) -> None:
    """Check the author's signature by any service key it ever had; raises Problem V3."""
    author = container.head.author
    ever = range(members.ring(view, author, SERVICE).count)
    rows = (members.key(view, author, SERVICE, generation) for generation in ever)
    _check_signature(container, [row.key for row in rows if row is not None])


def _check_author(view: View, sender: bytes, container: Container) -> None:
    author = container.head.author
    if sender != author:
        raise _no(Category.FORBIDDEN, "AuthorDiffers", "V3", "the sender to be the author")
    if not members.active(view, author):
        raise _no(Category.FORBIDDEN, "AuthorInactive", "V3", "an author that is an active member")
    _check_signature(container, members.keys(view, author, SERVICE, view.time_ms))


def _check_signature(container: Container, keys: Iterable[bytes]) -> None:
    unsigned = _no(
        Category.UNVERIFIED, "AuthorUnsigned", "V3", "the author's signature over the root"
    )
    for key in keys:
        try:
            checks.check_author(container, key)
        except Problem as problem:
            unsigned = problem
            continue
        return
    raise unsigned


def _check_seats(view: View, container: Container) -> None:
    seats = consent.seats_valid(view, container.head.seats)
    if (
        seats is None
        or container.seats != tuple(holder.x for holder in seats.holders)
        or container.head.threshold != seats.threshold
    ):
        raise _no(Category.CONFLICT, "SeatsNotCurrent", "V4", "shares for the current seats")


def _check_tags(view: View, container: Container) -> dict[bytes, TagRecord]:
    tags = sorted({group.tag for group in container.groups if group is not None})
    records = {}
    for tag in tags:
        record = consent.tag(view, tag)
        if record is None or not record.open:
            raise _no(Category.INVALID, "TagUnknown", "V7", "tags that are known and open")
        records[tag] = record
    return records


def _check_generations(container: Container, records: dict[bytes, TagRecord]) -> None:
    for group in filter(None, container.groups):
        if group.generation != records[group.tag].generation:
            raise _no(
                Category.CONFLICT, "GenerationNotCurrent", "V8", "each tag's present generation"
            )


def _check_link(view: View, author: bytes, packet: OwnerPacket, record: TagRecord | None) -> None:
    try:
        if record is None:
            raise SignatureRefused("a packet of a tag without groups")
        link = _read_link(record.control_key, view.network, packet.link, packet.link_signature)
    except (Malformed, SignatureRefused):
        raise _bad_link("by the tag's present control key") from None
    if link.tag != packet.tag or link.writer not in (None, author):
        raise _bad_link("for this tag and author")
    if link.era != record.era:
        raise _bad_link("of the tag's present era")
    if not view.time_ms < link.until <= view.time_ms + LINK_MS_MAX:
        raise _bad_link("that has not expired, and ends within 13 months")


@lru_cache(maxsize=16_384)
def _read_link(key: bytes, chain: bytes, data: bytes, signature: bytes) -> Link:
    """Read and verify a link; an author shows the same one with every batch of a tag."""
    return acts.check(Link, key, chain, data, signature)


def _bad_link(what: str) -> Problem:
    return _no(Category.FORBIDDEN, "LinkInvalid", "V9", f"a leave to write {what}")


def _no(category: Category, name: str, code: str, expected: str) -> Problem:
    return Problem(
        category,
        name,
        f"the container is refused: expected {expected}; seal the records again under a new id",
        code=code,
    )
