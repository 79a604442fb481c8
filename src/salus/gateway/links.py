"""
A tag's leave to write, signed by its control key, in every container (`patient-control.md` §3.7).

For patients in custody the gateway signs its own; one lasts thirteen months at most.
"""

from typing import NamedTuple

from salus.base.types import DAY_MS
from salus.client.wallet import CompartmentKeys
from salus.gateway.office import Office
from salus.sealed import acts
from salus.sealed.acts import Link, Signed

LINK_MS = 365 * DAY_MS
"""A year: well within the thirteen months a link may last."""

RENEW_MS = 30 * DAY_MS
"""A link that ends sooner is made anew."""


class _Made(NamedTuple):
    until_ms: int
    link: Signed


class Links:
    """Makes each tag's link once an era, and again before it ends."""

    def __init__(self, office: Office) -> None:
        """Of the writing member."""
        self._office = office
        self._made: dict[tuple[bytes, int], _Made] = {}

    def own(self, keys: CompartmentKeys, era: int) -> Signed:
        """This member's leave to write under a tag in its custody."""
        made = self._made.get((keys.tag, era))
        now_ms = self._office.now_ms()
        if made is None or made.until_ms < now_ms + RENEW_MS:
            until_ms = now_ms + LINK_MS
            link = Link(
                emergency=False, era=era, tag=keys.tag, until=until_ms, writer=self._office.member
            )
            made = _Made(until_ms, acts.sign(keys.control(0), self._office.network, link))
            self._made[keys.tag, era] = made
        return made.link
