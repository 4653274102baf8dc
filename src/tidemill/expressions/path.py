"""Paths into a JSON value, as they stand inside `${...}`: `a.b[0]`, `$.a`, and all of RFC 9535.

Reads only what it is given: no environment, no properties. Never raises while reading: what is not there is null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jsonpath_rfc9535

from tidemill.core.codec import to_json

Read = Callable[[Any], Any]
WHOLE = "$"
LENGTH_MAX = 2_000

_RECORD = re.compile(r"\$record(?=[.\[]|$)")
# As Jayway reads them, names go on to the next dot or bracket: `some-task.output.a:b` needs no quotes.
_NAME = r"[^\s.\[\](){}*?'\"]+"
_QUOTED = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_PLAIN = r"""[^\[\]'"]"""
_SEGMENT = re.compile(
    rf"""(?P<deep>\.\.)(?:(?P<deep_name>{_NAME})|(?P<deep_any>\*)|(?=\[))
    | \.(?:(?P<name>{_NAME})|(?P<any>\*))
    | \[\s*(?P<index>-?\d{{1,15}})\s*\]
    | \[\s*(?:'(?P<single>[^'\\]*)'|"(?P<double>[^"\\]*)")\s*\]
    | (?P<bracket>\[(?:{_PLAIN}|{_QUOTED}|\[(?:{_PLAIN}|{_QUOTED})*\])*\])
    """,
    re.VERBOSE,
)


class BadPath(ValueError):
    """The text is no path; the message says where and why."""


class Path:
    """A compiled path. `roots` are the first names that it reads, `$` for the whole value; `of_record` tells
    that it reads the record beside the value."""

    __slots__ = ("of_record", "read", "roots")

    def __init__(self, read: Read, roots: frozenset[str], of_record: bool) -> None:
        self.read = read
        self.roots = roots
        self.of_record = of_record


@lru_cache(maxsize=4096)
def compile_path(text: str) -> Path:
    """Raises `BadPath`. A definite path reads the value or null, any other the list of what it finds."""
    if len(text) > LENGTH_MAX:
        raise BadPath(f"a path of {len(text)} characters; {LENGTH_MAX} is the limit")
    of_record = _RECORD.match(text) is not None
    if of_record:
        rest = text[len("$record") :]
    elif text.startswith("$"):
        rest = text[1:]
    else:
        rest = text if text.startswith("[") else "." + text
    steps, query = _segments(rest, text)
    read = _query(query, text) if query else _walk(tuple(steps))
    return Path(read, frozenset() if of_record else _roots(steps, query), of_record)


def _roots(steps: list[str | int], query: str) -> frozenset[str]:
    """A filter that says `$` reads the whole again."""
    root = steps[0] if steps and isinstance(steps[0], str) else WHOLE
    return frozenset((root, WHOLE)) if "$" in query[1:] else frozenset((root,))


def _segments(rest: str, text: str) -> tuple[list[str | int], str]:
    """The names and indexes that the path begins with, and the whole as RFC 9535 writes it if there is more."""
    steps: list[str | int] = []
    query = ["$"]
    is_simple = True
    position = 0
    while position < len(rest):
        segment = _SEGMENT.match(rest, position)
        if segment is None:
            raise BadPath(f"{text!r} is no path: cannot read it from {rest[position:]!r} on")
        position = segment.end()
        step, written = _step(segment)
        is_simple = is_simple and step is not None
        if is_simple and step is not None:
            steps.append(step)
        query.append(written)
    return steps, "" if is_simple else "".join(query)


def _step(segment: re.Match[str]) -> tuple[str | int | None, str]:
    """One segment: the step if it is a plain one, and its text in RFC 9535."""
    found = segment.groupdict()
    if found["index"] is not None:
        index = int(found["index"])
        return index, f"[{index}]"
    for group in ("name", "single", "double"):
        if found[group] is not None:
            return found[group], f"[{_quoted(found[group])}]"
    if found["deep_name"] is not None:
        return None, f"..[{_quoted(found['deep_name'])}]"
    return None, segment.group()


def _quoted(name: str) -> str:
    return to_json(name).decode()


def _walk(steps: tuple[str | int, ...]) -> Read:
    if all(isinstance(step, str) for step in steps):
        return _walk_names(steps)

    def read(value: Any) -> Any:
        for step in steps:
            if isinstance(step, int) and not isinstance(value, list):
                return None
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    return read


def _walk_names(names: tuple[Any, ...]) -> Read:
    """The hot path: only names, so that a text or a list on the way is a TypeError of its own."""

    def read(value: Any) -> Any:
        try:
            for name in names:
                value = value[name]
        except (KeyError, IndexError, TypeError):
            return None
        return value

    return read


def _query(query: str, text: str) -> Read:
    try:
        compiled = _ENVIRONMENT.compile(query)
    except jsonpath_rfc9535.JSONPathError as error:
        raise BadPath(f"{text!r} is no path: {error.args[0] if error.args else error}") from error
    is_definite = compiled.singular_query()

    def read(value: Any) -> Any:
        try:
            found = compiled.find(value if isinstance(value, dict | list) else _plain(value)).values()
        except (jsonpath_rfc9535.JSONPathError, RecursionError):
            return None
        return (found[0] if found else None) if is_definite else found

    return read


def _plain(value: Any) -> Any:
    """The library looks only into dict and list; a root may be another mapping."""
    return dict(value) if hasattr(value, "keys") else value


def _environment() -> jsonpath_rfc9535.JSONPathEnvironment:
    """RFC 9535 without `match` and `search`: a user's regular expression could hold up the whole process."""
    environment = jsonpath_rfc9535.JSONPathEnvironment()
    for name in ("match", "search"):
        environment.function_extensions.pop(name, None)
    return environment


_ENVIRONMENT = _environment()
