"""How a route is declared: method, path, and the action that a caller must be allowed. No route without one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cached_property
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.params import Depends
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from tidemill.access.actions import Action
from tidemill.api.description import request_json, responses_json, told

ACTION_KEY = "x-tidemill-action"
CALL_KEY = "tidemill.call"
"""Where in the scope of a request the guard leaves the call."""

Handler = Callable[..., Awaitable[Response]]
Target = Callable[[Any], Awaitable[None]]
"""Asks of an `AllowedCall` whether the caller may do it to the things that the address names (see `targets`)."""
H = TypeVar("H", bound=Handler)


class Endpoint(msgspec.Struct, frozen=True):
    """`body` is the msgspec type of the request's JSON and `answer` that of the answer's (`str` is plain text), for the
    API's document; None where there is none, or no simple one. What it does is its handler's docstring. `on` says what
    it is done to: without it, only those may call whose roles allow the action on everything."""

    method: str
    path: str
    action: Action
    handler: Handler
    tag: str
    body: Any = None
    answer: Any = None
    on: Target | None = None


class Routes:
    """The endpoints of one resource. `tag` groups them in the API's document, as Conductor's does. `on` is what most of
    them are done to."""

    def __init__(self, tag: str, prefix: str = "", on: Target | None = None) -> None:
        self._tag = tag
        self._prefix = prefix
        self._on = on
        self.endpoints: list[Endpoint] = []

    def get(self, path: str, action: Action, answer: Any = None, on: Target | None = None) -> Callable[[H], H]:
        return self._declare("GET", path, action, None, answer, on)

    def post(
        self, path: str, action: Action, body: Any = None, answer: Any = None, on: Target | None = None
    ) -> Callable[[H], H]:
        return self._declare("POST", path, action, body, answer, on)

    def put(
        self, path: str, action: Action, body: Any = None, answer: Any = None, on: Target | None = None
    ) -> Callable[[H], H]:
        return self._declare("PUT", path, action, body, answer, on)

    def delete(self, path: str, action: Action, on: Target | None = None) -> Callable[[H], H]:
        return self._declare("DELETE", path, action, None, None, on)

    def add(
        self,
        method: str,
        path: str,
        action: Action,
        handler: Handler,
        body: Any = None,
        answer: Any = None,
        on: Target | None = None,
    ) -> None:
        endpoint = Endpoint(method, self._prefix + path, action, handler, self._tag, body, answer, on or self._on)
        self.endpoints.append(endpoint)

    def _declare(
        self, method: str, path: str, action: Action, body: Any, answer: Any, on: Target | None
    ) -> Callable[[H], H]:
        def declare(handler: H) -> H:
            self.add(method, path, action, handler, body, answer, on)
            return handler

        return declare


class DeclaredRoute(Route):
    """What FastAPI makes of an endpoint (its parameters, its part of the API's document) takes a millisecond. It is
    made at the first call: a process that starts need not wait for hundreds of them."""

    def __init__(self, endpoint: Endpoint, dependencies: Sequence[Depends]) -> None:
        super().__init__(endpoint.path, endpoint.handler)
        self.methods = {endpoint.method}
        self.app = self._serve
        self.declared = endpoint
        self._dependencies = dependencies

    @cached_property
    def whole(self) -> APIRoute:
        endpoint = self.declared
        summary, description = told(endpoint.handler)
        return _SettledRoute(
            endpoint.path,
            endpoint.handler,
            methods=[endpoint.method],
            tags=[endpoint.tag],
            dependencies=self._dependencies,
            summary=summary,
            description=description,
            response_model=None,
            response_class=Response,
            operation_id=f"{endpoint.method.lower()}_{_slug(endpoint.path)}",
            openapi_extra={
                ACTION_KEY: endpoint.action.name,
                **request_json(endpoint.body),
                "responses": responses_json(endpoint.answer),
            },
        )

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        return match, {**found, "route": self}

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.whole.app(scope, receive, send)


class _SettledRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def settled(request: Request) -> Response:
            answer = await handle(request)
            call = request.scope.get(CALL_KEY)
            if call is not None:
                call.check_settled()
            return answer

        return settled


def mount(app: FastAPI, routes: Routes) -> None:
    for endpoint in routes.endpoints:
        app.router.routes.append(DeclaredRoute(endpoint, app.router.dependencies))


def declared_by(route: BaseRoute | None) -> Endpoint | None:
    return route.declared if isinstance(route, DeclaredRoute) else None


def action_of(route: BaseRoute | None) -> Action | None:
    """What the route declared; None for one that did not come through `mount`: it is refused."""
    endpoint = declared_by(route)
    return endpoint.action if endpoint else None


def _slug(path: str) -> str:
    return (
        path.removeprefix("/")
        .replace("/", "_")
        .replace("{", "")
        .replace("}", "")
        .replace(":path", "")
        .replace("-", "_")
    )
