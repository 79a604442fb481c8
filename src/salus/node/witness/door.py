"""The witness's routes at the door other members call; each decodes, calls, encodes."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from salus.base import codec
from salus.base.codec import Malformed, Struct
from salus.base.errors import Category, Problem
from salus.node.peers import Handler
from salus.node.witness.messages import RELEASE, RELEASES, ReleaseReply, ReleasesAsked
from salus.node.witness.witness import Witness
from salus.sealed.release import ReleaseAnswer, ReleaseRequest, refuse

Asked = TypeVar("Asked", bound=Struct)


def routes(witness: Witness) -> Mapping[str, Handler]:
    """Handlers by route; `node.witness.messages` says what they take."""
    return {
        RELEASE: lambda sender, body: codec.encode(_release(witness, sender, body)),
        RELEASES: handler(ReleasesAsked, lambda _, asked: witness.releases(asked)),
    }


def handler(kind: type[Asked], answer: Callable[[bytes, Asked], Struct]) -> Handler:
    """A handler of bodies of one kind; it raises Problem BodyMalformed for any other."""

    def handle(sender: bytes, body: bytes) -> bytes:
        try:
            asked = codec.decode(body, kind)
        except Malformed as error:
            raise Problem(Category.MALFORMED, "BodyMalformed", str(error)) from None
        return codec.encode(answer(sender, asked))

    return handle


def _release(witness: Witness, sender: bytes, body: bytes) -> ReleaseReply:
    """A body that is no request is W1, like any other no of a witness."""
    try:
        request = codec.decode(body, ReleaseRequest)
    except Malformed:
        return ReleaseReply(refusal=refuse(1))
    found = witness.release(sender, request)
    if isinstance(found, ReleaseAnswer):
        return ReleaseReply(answer=found)
    return ReleaseReply(refusal=found)
