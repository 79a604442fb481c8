"""What a web door needs of one member, and how its routes are handed it."""

from dataclasses import dataclass

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from salus.gateway.gateway import Gateway
from salus.node.node import Node


@dataclass(frozen=True)
class MemberDoor:
    """One member behind the door."""

    name: str
    """Short, in paths: `north` in `/north/v1/status`."""

    node: Node
    gateway: Gateway | None = None
    """None: a node without its gateway; the operator routes are then not there."""

    operator_token: str | None = None
    """Bearer token of the operator routes; None: they are not there."""


Door = SkipValidation[NamedDependency[MemberDoor]]
"""A route's member, given by the router it stands under."""
