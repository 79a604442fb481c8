"""Contents of rows, and how a process takes it into its machine."""

from bench.rows import handlers
from bench.rows.events import RowsPut
from bench.rows.messages import PutRows
from bench.rows.state import NUMBER, ROW
from salus import chain
from salus.machine.module import Module

MODULE = Module(
    number=NUMBER,
    name="rows",
    messages=(PutRows,),
    handlers=handlers,
    refusals=(),
    events=(RowsPut,),
    tables=(ROW,),
)


def add_to_chain() -> None:
    """Let every machine that this process makes from now on know the module."""
    if MODULE not in chain.MODULES:
        chain.MODULES = (*chain.MODULES, MODULE)
