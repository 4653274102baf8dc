"""The API as one ASGI application. Every route comes from a `Routes` and goes through the guard."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi

import tidemill
from tidemill.access import actions
from tidemill.api import (
    applications,
    dead_letters,
    events,
    execution_tree,
    grants,
    integrations,
    people,
    reports,
    roles,
    rule_components,
    rule_debug,
    rule_endpoints,
    rule_history,
    rule_runs,
    rule_saves,
    rules,
    schemas,
    secrets,
    task_definitions,
    task_polling,
    task_queues,
    task_search,
    tasks,
    thingsboard,
    thingsboard_script,
    thingsboard_sign_in,
    token,
    trace,
    workflow,
    workflow_bulk,
    workflow_control,
    workflow_definitions,
    workflow_execute,
    workflow_start,
    workflow_trial,
)
from tidemill.api.call import guard
from tidemill.api.description import schemas as described
from tidemill.api.errors import ErrorAnswers
from tidemill.api.not_built import not_built
from tidemill.api.operations import operations
from tidemill.api.router import DeclaredRoute, Routes, mount
from tidemill.api.services import Services
from tidemill.api.shortcuts import ShortcutApp, shortcuts_to
from tidemill.api.tags import tag_routes
from tidemill.core.codec import to_json

OPENAPI_PATH = "/api/openapi.json"

# Routes are tried in this order: what is called most comes first, what is general after what is particular.
HOT: tuple[Routes, ...] = (task_polling.routes, workflow_start.routes)
RESOURCES: tuple[Routes, ...] = (
    token.routes,
    thingsboard_sign_in.routes,
    applications.routes,
    people.user_routes,
    people.password_routes,
    people.group_routes,
    roles.routes,
    grants.routes,
    grants.user_routes,
    grants.group_routes,
    workflow_definitions.routes,
    task_definitions.routes,
    workflow_execute.routes,
    workflow_trial.routes,
    workflow_start.by_name_routes,
    workflow_bulk.routes,
    workflow_control.routes,
    workflow.routes,
    task_queues.routes,
    task_search.routes,
    tasks.routes,
    events.routes,
    rules.routes,
    rules.category_routes,
    thingsboard_script.routes,
    thingsboard.list_routes,
    thingsboard.routes,
    rule_components.routes,
    rule_debug.routes,
    rule_debug.own_routes,
    rule_runs.routes,
    rule_runs.own_routes,
    rule_history.routes,
    rule_saves.routes,
    integrations.routes,
    integrations.test_routes,
    secrets.routes,
    schemas.routes,
    dead_letters.routes,
    trace.routes,
    execution_tree.routes,
    reports.routes,
    rule_endpoints.routes,
    rule_endpoints.open_routes,
)


def create_app(services: Services) -> FastAPI:
    app = ShortcutApp(
        title="Tidemill",
        version=tidemill.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(guard)],
        redirect_slashes=False,
    )
    app.state.services = services
    errors = ErrorAnswers(services.clock)
    errors.install(app)
    resources = (*HOT, not_built(), *tag_routes(), *RESOURCES, operations(services.are_metrics_public), _documents(app))
    for routes in resources:
        mount(app, routes)
    app.shortcuts = shortcuts_to(HOT, errors)
    _describe(app, resources)
    return app


def _documents(app: FastAPI) -> Routes:
    """The API's own description: public, as there is no secret in it."""
    routes = Routes("Operations")

    @cache
    def written() -> bytes:
        return to_json(app.openapi())

    async def openapi(request: Request) -> Response:
        """This document."""
        text = await asyncio.to_thread(written)  # the first time it takes long, and others go on
        return Response(text, media_type="application/json")

    async def docs(request: Request) -> Response:
        """A page to read the API's document on."""
        return get_swagger_ui_html(openapi_url=OPENAPI_PATH, title=app.title)

    routes.add("GET", OPENAPI_PATH, actions.PUBLIC, openapi)
    routes.add("GET", "/docs", actions.PUBLIC, docs)
    return routes


def _describe(app: FastAPI, resources: tuple[Routes, ...]) -> None:
    """Adds what FastAPI cannot know, as bodies are read without models: their schemas, and the token's header."""

    def openapi() -> dict[str, Any]:
        whole = [route.whole for route in app.routes if isinstance(route, DeclaredRoute)]
        document = get_openapi(title=app.title, version=app.version, routes=whole)
        components = document.setdefault("components", {})
        endpoints = [endpoint for routes in resources for endpoint in routes.endpoints]
        types = [kind for endpoint in endpoints for kind in (endpoint.body, endpoint.answer)]
        components.setdefault("schemas", {}).update(described(types))
        components["securitySchemes"] = {"token": {"type": "apiKey", "in": "header", "name": "X-Authorization"}}
        document["security"] = [{"token": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]
