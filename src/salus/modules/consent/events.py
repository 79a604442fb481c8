"""What consent tells."""

from salus.base.types import U8, U32, Count, Hash32, Id16, MemberId, Tag, TimeMs
from salus.machine.module import Event


class TagsRegistered(Event, frozen=True, tag="consent.tags_registered"):
    """New tags are known."""

    count: Count

    root: Hash32
    """RFC 6962 root over the tags, 16 B each, ascending."""


class TagUpdated(Event, frozen=True, tag="consent.tag_updated"):
    """A tag has a new record; its keys and sheet stand in the state."""

    era: U32
    generation: U32
    open: bool
    sequence: Count
    tag: Tag


class TagStopped(Event, frozen=True, tag="consent.tag_stopped"):
    """All grants and links on a tag are dead."""

    era: U32
    tag: Tag


class GrantPut(Event, frozen=True, tag="consent.grant_put"):
    """A grant is in force."""

    grant: Id16
    until_ms: TimeMs


class GrantRevoked(Event, frozen=True, tag="consent.grant_revoked"):
    """A grant opens nothing more."""

    grant: Id16


class IntentsPosted(Event, frozen=True, tag="consent.intents_posted"):
    """A member announced accesses."""

    member: MemberId
    root: Hash32
    sequence: Count


class LogAnchored(Event, frozen=True, tag="consent.log_anchored"):
    """A member's log is fixed up to a size."""

    log: U8
    member: MemberId
    root: Hash32
    size: Count


class SeatsSet(Event, frozen=True, tag="consent.seats_set"):
    """New batches name this version of the seats."""

    version: U32


EVENTS = (
    TagsRegistered,
    TagUpdated,
    TagStopped,
    GrantPut,
    GrantRevoked,
    IntentsPosted,
    LogAnchored,
    SeatsSet,
)
