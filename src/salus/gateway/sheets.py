"""
Sheets: a tag's public slot keys in every vault, their root in the tag's state.

Published when a tag is first shared, so that others can write under it; renewed with its keys.
"""

import datetime as dt
from collections.abc import Sequence

from salus.base.hashing import ZERO32
from salus.client.wallet import CompartmentKeys
from salus.gateway.office import Office
from salus.modules.consent.messages import UpdateTag
from salus.modules.consent.state import TagRecord
from salus.node.vault.messages import SHEET_PUT, SheetPut
from salus.node.vault.messages import Done as Stored
from salus.sealed import acts
from salus.sealed.acts import UpdateTagAct
from salus.sealed.days import day_of
from salus.sealed.sheet import Sheet, first_day_of, sheet_root


class Sheets:
    """Publishes for tags in custody."""

    def __init__(self, office: Office) -> None:
        """Of one gateway."""
        self._office = office

    def publish(self, keys: Sequence[CompartmentKeys]) -> None:
        """Make the sheets these tags still lack."""
        self._update(
            [
                (one, row, row.generation)
                for one in keys
                if (row := self._office.tag(one.tag)) is not None
                and row.open
                and row.sheet_root == ZERO32
            ]
        )

    def renew(self, keys: Sequence[CompartmentKeys]) -> None:
        """Give these tags the keys of their next generation, and its sheets."""
        self._update(
            [
                (one, row, row.generation + 1)
                for one in keys
                if (row := self._office.tag(one.tag)) is not None and row.open
            ]
        )

    def _update(self, tags: Sequence[tuple[CompartmentKeys, TagRecord, int]]) -> None:
        today = day_of(dt.datetime.fromtimestamp(self._office.now_ms() / 1000, dt.UTC).date())
        sheets: list[Sheet] = []
        messages: list[UpdateTag] = []
        for keys, row, generation in tags:
            sheet = keys.sheet(generation, first_day_of(today))
            sheets.append(sheet)
            act = UpdateTagAct(
                control_key=row.control_key,
                era=row.era,
                first_day=sheet.first_day,
                generation=generation,
                open=True,
                sequence=row.sequence + 1,
                sheet_root=sheet_root(sheet, self._office.network),
                tag=keys.tag,
            )
            signed = acts.sign(keys.control(0), self._office.network, act)
            messages.append(UpdateTag(act=signed.data, signature=signed.signature))
        if messages:
            self._office.submit(messages)
        for sheet in sheets:
            self._office.ask_all(self._office.members(), SHEET_PUT, SheetPut(sheet=sheet), Stored)
