"""How a route is declared: method, path, and the action that a caller must be allowed. No route without one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

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


class DeclaredRoute(APIRoute):
    """`declared` is None for a route that did not come through `mount`: it is refused."""

    declared: Endpoint | None = None

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
    app.router.route_class = DeclaredRoute
    for endpoint in routes.endpoints:
        summary, description = told(endpoint.handler)
        app.add_api_route(
            endpoint.path,
            endpoint.handler,
            methods=[endpoint.method],
            tags=[endpoint.tag],
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
        route = app.router.routes[-1]
        assert isinstance(route, DeclaredRoute)
        route.declared = endpoint


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
