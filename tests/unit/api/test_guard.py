"""Every route declares its action, and nothing is open that does not say so."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response
from starlette.routing import BaseRoute, Match

from tests.fakes.api import ApiRoom
from tidemill.access import actions
from tidemill.access.principal import Principal
from tidemill.api.router import DeclaredRoute, action_of
from tidemill.api.shortcuts import ShortcutApp, Shortcuts

PUBLIC_PATHS = {
    "/api/auth/login",
    "/api/token",
    "/health",
    "/ready",
    "/api/openapi.json",
    "/docs",
    "/api/v1/open/{path:path}",
}


def undeclared(routes: list[BaseRoute]) -> list[str]:
    """Whatever is routed and has no action, also what is not one of our endpoints (a mount, an included router)."""
    return [str(getattr(route, "path", route)) for route in routes if action_of(route) is None]


async def test_every_route_declares_an_action(room: ApiRoom) -> None:
    routes = room.app().routes
    assert len(routes) > 100
    assert undeclared(routes) == []


async def test_a_route_without_action_is_found_and_forbidden(room: ApiRoom) -> None:
    app = room.app(is_fresh=True)

    @app.get("/api/forgotten")
    async def forgotten() -> Response:
        return Response("secret")

    assert undeclared(app.routes) == ["/api/forgotten"]
    async with client_of(app, room.client.headers["X-Authorization"]) as client:
        answer = await client.get("/api/forgotten")
    assert answer.status_code == 403
    assert "secret" not in answer.text


async def test_no_route_hides_another(room: ApiRoom) -> None:
    """The first route that matches is taken: a particular path has to come before a general one."""
    routes = routes_of(room.app())
    for index, route in enumerate(routes):
        scope = {"type": "http", "method": method_of(route), "path": path_of(route)}
        for earlier in routes[:index]:
            assert earlier.matches(scope)[0] != Match.FULL, f"{earlier.path} hides {route.path}"


async def test_a_route_is_made_when_it_is_first_called(room: ApiRoom) -> None:
    """All of them together take a fifth of the start."""
    app = room.app(is_fresh=True)
    async with client_of(app, room.client.headers["X-Authorization"]) as client:
        for path in ("/api/users", "/api/roles", "/api/users"):
            assert (await client.get(path)).status_code == 200
    assert [route.path for route in routes_of(app) if "whole" in vars(route)] == ["/api/users", "/api/roles"]


async def test_public_are_only_these(room: ApiRoom) -> None:
    public = {route.path for route in routes_of(room.app()) if action_of(route) == actions.PUBLIC}
    assert public == PUBLIC_PATHS


async def test_every_other_route_refuses_without_token(room: ApiRoom) -> None:
    async with room.client_with({}) as stranger:
        for route in routes_of(room.app()):
            if action_of(route) == actions.PUBLIC:
                continue
            answer = await stranger.request(method_of(route), path_of(route))
            assert (answer.status_code, answer.json()["error"]) == (401, "INVALID_TOKEN"), route.path


async def test_every_other_route_refuses_a_principal_without_roles(room: ApiRoom) -> None:
    async with room.client_with({"X-Authorization": await token_with(room)}) as nobody:
        for route in routes_of(room.app()):
            if action_of(route) in (actions.PUBLIC, actions.SIGNED_IN):
                continue
            answer = await nobody.request(method_of(route), path_of(route))
            assert answer.status_code == 403, route.path


async def test_refusals_are_in_the_audit_log(room: ApiRoom, api: httpx.AsyncClient) -> None:
    async with room.client_with({}) as stranger:
        await stranger.get("/api/workflow/abc")
    (entry,) = [found for found in (await api.get("/api/tidemill/audit")).json() if found["outcome"] == "refused"]
    assert (entry["principal"], entry["action"]) == ("anonymous", "workflow.read")
    assert entry["resource"] == "/api/workflow/{execution_id}"


async def test_expired_token_says_so_for_the_sdk(room: ApiRoom, api: httpx.AsyncClient) -> None:
    room.clock.advance(25 * 3600)
    answer = await api.get("/api/metadata/workflow")
    assert (answer.status_code, answer.json()["error"]) == (401, "EXPIRED_TOKEN")


async def test_bearer_is_taken_too(room: ApiRoom, api: httpx.AsyncClient) -> None:
    async with room.client_with({"Authorization": f"Bearer {api.headers['X-Authorization']}"}) as client:
        assert (await client.get("/api/token/userInfo")).json()["id"] == "admin"


@pytest.mark.parametrize("kind", ["workflow", "integration"])
async def test_findings_ask_for_the_right_to_read_the_kind(room: ApiRoom, kind: str) -> None:
    async with room.client_with({"X-Authorization": await token_with(room)}) as nobody:
        assert (await nobody.get(f"/api/tidemill/findings?kind={kind}&name=x")).status_code == 403


async def test_metrics_need_a_token_unless_set_public(room: ApiRoom, api: httpx.AsyncClient) -> None:
    async with room.client_with({}) as stranger:
        assert (await stranger.get("/metrics")).status_code == 401
    answer = await api.get("/metrics")
    assert "tidemill_records_total" in answer.text
    async with client_of(room.app(are_metrics_public=True), "") as stranger:
        assert (await stranger.get("/metrics")).status_code == 200


async def token_with(room: ApiRoom, *roles: str) -> str:
    admin = Principal("admin", "Administrator", ("ADMIN",))
    application = await room.access.applications.create("some", admin)
    for role in roles:
        await room.access.applications.add_role(application.id, role, admin)
    key, secret = await room.access.applications.create_key(application.id, admin)
    return await room.access.access.sign_in_key(key.id, secret)


def routes_of(app: FastAPI) -> list[DeclaredRoute]:
    return [route for route in app.routes if isinstance(route, DeclaredRoute)]


def path_of(route: DeclaredRoute) -> str:
    return route.path.replace(":path", "").replace("{", "").replace("}", "")


def method_of(route: DeclaredRoute) -> str:
    return next(iter(route.methods or ()))


def client_of(app: FastAPI, token: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://tidemill", headers={"X-Authorization": token})


async def test_what_is_called_most_takes_the_short_way(room: ApiRoom) -> None:
    """The tests above call it by that way too: the address decides."""
    app = room.app()
    assert isinstance(app, ShortcutApp)
    whole = {("POST", "/api/tasks"), ("POST", "/api/tasks/update-v2"), ("POST", "/api/workflow")}
    assert (set(app.shortcuts.whole), set(app.shortcuts.named)) == (whole, set(NAMED))


NAMED = {("GET", "/api/tasks/poll/batch"), ("GET", "/api/tasks/poll")}


@pytest.mark.parametrize("head", ["poll", "poll/batch"])
@pytest.mark.parametrize(
    "rest",
    [
        "pack",
        "pack?workerid=w&domain=d&count=7&timeout=50",
        "pack?workerid=&domain=None&domain=null",
        "pack?workerid=one&workerid=tw%C3%B6%20%2B+x&other=1&=&&count",
        "pack?count=-1&timeout=%2B5",
        "pack?count=1&count=9",
        "pack?count=x",
        "pack?count=",
        "pack?timeout=12345678901234567890",
        "pack?count=%D9%A3",
        "pack%20it?domain=%00",
        "pack%00",
        "p%C3%A4ck",
        "a%2Fb",
        "",
        "*",
        "batch",
    ],
)
async def test_both_ways_read_an_address_alike(
    room: ApiRoom, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, head: str, rest: str
) -> None:
    app = room.app()
    assert isinstance(app, ShortcutApp)
    short = await told(room, api, f"/api/tasks/{head}/{rest}")
    monkeypatch.setattr(app, "shortcuts", Shortcuts())
    assert await told(room, api, f"/api/tasks/{head}/{rest}") == short


async def told(room: ApiRoom, api: httpx.AsyncClient, path: str) -> tuple[int, str, list[Any]]:
    """Status, what the answer says, and what was asked of the workers."""
    room.workers.polls.clear()
    answer = await api.get(path)
    says = answer.json()["message"] if answer.status_code >= 400 else answer.text
    return answer.status_code, says, list(room.workers.polls)


async def test_what_is_plainly_right_takes_the_short_way(room: ApiRoom) -> None:
    app = room.app()
    assert isinstance(app, ShortcutApp)
    scope = {"method": "GET", "path": "/api/tasks/poll/batch/pack"}
    taken = app.shortcuts.find({**scope, "query_string": b"workerid=w&domain=null&count=7&x=1"})
    assert taken is not None
    assert taken[1] == {"name": "pack", "workerid": "w", "domain": None, "count": 7}
    assert app.shortcuts.find({**scope, "query_string": b"count=-7"}) is None
