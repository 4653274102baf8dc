"""The API's document: every route has a group and says in a line what it does; shapes are where they are simple."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import Response

from tests.fakes.api import ApiRoom
from tidemill.access import actions
from tidemill.api.app import HOT, RESOURCES
from tidemill.api.router import Routes, mount

GROUPS = {
    "Application", "Authorization", "Dead letters", "Event", "Group", "Integrations", "Metadata", "Not built yet",
    "Operations", "Role", "Rule chains", "Schema", "Secret", "Task", "Tidemill", "Token", "User", "Workflow",
}  # fmt: skip


@pytest.fixture
async def document(api: httpx.AsyncClient) -> Any:
    return (await api.get("/api/openapi.json")).json()


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def unsaid(document: Any) -> list[str]:
    """Routes that have no group that we know, or nothing to say."""
    return [
        route
        for route, operation in operations(document)
        if not set(operation["tags"]) <= GROUPS or "description" not in operation or len(operation["summary"]) > 120
    ]


async def test_every_route_has_a_group_and_a_summary(document: Any) -> None:
    assert len(list(operations(document))) > 150
    assert unsaid(document) == []


async def test_a_route_that_says_nothing_is_found(room: ApiRoom) -> None:
    app = room.app(is_fresh=True)
    silent = Routes("Metadata")

    async def nothing() -> Response:
        raise NotImplementedError

    silent.add("GET", "/api/silent", actions.PUBLIC, nothing)
    mount(app, silent)
    assert unsaid(app.openapi()) == ["GET /api/silent"]


async def test_shapes_of_what_goes_in_and_comes_out(document: Any) -> None:
    start = document["paths"]["/api/workflow"]["post"]
    assert start["summary"] == "Starts an execution"
    assert start["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/StartRequest"
    }
    assert start["responses"]["200"]["content"] == {"text/plain": {"schema": {"type": "string"}}}
    names = document["paths"]["/api/secrets"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert names == {"type": "array", "items": {"type": "string"}}
    refused = start["responses"]["default"]["content"]["application/json"]["schema"]
    assert refused == {"$ref": "#/components/schemas/ErrorBody"}


async def test_every_shape_that_is_named_is_there(document: Any) -> None:
    named = {part.split('"')[0] for part in str(document).replace("'", '"').split("#/components/schemas/")[1:]}
    assert named <= set(document["components"]["schemas"])
    assert {"StartRequest", "ErrorBody", "GivenTag"} <= named


def test_groups_are_those_of_conductor() -> None:
    assert {endpoint.tag for routes in (*HOT, *RESOURCES) for endpoint in routes.endpoints} <= GROUPS
