"""
What OpenAPI says beside the routes' own words: title, version, and the bare ASGI routes.

The framework describes only its own handlers; the two whose bodies are bytes are described here.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIType

from salus.doors.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from litestar import Litestar

OPERATOR = "operator"
"""Name of the operator routes' security scheme."""

_NO = OpenAPIResponse(
    description="A problem document (RFC 9457): type, title, status, detail, code, category.",
    content={MEDIA_TYPE: OpenAPIMediaType(schema=Schema(type=OpenAPIType.OBJECT))},
)
_BYTES = {"application/octet-stream": OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))}

SUBMIT = Operation(
    operation_id="Submit",
    tags=["transactions"],
    summary="Submit",
    description="Hand in one signed envelope (at most 512 KiB) and wait for its block.",
    parameters=[
        Parameter(
            name="wait",
            param_in="query",
            description="How far to wait: committed is durable, proved is covered by a note.",
            schema=Schema(
                type=OpenAPIType.STRING,
                enum=["admitted", "committed", "proved"],
                default="committed",
            ),
        )
    ],
    request_body=RequestBody(content=_BYTES, required=True),
    responses={
        "200": OpenAPIResponse(description="id, status, height, index, code (0 done), name."),
        "202": OpenAPIResponse(description="Admitted: id and status."),
        "4XX": _NO,
        "5XX": _NO,
    },
)


def openapi_config() -> OpenAPIConfig:
    """Served as JSON at `/schema/openapi.json`; no page that would load others' scripts."""
    return OpenAPIConfig(
        title="Salus",
        version=version("salus"),
        description="A permissioned health ledger: every answer can be verified offline.",
        path="/schema",
        render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        use_handler_docstrings=True,
        components=Components(
            security_schemes={OPERATOR: SecurityScheme(type="http", scheme="bearer")}
        ),
    )


def describe_bytes_routes(app: "Litestar") -> None:
    """Add the bare ASGI routes to the app's schema."""
    paths: dict[str, Any] = app.openapi_schema.paths or {}
    paths["/v1/transactions"] = PathItem(post=SUBMIT)
    app.openapi_schema.paths = paths
