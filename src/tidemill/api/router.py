"""How a route is declared: method, path, and the action that a caller must be allowed. No route without one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from fastapi import FastAPI, Response
from starlette.routing import BaseRoute

from tidemill.access import actions
from tidemill.access.actions import Action

ACTION_KEY = "x-tidemill-action"
SCHEMA_PLACE = "#/components/schemas/{name}"

Handler = Callable[..., Awaitable[Response]]
H = TypeVar("H", bound=Handler)

_BY_NAME = {action.name: action for action in actions.ALL}


class Endpoint(msgspec.Struct, frozen=True):
    """`body` is the msgspec type of the request's JSON, for the API's document; None where there is none."""

    method: str
    path: str
    action: Action
    handler: Handler
    tag: str
    body: Any = None


class Routes:
    """The endpoints of one resource. `tag` groups them in the API's document, as Conductor's does."""

    def __init__(self, tag: str, prefix: str = "") -> None:
        self._tag = tag
        self._prefix = prefix
        self.endpoints: list[Endpoint] = []

    def get(self, path: str, action: Action) -> Callable[[H], H]:
        return self._declare("GET", path, action, None)

    def post(self, path: str, action: Action, body: Any = None) -> Callable[[H], H]:
        return self._declare("POST", path, action, body)

    def put(self, path: str, action: Action, body: Any = None) -> Callable[[H], H]:
        return self._declare("PUT", path, action, body)

    def delete(self, path: str, action: Action) -> Callable[[H], H]:
        return self._declare("DELETE", path, action, None)

    def add(self, method: str, path: str, action: Action, handler: Handler, body: Any = None) -> None:
        self.endpoints.append(Endpoint(method, self._prefix + path, action, handler, self._tag, body))

    def _declare(self, method: str, path: str, action: Action, body: Any) -> Callable[[H], H]:
        def declare(handler: H) -> H:
            self.endpoints.append(Endpoint(method, self._prefix + path, action, handler, self._tag, body))
            return handler

        return declare


def mount(app: FastAPI, routes: Routes) -> None:
    for endpoint in routes.endpoints:
        app.add_api_route(
            endpoint.path,
            endpoint.handler,
            methods=[endpoint.method],
            tags=[endpoint.tag],
            response_model=None,
            operation_id=f"{endpoint.method.lower()}_{_slug(endpoint.path)}",
            openapi_extra={ACTION_KEY: endpoint.action.name, **_request_body(endpoint.body)},
        )


def action_of(route: BaseRoute | None) -> Action | None:
    """What the route declared; None for one that did not come through `mount`: it is refused."""
    extra = getattr(route, "openapi_extra", None) or {}
    return _BY_NAME.get(extra.get(ACTION_KEY, ""))


def body_schemas(endpoints: list[Endpoint]) -> dict[str, Any]:
    """The schemas that request bodies refer to, for the API's document."""
    types = [endpoint.body for endpoint in endpoints if endpoint.body is not None]
    _, components = msgspec.json.schema_components(types, ref_template=SCHEMA_PLACE)
    return components


def _request_body(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    (schema,), _ = msgspec.json.schema_components([body], ref_template=SCHEMA_PLACE)
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _slug(path: str) -> str:
    return (
        path.removeprefix("/")
        .replace("/", "_")
        .replace("{", "")
        .replace("}", "")
        .replace(":path", "")
        .replace("-", "_")
    )
