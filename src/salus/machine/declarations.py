"""What all modules together declare, for the one module that needs to know: governance."""

from collections.abc import Mapping, Sequence
from typing import Any

from salus.base import codec
from salus.base.errors import invariant
from salus.machine.module import Action, ActionRule, Module, Parameter


class Declarations:
    """All actions that members may vote on, and all parameters they may set."""

    __slots__ = ("_kinds", "_rules", "parameters")

    def __init__(self, modules: Sequence[Module]) -> None:
        """Collect; a parameter declared twice is a Fault."""
        self._rules: dict[type[Action], ActionRule] = {}
        for module in modules:
            self._rules.update(module.actions)
        kinds: Any = None
        for kind in self._rules:
            kinds = kind if kinds is None else kinds | kind
        self._kinds = kinds
        declared = [parameter for module in modules for parameter in module.parameters]
        self.parameters: Mapping[str, Parameter] = {one.name: one for one in declared}
        invariant(len(self.parameters) == len(declared), "a parameter is declared twice")

    def action(self, data: bytes) -> Action:
        """The action of its canonical bytes; raises codec.Malformed, also for an unknown one."""
        if self._kinds is None:
            raise codec.Malformed("no module declares actions")
        action: Action = codec.decode(data, self._kinds)
        return action

    def rule(self, action: Action) -> ActionRule:
        """How an action is checked and done."""
        return self._rules[type(action)]
