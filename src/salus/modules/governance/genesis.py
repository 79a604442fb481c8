"""The first parameters, from the genesis file's `parameters`."""

from typing import Any

from salus.machine.context import Context
from salus.modules.governance.state import PARAMETER, Setting


def first_parameters(ctx: Context, section: Any) -> None:
    """
    Write a row for every declared parameter: the file's value, or the default.

    Raises ValueError: a parameter nobody declares, or a value outside its range.
    """
    given: dict[str, int] = section or {}
    if unknown := sorted(set(given) - set(ctx.declared.parameters)):
        raise ValueError(f"no such parameters: {unknown}")
    for name, declared in sorted(ctx.declared.parameters.items()):
        value = given.get(name, declared.default)
        if not declared.least <= value <= declared.most:
            raise ValueError(f"{name}: expected {declared.least} to {declared.most}, found {value}")
        ctx.write(PARAMETER, Setting(value=value), name)
