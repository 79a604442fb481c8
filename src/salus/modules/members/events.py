"""What members tells."""

from salus.base.types import U8, U16, Height, Id16, MemberId, PublicKey, Text64
from salus.machine.module import Event
from salus.modules.members.state import Power, Status


class Admitted(Event, frozen=True, tag="members.admitted"):
    """A member has joined."""

    member: MemberId
    number: U8


class StatusChanged(Event, frozen=True, tag="members.status_changed"):
    """A member was suspended, resumed or removed."""

    member: MemberId
    status: Status


class KeyAdded(Event, frozen=True, tag="members.key_added"):
    """A member has one more key."""

    member: MemberId
    use: U8
    generation: U16


class KeyRetired(Event, frozen=True, tag="members.key_retired"):
    """A member's key counts no more."""

    member: MemberId
    use: U8
    generation: U16


class ValidatorChanged(Event, frozen=True, tag="members.validator_changed"):
    """A node key now has this weight in consensus; the engine passes it on."""

    key: PublicKey
    member: MemberId
    power: Power


class AddressSet(Event, frozen=True, tag="members.address_set"):
    """A member's peers find it elsewhere, or know it by other certificates."""

    member: MemberId


class PractitionerRegistered(Event, frozen=True, tag="members.practitioner_registered"):
    """A person may act for a member."""

    member: MemberId
    practitioner: Id16


class PractitionerEnded(Event, frozen=True, tag="members.practitioner_ended"):
    """A person may act for a member no more."""

    member: MemberId
    practitioner: Id16


class Misbehaved(Event, frozen=True, tag="members.misbehaved"):
    """The consensus engine found a member's node lying; people decide what follows."""

    member: MemberId
    height: Height
    kind: Text64


EVENTS = (
    Admitted,
    StatusChanged,
    KeyAdded,
    KeyRetired,
    ValidatorChanged,
    AddressSet,
    PractitionerRegistered,
    PractitionerEnded,
    Misbehaved,
)
