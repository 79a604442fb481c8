"""
The list of modules: the one place a new module is entered.

Their order is that of their first rows and of what falls due in a block.
"""

from salus.machine.execute import Machine
from salus.machine.module import Module
from salus.modules.audit.module import MODULE as AUDIT
from salus.modules.consent.module import MODULE as CONSENT
from salus.modules.governance.module import MODULE as GOVERNANCE
from salus.modules.members.module import MODULE as MEMBERS
from salus.modules.records.module import MODULE as RECORDS

MODULES: tuple[Module, ...] = (MEMBERS, GOVERNANCE, RECORDS, CONSENT, AUDIT)


def machine() -> Machine:
    """The machine every node of this version runs."""
    return Machine(MODULES)
