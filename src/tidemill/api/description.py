"""What the API's document says about a route: in words from its docstring, and the shapes of what goes in and out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

SCHEMA_PLACE = "#/components/schemas/{name}"


class Problem(msgspec.Struct, frozen=True, rename="camel"):
    """A finding in an error's body: what is wrong, and where."""

    path: str
    message: str
    kind: str
    level: str


class ErrorBody(msgspec.Struct, frozen=True, rename="camel"):
    """What every error has as its body. `instance` is in the server's log, too."""

    status: int
    message: str
    instance: str
    retryable: bool
    validation_errors: list[Problem] = []


def told(handler: Callable[..., Any]) -> tuple[str, str]:
    """(the first sentence of the docstring, all of it)."""
    text = " ".join((inspect.getdoc(handler) or "").split())
    first, dot, _ = text.partition(". ")
    return (first if dot else text).rstrip("."), text


def request_json(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    return {"requestBody": {"required": True, "content": _content(body)}}


def responses_json(answer: Any) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done"}
    if answer is not None:
        done["content"] = _content(answer)
    return {"200": done, "default": {"description": "Refused, and why", "content": _content(ErrorBody)}}


def schemas(types: Iterable[Any]) -> dict[str, Any]:
    """Those that bodies and answers refer to."""
    named = [kind for kind in types if kind is not None]
    _, components = msgspec.json.schema_components([*named, ErrorBody], ref_template=SCHEMA_PLACE)
    return components


def _content(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=SCHEMA_PLACE)
    return {"text/plain" if kind is str else "application/json": {"schema": schema}}
