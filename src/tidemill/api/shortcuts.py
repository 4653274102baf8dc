"""The short way to what is called thousands of times a second: from the address to the handler, past FastAPI's own.

FastAPI spends more on a request (its routing, its dependencies) than all the rest of it costs together. The guard, the
handler and the answers to errors are the same ones; what has a path or query parameter goes the long way.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from tidemill.api.call import admit
from tidemill.api.errors import ErrorAnswers
from tidemill.api.router import Endpoint, Routes
from tidemill.core.errors import TidemillError


class Shortcut:
    def __init__(self, endpoint: Endpoint, errors: ErrorAnswers) -> None:
        self._endpoint = endpoint
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            call = await admit(request, self._endpoint.action, self._endpoint.path)
            answer = await self._endpoint.handler(call)
        except TidemillError as error:
            answer = await self._errors.ours(request, error)
        except HTTPException as error:
            answer = await self._errors.http(request, error)
        except Exception as error:  # noqa: BLE001 - as on the long way, a bug is an answer
            answer = await self._errors.unexpected(request, error)
        await answer(scope, receive, send)


class ShortcutApp(FastAPI):
    """`shortcuts` are by method and path."""

    shortcuts: Mapping[tuple[str, str], Shortcut] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shortcut = self.shortcuts.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if shortcut is None:
            await super().__call__(scope, receive, send)
        else:
            scope["app"] = self
            await shortcut(scope, receive, send)


def shortcuts_to(hot: Iterable[Routes], errors: ErrorAnswers) -> dict[tuple[str, str], Shortcut]:
    """To those that need nothing but the call."""
    return {
        (endpoint.method, endpoint.path): Shortcut(endpoint, errors)
        for routes in hot
        for endpoint in routes.endpoints
        if list(inspect.signature(endpoint.handler).parameters) == ["call"]
    }
