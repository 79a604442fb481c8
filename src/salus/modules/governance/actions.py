"""What members vote into being about the ledger as a whole."""

from msgspec.structs import replace

from salus.base.errors import Fault
from salus.base.types import Count, Int, Text64
from salus.machine.context import Context
from salus.machine.module import Action, ActionRule
from salus.machine.tables import META, Meta
from salus.modules.governance import refusals, rules
from salus.modules.governance.state import PARAMETER, Setting
from salus.modules.members import queries as members


class SetParameter(Action, frozen=True, tag="governance.set_parameter"):
    """Give a declared parameter another value."""

    name: Text64
    value: Int


class Upgrade(Action, frozen=True, tag="governance.upgrade"):
    """Let the rules of the next version hold; a program that lacks them stops before."""

    version: Count


class StartNetwork(Action, frozen=True, tag="governance.start_network"):
    """End the time of one process: from the next block on the members' nodes order blocks."""


def check_set_parameter(ctx: Context, action: SetParameter) -> None:
    """Refuses: ParameterUnknown, ValueOutOfRange."""
    declared = ctx.declared.parameters.get(action.name)
    if declared is None:
        raise refusals.ParameterUnknown
    least, most = declared.least, declared.most
    if not least <= action.value <= most:
        raise refusals.ValueOutOfRange(value=action.value, least=least, most=most)


def set_parameter(ctx: Context, action: SetParameter) -> None:
    """Write the value."""
    ctx.write(PARAMETER, Setting(value=action.value), action.name)


def check_upgrade(ctx: Context, action: Upgrade) -> None:
    """Refuses: VersionNotNext."""
    expected = _meta(ctx).version + 1
    if action.version != expected:
        raise refusals.VersionNotNext(version=action.version, expected=expected)


def upgrade(ctx: Context, action: Upgrade) -> None:
    """Note the version; the machine compares it with its own in this very block."""
    ctx.write(META, replace(_meta(ctx), version=action.version))


def check_start_network(ctx: Context, _action: StartNetwork) -> None:
    """Refuses: AlreadyMoved, TooFewValidators."""
    if _meta(ctx).mode == "network":
        raise refusals.AlreadyMoved
    found = len(members.validators(ctx))
    if found < rules.VALIDATORS_MIN:
        raise refusals.TooFewValidators(found=found)


def start_network(ctx: Context, _action: StartNetwork) -> None:
    """Note the mode; this is the last block of one process."""
    ctx.write(META, replace(_meta(ctx), mode="network", initial_height=ctx.height + 1))


def _meta(ctx: Context) -> Meta:
    meta = ctx.read(META)
    if meta is None:
        raise Fault("governance: a state without machine.meta, which every genesis writes")
    return meta


ACTIONS: dict[type[Action], ActionRule] = {
    SetParameter: ActionRule(check_set_parameter, set_parameter, lambda _action: None),
    Upgrade: ActionRule(check_upgrade, upgrade, lambda _action: None),
    StartNetwork: ActionRule(check_start_network, start_network, lambda _action: None),
}
