"""
Every module's queries as routes: `GET /v1/{module}/{query}?key=...`, from their declarations.

A query's parameters are its function's, bytes written in hex; its docstring is the route's. Adding
a query to a module adds the route, its description and its reference page.
"""

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter

from salus.base.errors import invariant
from salus.doors.http.answers import Reply, answer
from salus.doors.http.checked_view import CheckedView
from salus.doors.http.member import Door
from salus.doors.http.plain import from_hex, plain
from salus.machine.module import Module

Query = Callable[..., Any]


def query_routes(modules: Sequence[Module]) -> list[HTTPRouteHandler]:
    """A route a declared query."""
    return [_route(module, query) for module in modules for query in module.queries]


def query_parameters(query: Query) -> Iterator[tuple[str, Any, Any]]:
    """(name, type, default) of what a query asks for beside the state it reads."""
    hints = typing.get_type_hints(query)
    for parameter in list(inspect.signature(query).parameters.values())[1:]:
        yield parameter.name, hints[parameter.name], parameter.default


def _route(module: Module, query: Query) -> HTTPRouteHandler:
    kinds = {name: _plain_kind(kind) for name, kind, _ in query_parameters(query)}

    def ask(door: Door, **asked: Any) -> Reply:
        view = CheckedView(door.node.ledger.view())
        given = {
            name: from_hex(value, 0, name) if kinds[name] is bytes and value is not None else value
            for name, value in asked.items()
        }
        found = query(view, *given.values())
        return answer({"height": view.height, "time_ms": view.time_ms, "value": plain(found)})

    ask.__name__ = f"{module.name}_{query.__name__}"
    ask.__doc__ = query.__doc__
    ask.__signature__ = inspect.Signature(_parameters(query), return_annotation=Reply)  # type: ignore[attr-defined]  # read by inspect.signature
    ask.__annotations__ = {one.name: one.annotation for one in _parameters(query)} | {
        "return": Reply
    }
    return get(f"/v1/{module.name}/{query.__name__}", sync_to_thread=True, tags=[module.name])(ask)


def _parameters(query: Query) -> list[inspect.Parameter]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    shown = [inspect.Parameter("door", keyword, annotation=Door)]
    for name, kind, default in query_parameters(query):
        found = _plain_kind(kind)
        written = str if found is bytes else found
        annotation: Any = written if default is inspect.Parameter.empty else written | None
        shown.append(
            inspect.Parameter(
                name, keyword, annotation=Annotated[annotation, QueryParameter()], default=default
            )
        )
    return shown


def _plain_kind(kind: Any) -> type:
    """bytes, int, str or bool of an annotation; another kind has no form in a URL."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    found = [one for one in options if one is not type(None)]
    invariant(len(found) == 1 and found[0] in (bytes, int, str, bool), f"a query takes {kind}")
    plain_kind: type = found[0]
    return plain_kind
