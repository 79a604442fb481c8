"""
A tag's leave to write, signed by its control key, in every container (`patient-control.md` §3.7).

For patients in custody the gateway signs its own; one lasts thirteen months at most.
"""

from salus.client.wallet import CompartmentKeys
from salus.gateway.office import Office
from salus.sealed import acts
from salus.sealed.acts import Link, Signed

LINK_MS = 365 * 24 * 3_600_000
"""A year: renewed long before the thirteen months a link may last."""


class Links:
    """Makes each tag's link once a process and era."""

    def __init__(self, office: Office) -> None:
        """Of the writing member."""
        self._office = office
        self._made: dict[tuple[bytes, int], Signed] = {}

    def own(self, keys: CompartmentKeys, era: int) -> Signed:
        """This member's leave to write under a tag in its custody."""
        place = (keys.tag, era)
        if place not in self._made:
            link = Link(
                emergency=False,
                era=era,
                tag=keys.tag,
                until=self._office.now_ms() + LINK_MS,
                writer=self._office.member,
            )
            self._made[place] = acts.sign(keys.control(0), self._office.network, link)
        return self._made[place]
