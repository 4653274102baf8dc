"""How a route is declared: method, path, and the action that a caller must be allowed. No route without one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI, Response
from starlette.routing import BaseRoute

from tidemill.access import actions
from tidemill.access.actions import Action
from tidemill.api.description import request_json, responses_json, told

ACTION_KEY = "x-tidemill-action"

Handler = Callable[..., Awaitable[Response]]
H = TypeVar("H", bound=Handler)

_BY_NAME = {action.name: action for action in actions.ALL}


class Endpoint(msgspec.Struct, frozen=True):
    """`body` is the msgspec type of the request's JSON and `answer` that of the answer's (`str` is plain text), for the
    API's document; None where there is none, or no simple one. What it does is its handler's docstring."""

    method: str
    path: str
    action: Action
    handler: Handler
    tag: str
    body: Any = None
    answer: Any = None


class Routes:
    """The endpoints of one resource. `tag` groups them in the API's document, as Conductor's does."""

    def __init__(self, tag: str, prefix: str = "") -> None:
        self._tag = tag
        self._prefix = prefix
        self.endpoints: list[Endpoint] = []

    def get(self, path: str, action: Action, answer: Any = None) -> Callable[[H], H]:
        return self._declare("GET", path, action, None, answer)

    def post(self, path: str, action: Action, body: Any = None, answer: Any = None) -> Callable[[H], H]:
        return self._declare("POST", path, action, body, answer)

    def put(self, path: str, action: Action, body: Any = None, answer: Any = None) -> Callable[[H], H]:
        return self._declare("PUT", path, action, body, answer)

    def delete(self, path: str, action: Action) -> Callable[[H], H]:
        return self._declare("DELETE", path, action, None, None)

    def add(
        self, method: str, path: str, action: Action, handler: Handler, body: Any = None, answer: Any = None
    ) -> None:
        self.endpoints.append(Endpoint(method, self._prefix + path, action, handler, self._tag, body, answer))

    def _declare(self, method: str, path: str, action: Action, body: Any, answer: Any) -> Callable[[H], H]:
        def declare(handler: H) -> H:
            self.add(method, path, action, handler, body, answer)
            return handler

        return declare


def mount(app: FastAPI, routes: Routes) -> None:
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


def action_of(route: BaseRoute | None) -> Action | None:
    """What the route declared; None for one that did not come through `mount`: it is refused."""
    extra = getattr(route, "openapi_extra", None) or {}
    return _BY_NAME.get(extra.get(ACTION_KEY, ""))


def _slug(path: str) -> str:
    return (
        path.removeprefix("/")
        .replace("/", "_")
        .replace("{", "")
        .replace("}", "")
        .replace(":path", "")
        .replace("-", "_")
    )
