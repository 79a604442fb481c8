"""
The structure-level validator: a resource against its type's table (FHIR R4 2.6.2).

    structure     an unknown member, two types of one choice, a list for one, null, ...
    required      an element with cardinality 1..* is missing
    value         a primitive that is not of its type
    code-invalid  a code outside a required value set that is finite

Not here: invariants, narrative, targets of references, profiles.
A resource is walked once; a path is written out only for a finding.
"""

import contextlib

from salus.formats.fhir.elements import Element, Kind, Table, definitions
from salus.formats.fhir.issues import Issue, Level
from salus.formats.fhir.limits import ISSUES_MAX
from salus.formats.fhir.primitives import CHECKS

UNKNOWN = "expected an element of this type (FHIR R4 4.0.1)"
CHOICE = "expected one type of this choice element, found two"
SINGLE = "expected one value, found a list"
LIST = "expected a list"
EMPTY_LIST = "expected a list of at least one value"
OBJECT = "expected an object"
EMPTY_OBJECT = "expected an object of at least one member"
SCALAR = "expected one primitive value"
NULL = "expected a value, found null"
UNALIGNED = "expected null only beside the other list's value at the same index"
RESOURCE_TYPE = "expected a resourceType of FHIR R4 4.0.1"
REQUIRED = "expected this element, which is required"


def validate(resource: object) -> list[Issue]:
    """
    Walk one resource of any R4 type, with all that is inside it; O(n).

    `resource`: as `codec.parse` gives it. Answers 0–100 findings in document order, an
    object's missing elements after its present ones.
    """
    walk = _Walk()
    with contextlib.suppress(_EnoughError):
        walk.resource(resource)
    return walk.issues


class _EnoughError(Exception):
    """The list of findings is full."""


class _Walk:
    """One walk: the findings, and the way down to where it is."""

    __slots__ = ("issues", "path")

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.path: list[str | int] = []

    def resource(self, value: object) -> None:
        """Walk an object by the table of its own `resourceType`."""
        if type(value) is not dict:
            self.report("structure", "structure", OBJECT)
            return
        name = value.get("resourceType")
        table = definitions().resources.get(name) if type(name) is str else None
        if table is None:
            self.report("structure", "structure", RESOURCE_TYPE, "resourceType")
            return
        if not self.path:
            self.path.append(table.name)
        self.members(value, table)

    def members(self, value: dict[str, object], table: Table) -> None:
        """Walk all members of an object, then ask for the missing ones."""
        elements = table.elements
        choices: dict[str, str] = {}
        for name, child in value.items():
            element = elements.get(name)
            if element is None:
                self.unknown(name, value)
                continue
            kind, is_list, passes, _, choice, _, _, _ = element
            if choice:
                spelling = name.lstrip("_")
                if choices.setdefault(choice, spelling) != spelling:
                    self.report("structure", "structure", CHOICE, spelling)
            if kind is Kind.SHADOW:
                self.shadow(name, child, element, value)
            elif is_list:
                self.items(name, child, element, value)
            elif kind is Kind.PRIMITIVE:
                if not passes(child):
                    self.primitive(name, child, element)
            else:
                self.path.append(name)
                self.one(child, element)
                self.path.pop()
        for name, spellings in table.required:
            if name not in value and spellings.isdisjoint(value):
                self.report("structure", "required", REQUIRED, name)

    def items(self, name: str, child: object, element: Element, parent: dict[str, object]) -> None:
        """Walk an element that repeats."""
        if type(child) is not list or not child:
            rule = EMPTY_LIST if type(child) is list else NULL if child is None else LIST
            self.report("structure", "structure", rule, name)
            return
        path = self.path
        path.append(name)
        path.append(0)
        for index, item in enumerate(child):
            path[-1] = index
            if element.kind is not Kind.PRIMITIVE:
                self.one(item, element)
            elif item is None:
                self.gap(index, parent.get(f"_{name}"))
            elif not element.passes(item):
                self.primitive("", item, element)
        del path[-2:]

    def one(self, value: object, element: Element) -> None:
        """Walk one value that must be an object, or a resource."""
        if type(value) is not dict or not value:
            rule = EMPTY_OBJECT if value == {} else NULL if value is None else OBJECT
            rule = SINGLE if type(value) is list else rule
            self.report("structure", "structure", rule)
        elif element.table is None:
            self.resource(value)
        else:
            self.members(value, element.table)
            if element.concepts is not None:
                self.concept(value, element)

    def shadow(self, name: str, child: object, element: Element, parent: dict[str, object]) -> None:
        """Walk `_name`: id and extensions of a primitive, as a list where that is one."""
        # FHIRPath knows no `_name`: what is inside belongs to the element itself.
        self.path.append(name[1:])
        if not element.is_list:
            self.one(child, element)
        elif type(child) is not list or not child:
            self.report("structure", "structure", EMPTY_LIST if child == [] else LIST)
        else:
            self.path.append(0)
            for index, item in enumerate(child):
                self.path[-1] = index
                if item is None:
                    self.gap(index, parent.get(name[1:]))
                else:
                    self.one(item, element)
            self.path.pop()
        self.path.pop()

    def gap(self, index: int, beside: object) -> None:
        """Allow a null in one list only where the other has a value."""
        if type(beside) is not list or index >= len(beside) or beside[index] is None:
            self.report("structure", "structure", UNALIGNED)

    def primitive(self, name: str, value: object, element: Element) -> None:
        """Tell why a primitive value did not pass."""
        if value is None or type(value) is dict or type(value) is list:
            rule = NULL if value is None else SINGLE if type(value) is list else SCALAR
            self.report("structure", "structure", rule, name)
        elif element.values and CHECKS[element.type](value):
            self.report("binding", "code-invalid", f"expected a code of {element.values}", name)
        else:
            self.report("structure", "value", f"expected a {element.type} of FHIR R4 4.0.1", name)

    def concept(self, value: dict[str, object], element: Element) -> None:
        """Ask for one coding of a required value set; an extension may say why none is there."""
        codings = value.get("coding", [])
        if type(codings) is not list or ("coding" not in value and "extension" in value):
            return
        pairs = {
            (coding.get("system"), coding.get("code"))
            for coding in codings
            if type(coding) is dict
            and type(coding.get("code")) is str
            and type(coding.get("system")) is str
        }
        if pairs.isdisjoint(element.concepts or ()):
            self.report("binding", "code-invalid", f"expected a coding of {element.values}")

    def unknown(self, name: str, parent: dict[str, object]) -> None:
        """Report a member no table has; only the standard's own words are repeated."""
        if name.lstrip("_") in definitions().names:
            self.report("structure", "structure", UNKNOWN, name)
        else:
            number = 1 + next(index for index, member in enumerate(parent) if member == name)
            self.report("structure", "structure", f"{UNKNOWN} as member {number}")

    def report(self, level: Level, code: str, rule: str, name: str = "") -> None:
        """Keep one finding, at a member of this place or at the place itself."""
        place = "".join(f"[{p}]" if type(p) is int else f".{p}" for p in self.path)[1:]
        path = ".".join(part for part in (place, name) if part) or "Resource"
        self.issues.append(Issue(level, code, path, rule))
        if len(self.issues) == ISSUES_MAX:
            raise _EnoughError
