"""The short way to what is called thousands of times a second: from the address to the handler, past FastAPI's own.

FastAPI spends more on a request (its routing, its dependencies) than all the rest of it costs together. The guard, the
handler and the answers to errors are the same ones. An address that is not plainly right goes the long way, which
judges it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_type_hints
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from tidemill.api.call import admit
from tidemill.api.errors import ErrorAnswers
from tidemill.api.params import Text, absent
from tidemill.api.router import Endpoint, Routes
from tidemill.core.errors import TidemillError

Arguments = Mapping[str, Any]
Reader = Callable[[str], Any]
"""Raises `ValueError` for what the long way is to judge."""


class Shortcut:
    """`name` is the parameter that the last part of the address gives; empty where it is part of the route."""

    def __init__(self, endpoint: Endpoint, errors: ErrorAnswers, name: str, readers: Mapping[str, Reader]) -> None:
        self._endpoint = endpoint
        self._errors = errors
        self._name = name
        self._readers = readers

    def arguments(self, last: str, query: bytes) -> Arguments | None:
        """None where the long way is to judge."""
        arguments: dict[str, Any] = {self._name: last} if self._name else {}
        if not query or not self._readers:
            return arguments
        asked = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        try:
            return arguments | {key: self._readers[key](text) for key, text in asked if key in self._readers}
        except ValueError:
            return None

    async def answer(self, request: Request, arguments: Arguments) -> Response:
        """Raises nothing: an error is an answer, too."""
        try:
            request.scope["path_params"] = arguments
            call = await admit(request, self._endpoint.action, self._endpoint.path, self._endpoint.on)
            answer = await self._endpoint.handler(call, **arguments)
            call.check_settled()
        except TidemillError as error:
            return await self._errors.ours(request, error)
        except HTTPException as error:
            return await self._errors.http(request, error)
        except Exception as error:  # noqa: BLE001 - as on the long way, a bug is an answer
            return await self._errors.unexpected(request, error)
        return answer


class Shortcuts:
    """By method and address: the whole one, or all of it but a last part that may be anything."""

    def __init__(self) -> None:
        self.whole: dict[tuple[str, str], Shortcut] = {}
        self.named: dict[tuple[str, str], Shortcut] = {}

    def find(self, scope: Scope) -> tuple[Shortcut, Arguments] | None:
        method, path = scope["method"], scope["path"]
        last = ""
        shortcut = self.whole.get((method, path))
        if shortcut is None:
            head, _, last = path.rpartition("/")
            shortcut = self.named.get((method, head)) if last else None
        arguments = shortcut.arguments(last, scope["query_string"]) if shortcut is not None else None
        return None if shortcut is None or arguments is None else (shortcut, arguments)


class ShortcutApp(FastAPI):
    shortcuts = Shortcuts()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self.shortcuts.find(scope) if scope["type"] == "http" else None
        if found is None:
            await super().__call__(scope, receive, send)
        else:
            shortcut, arguments = found
            scope["app"] = self
            answer = await shortcut.answer(Request(scope, receive), arguments)
            await answer(scope, receive, send)


def shortcuts_to(hot: Iterable[Routes], errors: ErrorAnswers) -> Shortcuts:
    """To those that need nothing but the call, and those that are asked for something of a name."""
    shortcuts = Shortcuts()
    for endpoint in (endpoint for routes in hot for endpoint in routes.endpoints):
        head, _, last = endpoint.path.rpartition("/")
        name = last[1:-1] if last.startswith("{") and endpoint.method == "GET" else ""
        readers = _readers(endpoint, name)
        if readers is not None and "{" not in (head if name else endpoint.path):
            of_kind, path = (shortcuts.named, head) if name else (shortcuts.whole, endpoint.path)
            of_kind[endpoint.method, path] = Shortcut(endpoint, errors, name, readers)
    return shortcuts


def _readers(endpoint: Endpoint, name: str) -> Mapping[str, Reader] | None:
    """Of the query's parameters; None where one of them is of a kind that only the long way can read."""
    hints = get_type_hints(endpoint.handler, include_extras=True)
    asked = [key for key in inspect.signature(endpoint.handler).parameters if key not in ("call", name)]
    readers = {key: _READERS[hints[key]] for key in asked if hints[key] in _READERS}
    return readers if len(readers) == len(asked) else None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(text)
    return int(text)


_READERS: Mapping[Any, Reader] = {int: _whole, Text: absent}
