"""
The error tree, drawn once.

    Refusal     a lawful "no", part of consensus: numbered per module, never reused
    Problem     a "no" outside consensus (a door, a file, a peer): named, with a category
    Fault       a bug, corruption or a lost disk: the node stops

Each says what was expected, what came and what to do next, never a person's data.
"""

import dataclasses
import enum
from typing import Any, ClassVar, dataclass_transform


class Category(enum.Enum):
    """What kind of "no" it is: (HTTP status, FHIR issue code, exit code); `style.md` §4."""

    MALFORMED = (400, "structure", 65)
    INVALID = (422, "business-rule", 65)
    TOO_LARGE = (413, "too-long", 65)
    UNAUTHENTICATED = (401, "login", 65)
    FORBIDDEN = (403, "forbidden", 65)
    NOT_FOUND = (404, "not-found", 65)
    GONE = (410, "deleted", 65)
    CONFLICT = (409, "conflict", 65)
    UNVERIFIED = (422, "security", 65)
    UNSUPPORTED = (501, "not-supported", 69)
    BUSY = (429, "throttled", 75)
    UNAVAILABLE = (503, "transient", 75)
    UNKNOWN_OUTCOME = (504, "timeout", 75)
    FAULT = (500, "exception", 70)

    @property
    def http_status(self) -> int:
        """Status a web door answers with."""
        return self.value[0]

    @property
    def fhir_issue(self) -> str:
        """Code of the FHIR R4 OperationOutcome issue."""
        return self.value[1]

    @property
    def exit_code(self) -> int:
        """Exit code of the command line (sysexits)."""
        return self.value[2]


@dataclass_transform(kw_only_default=True)
class Refusal(Exception):
    """
    A lawful "no" of the machine; the class states number and category, its fields the facts.

    Only `code` (module × 1000 + number) enters a receipt; prose and facts stay outside consensus.
    """

    number: ClassVar[int]
    """The refusal's number inside its module; 1–999, never reused."""

    category: ClassVar[Category]
    """How doors translate it."""

    module: ClassVar[int]
    """The module's number, set when the machine is built."""

    def __init_subclass__(cls, *, number: int, category: Category, **rest: Any) -> None:
        """Make the subclass a keyword-only dataclass of its facts."""
        super().__init_subclass__(**rest)
        cls.number = number
        cls.category = category
        dataclasses.dataclass(kw_only=True, eq=False)(cls)

    @property
    def code(self) -> int:
        """The number that stands in the receipt."""
        return self.module * 1000 + self.number

    def __str__(self) -> str:
        """Name, what it means, and the facts (ids and numbers only)."""
        facts = ", ".join(
            f"{field.name}={_shown(getattr(self, field.name))}"
            for field in dataclasses.fields(self)  # type: ignore[arg-type]  # made one by the hook
        )
        meaning = (self.__doc__ or "").strip().split("\n\n")[0]
        return f"{type(self).__name__}: {meaning}" + (f" ({facts})" if facts else "")


class Problem(Exception):
    """A "no" outside consensus: `name` is stable for programs, the text is for people."""

    def __init__(self, category: Category, name: str, text: str, **facts: object) -> None:
        """
        Say no.

        `name`: UpperCamel, stable; `text`: expected, found, next step; `facts`: ids and numbers.
        """
        super().__init__(text)
        self.category = category
        self.name = name
        self.text = text
        self.facts = facts

    def __str__(self) -> str:
        """The name and the sentence."""
        return f"{self.name}: {self.text}"


class Fault(Exception):
    """A bug, corruption or a lost disk. The node stops; the text says what an operator does."""

    category: ClassVar[Category] = Category.FAULT
    """How the program's end is told."""


class Outdated(Fault):
    """This program lacks rules that the members voted: nothing is wrong with the data."""

    category = Category.UNSUPPORTED


def invariant(condition: object, text: str) -> None:
    """Raise a `Fault` unless the condition holds; unlike `assert` it survives `python -O`."""
    if not condition:
        raise Fault(text)


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
