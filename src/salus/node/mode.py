"""Who orders the blocks: one member's engine, or CometBFT at every member."""

from salus.machine.context import View
from salus.machine.tables import META


def is_network(view: View) -> bool:
    """Whether the members' own nodes order the blocks, by the ledger's own word."""
    meta = view.read(META)
    return meta is not None and meta.mode == "network"
