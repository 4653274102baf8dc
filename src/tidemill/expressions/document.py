"""Reading a user's JSON document: every mistake becomes a finding with its place, and reading goes on.

What is wrong in the document itself refuses it; what is wrong around it (`AROUND`) is kept beside it. Knows no format.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding, errors, near
from tidemill.expressions.template import Template, examine_template

T = TypeVar("T")

DEPTH_MAX = 100
"""How many objects and lists of a definition may be inside each other."""

AROUND: frozenset[str] = frozenset(
    {
        "not_supported",
        "unknown_integration",
        "integration_off",
        "unknown_workflow",
        "unknown_reference",
        "unknown_schema",
        "loop",
    }
)
"""Kinds of findings that may come and go while the document stays as it is."""

_NAMES: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


def refuse(findings: Sequence[Finding]) -> None:
    """Raises `BadInput` with all of them if the document itself is wrong."""
    if any(finding.kind not in AROUND for finding in errors(findings)):
        raise BadInput(findings)


class Fields:
    """One object of a document. Each read names a key, checks its type and remembers that the key is known.

    A null counts as absent, as the exports of the documented systems have it.
    """

    def __init__(self, value: Any, path: str, findings: list[Finding]) -> None:
        self.path = path
        self.findings = findings
        self._known: set[str] = set()
        self._wrong: set[str] = set()
        if not isinstance(value, dict):
            self.add("", f"must be an object, not {_kind(value)}", "type")
            self.findings = []  # that is all there is to say: nothing in it can be missing
            value = {}
        self.value: dict[str, Any] = value

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def text(self, key: str, default: str = "") -> str:
        return self._typed(key, str, default)

    def name(self, key: str) -> str:
        """A text that must be there and not be empty."""
        if self.raw(key) is None:
            self.add(key, "is missing", "missing")
            return ""
        text = self.text(key)
        if isinstance(self.value[key], str) and not text.strip():
            self.add(key, "must not be empty", "missing")
        return text

    def flag(self, key: str, default: bool = False) -> bool:
        return self._typed(key, bool, default)

    def whole(self, key: str, default: int = 0, at_least: int = 0) -> int:
        """A whole number, also as text (`"1"`) or as `1.0`, as some clients write it."""
        value = self.raw(key)
        if value is None:
            return default
        number = as_whole(value)
        if number is None:
            self.add(key, f"must be a whole number, not {_kind(value)}", "type")
            return default
        if not at_least <= number <= _WHOLE_MAX:
            self.add(key, f"must be from {at_least} to {_WHOLE_MAX}, not {number}", "invalid")
            return default
        return number

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        value = self.text(key, default)
        if value in allowed:
            return value
        self.add(key, f"must be one of {', '.join(allowed)}, not {value!r}{near(value, allowed)}", "invalid")
        return default

    def object(self, key: str) -> dict[str, Any]:
        return self._typed(key, dict, {})

    def items(self, key: str) -> list[Any]:
        return self._typed(key, list, [])

    def texts(self, key: str) -> dict[str, str]:
        """An object whose values are texts."""
        value = self.object(key)
        for name, item in value.items():
            if not isinstance(item, str):
                self.add(f"{key}.{name}", f"must be text, not {_kind(item)}", "type")
        return {name: item for name, item in value.items() if isinstance(item, str)}

    def fields(self, key: str) -> Fields:
        return Fields(self.object(key), self.at(key), self.findings)

    def each(self, key: str) -> Iterator[Fields]:
        """The objects of a list; anything else in it is a finding and left out."""
        return objects(self.items(key), self.at(key), self.findings)

    def template(self, key: str, default: Any = None) -> Template:
        """The value at `key`, of whatever type, as a template."""
        value = self.raw(key)
        return self.compiled(default if value is None else value, self.at(key))

    def compiled(self, value: Any, path: str, keep: str = "") -> Template:
        """`keep`: how expressions begin that stay as they are written."""
        template, findings = examine_template(value, path, keep)
        # Some inputs are read alone and as part of all inputs.
        self.findings.extend(finding for finding in findings if finding not in self.findings)
        return template

    def raw(self, key: str) -> Any:
        self._known.add(key)
        return self.value.get(key)

    def add(self, key: str, message: str, kind: str = "invalid") -> None:
        self.findings.append(Finding(self.at(key) if key else self.path, message, kind))

    def warn(self, key: str, message: str, kind: str = "invalid") -> None:
        self.findings.append(Finding(self.at(key) if key else self.path, message, kind, "warning"))

    def finish(self, ignored: Collection[str] = ()) -> None:
        """Reports the keys that nobody has read. `ignored` are known keys that change nothing here."""
        known = self._known.union(ignored)
        for key in self.value:
            if key not in known:
                self.warn(key, f"unknown key {key!r}, kept and ignored{near(key, known)}", "unknown_key")

    def _typed(self, key: str, wanted: type[T], default: T) -> T:
        value = self.raw(key)
        if value is None:
            return default
        if isinstance(value, wanted) and type(value) is wanted:
            return value
        if key not in self._wrong:
            self._wrong.add(key)
            self.add(key, f"must be {_NAMES[wanted]}, not {_kind(value)}", "type")
        return default


def objects(items: Sequence[Any], path: str, findings: list[Finding]) -> Iterator[Fields]:
    """The objects of a list that is at `path`; anything else in it is a finding and left out."""
    for index, item in enumerate(items):
        fields = Fields(item, f"{path}[{index}]", findings)
        if isinstance(item, dict):
            yield fields


_WHOLE_MAX = 2**31 - 1
_LABEL_MAX = 255


def read_label(fields: Fields, key: str) -> str:
    """A name under which things are stored: short, and without what a database refuses."""
    label = fields.name(key)
    if len(label) > _LABEL_MAX:
        fields.add(key, f"must be at most {_LABEL_MAX} characters, not {len(label)}")
    if not label.isprintable():
        fields.add(key, "must not have control characters")
    return label


def refuse_depth(document: Any, what: str) -> None:
    """Raises `BadInput` where it is nested so deeply that walking through it could end badly."""
    if depth(document) > DEPTH_MAX:
        raise BadInput(f"the {what} is nested deeper than {DEPTH_MAX} levels")


def depth(value: Any) -> int:
    """How many objects and lists are inside each other at the deepest place."""
    count, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        count += 1
        level = [child for item in level for child in (item.values() if isinstance(item, dict) else item)]
    return count


def as_whole(value: Any) -> int | None:
    """The whole number that a JSON value means, or None."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return "a number"
    return _NAMES.get(type(value), type(value).__name__)
