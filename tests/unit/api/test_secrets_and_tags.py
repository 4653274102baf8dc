"""Secrets and tags over the API: what goes in, what never comes out, where tags show."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tidemill.api.tags import PLACES

RED, BLUE = {"key": "team", "value": "red"}, {"key": "team", "value": "blue", "type": "METADATA"}


async def shown(api: httpx.AsyncClient, path: str) -> list[str]:
    return [tag["value"] for tag in (await api.get(path)).json()]


async def test_a_secret_goes_in_and_never_comes_out(room: ApiRoom, api: httpx.AsyncClient) -> None:
    assert (await api.put("/api/secrets/DB", content=b"hunter2")).status_code == 200
    assert (await api.post("/api/secrets", content=b"{}")).json() == ["DB"]
    assert (await api.get("/api/secrets")).json() == ["DB"]
    assert (await api.get("/api/secrets/DB/exists")).json() is True
    assert (await api.get("/api/secrets/no/exists")).json() is False
    refused = await api.get("/api/secrets/DB")
    assert refused.status_code == 501
    assert "write-only" in refused.json()["message"] and "hunter2" not in refused.text
    assert (await api.get("/api/secrets/no")).status_code == 404
    assert "hunter2" not in (await api.get("/api/tidemill/audit")).text
    assert await room.access.secrets.values(["DB"]) == {"DB": "hunter2"}
    assert (await api.delete("/api/secrets/DB")).status_code == 200
    assert (await api.delete("/api/secrets/DB")).status_code == 404


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (b"plain", "plain"),
        (rb"a\"b\\c\n", 'a"b\\c\n'),
        (b'"quoted"', "quoted"),
        ("\u00e4\u20ac".encode(), "\u00e4\u20ac"),
        (b'{"a": 1}', '{"a": 1}'),
    ],
)
async def test_a_secret_comes_as_raw_text(room: ApiRoom, api: httpx.AsyncClient, sent: bytes, value: str) -> None:
    """The SDK says that it is JSON, escapes the inside and leaves the quotes out."""
    await api.put("/api/secrets/DB", content=sent, headers={"content-type": "application/json"})
    assert await room.access.secrets.values(["DB"]) == {"DB": value}


async def test_what_is_no_secret_is_refused_without_being_shown(api: httpx.AsyncClient) -> None:
    too_long = await api.put("/api/secrets/DB", content=b"x" * 70_000)
    assert too_long.status_code == 400 and "xxx" not in too_long.text
    assert (await api.put("/api/secrets/a%20b", content=b"v")).status_code == 400


async def thing(api: httpx.AsyncClient, kind: str) -> str:
    """The name of one that there is."""
    if kind == "application":
        return str((await api.post("/api/applications", json={"name": "shop"})).json()["id"])
    made = {
        "workflow": ("POST", "/api/metadata/workflow", {"name": "x"}),
        "task": ("PUT", "/api/metadata/taskdefs", {"name": "x"}),
        "event_handler": ("POST", "/api/event", {"name": "x", "event": "kafka:shop:orders", "active": True}),
        "integration": ("POST", "/api/integrations/provider/x", {"type": "kafka", "category": "MESSAGE_BROKER"}),
        "secret": ("PUT", "/api/secrets/x", "v"),
    }
    method, path, body = made[kind]
    assert (await api.request(method, path, json=body)).status_code == 200
    return "x"


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.path)
async def test_tags_of_everything_that_can_have_them(api: httpx.AsyncClient, place: Any) -> None:
    missing = place.path.replace("{name}", "none")
    for method, body in (("GET", None), ("PUT", [RED]), ("DELETE", [RED])):
        assert (await api.request(method, missing, json=body)).status_code == 404
    path = place.path.replace("{name}", await thing(api, place.kind))
    assert (await api.get(path)).json() == []
    await api.put(path, json=[RED, BLUE])
    assert (await api.get(path)).json() == [BLUE, {**RED, "type": "METADATA"}]
    await api.request("DELETE", path, json=[RED])
    assert await shown(api, path) == ["blue"]
    await api.put(path, json=[RED])
    assert await shown(api, path) == ["red"]
    if place.has_post:
        await api.post(path, json=BLUE)
        assert await shown(api, path) == ["blue", "red"]
        await api.request("DELETE", path, json=RED)
        assert await shown(api, path) == ["blue"]
    assert RED["value"] in await shown(api, "/api/metadata/tags") or place.has_post


@pytest.mark.parametrize(
    ("path", "kind", "removal"),
    [
        ("/api/metadata/workflow/{}", "workflow", "/api/metadata/workflow/{}/1"),
        ("/api/metadata/taskdefs/{}", "task", "/api/metadata/taskdefs/{}"),
        ("/api/event/handler/{}", "event_handler", "/api/event/{}"),
        ("/api/integrations/provider/{}", "integration", "/api/integrations/provider/{}"),
        ("/api/applications/{}", "application", "/api/applications/{}"),
    ],
)
async def test_tags_are_in_what_is_shown_and_go_with_it(
    room: ApiRoom, api: httpx.AsyncClient, path: str, kind: Any, removal: str
) -> None:
    name = await thing(api, kind)
    place = next(each.path for each in PLACES if each.kind == kind).replace("{name}", name)
    assert "tags" not in (await api.get(path.format(name))).json()
    await api.put(place, json=[BLUE])
    one = (await api.get(path.format(name))).json()
    listed = (await api.get(path.removesuffix("/{}").removesuffix("/handler"))).json()
    assert one["tags"] == [BLUE]
    assert [each["tags"] for each in listed] == [[BLUE]]
    await api.delete(removal.format(name))
    assert await room.access.tags.of(kind, name) == []


async def test_tags_of_secrets_are_in_the_second_list(api: httpx.AsyncClient) -> None:
    await thing(api, "secret")
    await api.put("/api/secrets/x/tags", json=[BLUE])
    assert (await api.get("/api/secrets-v2")).json() == [{"name": "x", "tags": [BLUE]}]


async def test_tags_in_a_definition_are_kept(api: httpx.AsyncClient) -> None:
    document = {"name": "w", "tasks": [], "tags": [RED]}
    await api.post("/api/metadata/workflow", json=document)
    await api.put("/api/metadata/workflow", json=[{**document, "tags": [BLUE]}])
    assert await shown(api, "/api/metadata/workflow/w/tags") == ["blue", "red"]
    await api.put("/api/metadata/workflow", json=[{**document, "overwriteTags": True}])
    assert await shown(api, "/api/metadata/workflow/w/tags") == ["red"]
    await api.put("/api/metadata/workflow", json=[{"name": "w", "tasks": []}])
    assert await shown(api, "/api/metadata/workflow/w/tags") == ["red"]


@pytest.mark.parametrize("tags", [["x"], [{"key": "k"}], [{"key": "k", "value": 5}], {}])
async def test_tags_that_are_none_are_refused_before_anything_is_stored(api: httpx.AsyncClient, tags: Any) -> None:
    answer = await api.post("/api/metadata/workflow", json={"name": "w", "tasks": [], "tags": tags})
    assert answer.status_code == 400
    assert (await api.get("/api/metadata/workflow/w")).status_code == 404


async def test_a_tag_that_would_have_to_limit_something_is_not_taken_silently(api: httpx.AsyncClient) -> None:
    await thing(api, "workflow")
    limit = {"key": "x", "type": "RATE_LIMIT", "value": 5}
    answer = await api.post("/api/metadata/workflow/x/tags", json=limit)
    assert answer.status_code == 501
    assert "rate" in answer.json()["message"]
