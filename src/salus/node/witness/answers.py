"""From decided wants to what leaves and what is logged; pure."""

from collections.abc import Sequence

from salus.machine.context import View
from salus.modules.consent.state import Intents
from salus.node.witness.messages import BatchGroups, ReleaseEntry
from salus.node.witness.shares import HeldShare
from salus.sealed.grants import Leaf
from salus.sealed.release import RELEASED, SHARE_BYTES, ReleaseRequest, Share, Want

_NONE = bytes(SHARE_BYTES)


def share_of(answer: int, found: HeldShare | None) -> Share:
    """One want's answer; a refused one holds zeros."""
    return Share(answer, found.share if found is not None and answer == RELEASED else _NONE)


def entries_of(
    view: View,
    request: ReleaseRequest,
    leaf: Leaf,
    intents: Intents,
    held: Sequence[HeldShare | None],
    shares: Sequence[Share],
) -> list[ReleaseEntry]:
    """A log line for each tag of which something leaves, ascending by tag; none: nothing does."""
    by_tag: dict[bytes, list[Want]] = {}
    for want, found, share in zip(request.wants, held, shares, strict=True):
        if found is not None and share.answer == RELEASED:
            by_tag.setdefault(found.tag, []).append(want)
    return [
        ReleaseEntry(
            batches=_by_batch(wants),
            height=view.height,
            index=request.index,
            intent_ms=intents.time_ms,
            leaf=request.leaf,
            leaf_signature=request.leaf_signature,
            member=request.member,
            path=request.path,
            sequence=request.sequence,
            subject=leaf.subject,
            tag=tag,
            time_ms=view.time_ms,
        )
        for tag, wants in sorted(by_tag.items())
    ]


def _by_batch(wants: Sequence[Want]) -> list[BatchGroups]:
    """Wants by batch; they ascend already."""
    groups: dict[bytes, list[int]] = {}
    for want in wants:
        groups.setdefault(want.batch, []).append(want.group)
    return [BatchGroups(batch=batch, groups=numbers) for batch, numbers in groups.items()]
