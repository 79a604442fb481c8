"""
A running node's web door, as commands call it.

Every "no" of the door comes back as the Problem it was; nobody there is a Problem too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from salus.base.errors import Category, Problem

Url = Annotated[str, typer.Option("--url", help="Where a node's API is.", metavar="URL")]
As = Annotated[
    str | None,
    typer.Option("--as", help="The member to speak as, by its short name.", metavar="MEMBER"),
]
Data = Annotated[
    Path, typer.Option("--data", help="Folder with the members' keys.", metavar="FOLDER")
]

URL = "http://localhost:8080"
DATA = Path("salus-demo")

TIMEOUT_S = 60.0
IMPORT_TIMEOUT_S = 900.0
"""An import of one request's files may take minutes."""


@dataclass(frozen=True)
class Site:
    """One member at one door."""

    url: str
    member: str | None = None
    """Short name, in paths; None: the door's first member."""

    data: Path = DATA

    def get(self, path: str, **query: Any) -> Any:
        """JSON of a public route; raises Problem."""
        return self._call("GET", self._ledger(path), params=_given(query)).json()

    def read(self, path: str, **query: Any) -> bytes:
        """The bytes of a public route; raises Problem."""
        return self._call("GET", self._ledger(path), params=_given(query)).content

    def send(self, envelope: bytes) -> Any:
        """Hand in an envelope, wait for its block; raises Problem."""
        return self._call("POST", self._ledger("/v1/transactions"), content=envelope).json()

    def operate(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """JSON of one of the member's operator routes; raises Problem."""
        return self.operate_raw(method, path, body, **query).json()

    def operate_raw(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        """Answer of one of the member's operator routes; raises Problem."""
        return self._call(
            method,
            self._gateway(path),
            params=_given(query),
            json=body,
            headers={"authorization": f"Bearer {self._token()}"},
        )

    def upload(self, path: str, files: Sequence[tuple[str, bytes]]) -> Any:
        """Send files as a form to an operator route; raises Problem."""
        return self._call(
            "POST",
            self._gateway(path),
            files=[("documents", (name, data)) for name, data in files],
            headers={"authorization": f"Bearer {self._token()}"},
            timeout=IMPORT_TIMEOUT_S,
        ).json()

    def _ledger(self, path: str) -> str:
        return path if self.member is None else f"/{self.member}{path}"

    def _gateway(self, path: str) -> str:
        return f"/{self._named()}/gateway/v1{path}"

    def _named(self) -> str:
        if self.member is None:
            raise Problem(
                Category.MALFORMED,
                "MemberMissing",
                "expected --as MEMBER: the member whose gateway acts, as --as north",
            )
        return self.member

    def _token(self) -> str:
        path = self.data / "keys" / self._named() / "operator.token"
        if not path.exists():
            raise Problem(
                Category.UNAUTHENTICATED,
                "OperatorTokenMissing",
                f"expected {path}: name the members' data folder by --data, and a member of it by "
                "--as",
            )
        return path.read_text().strip()

    def _call(self, method: str, path: str, **rest: Any) -> httpx.Response:
        rest.setdefault("timeout", TIMEOUT_S)
        try:
            answer = httpx.request(method, self.url.rstrip("/") + path, **rest)
        except httpx.TimeoutException:
            raise Problem(
                Category.UNKNOWN_OUTCOME,
                "NoAnswer",
                "the node did not answer in time; look whether it was done, then try again",
            ) from None
        except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Problem(
                Category.UNAVAILABLE,
                "NodeNotReached",
                f"nobody answers at {self.url}: start a node by `salus up`, or name another by "
                "--url",
            ) from None
        if answer.is_success:
            return answer
        raise _problem(answer)


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _problem(answer: httpx.Response) -> Problem:
    try:
        told = answer.json()
        code = told["code"]
        number = {"code": code} if isinstance(code, int) else {}
        category = Category.__members__.get(told["category"], Category.FAULT)
        return Problem(category, told["title"], told["detail"], **number)
    except (ValueError, KeyError, TypeError):
        return Problem(
            Category.UNAVAILABLE,
            "AnswerUnknown",
            f"expected Salus's API, found an answer {answer.status_code} of another form; check "
            "--url",
        )
