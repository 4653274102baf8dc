"""What clients really send, and the one error body."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import conductor.client.http.api
import conductor.client.orkes.api
import httpx
import pytest
from starlette.routing import Match

from tests.fakes.api import ApiRoom
from tidemill.api.errors import STATUS
from tidemill.core import errors
from tidemill.core.codec import to_json
from tidemill.core.errors import TidemillError

HEADERS = {"Content-Type": "application/json"}


def start_body(**fields: Any) -> bytes:
    return to_json({"name": "pick", **fields})


async def test_delete_with_an_empty_object_as_body(api: httpx.AsyncClient, room: ApiRoom) -> None:
    started = await api.post("/api/workflow", content=start_body())
    answer = await api.request("DELETE", f"/api/workflow/{started.text}?reason=late", content=b"{}", headers=HEADERS)
    assert (answer.status_code, answer.content) == (200, b"")
    assert room.executions.by_id[started.text].reason == "late"


@pytest.mark.parametrize(("text", "status"), [("True", 200), ("true", 200), ("False", 409), ("None", 409)])
async def test_booleans_in_either_case(api: httpx.AsyncClient, text: str, status: int) -> None:
    await api.post("/api/metadata/workflow", json={"name": "pick"})
    answer = await api.post(f"/api/metadata/workflow?overwrite={text}", json={"name": "pick"})
    assert answer.status_code == status


async def test_none_as_text_counts_as_absent(api: httpx.AsyncClient, room: ApiRoom) -> None:
    answer = await api.post("/api/workflow/pick?version=None&correlationId=None&priority=", content=b"")
    assert answer.status_code == 200
    start, _ = room.executions.started[0]
    assert (start.version, start.correlation_id, start.priority, start.input) == (None, None, 0, {})


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"plain", "plain"),
        (b'say \\"hi\\"', 'say "hi"'),
        (b'say \\"hi\\', 'say "hi"'),
        (b"C:\\\\", "C:\\"),
        (b'"quoted"', "quoted"),
        (b"a\\qb", "a\\qb"),
        (b"12", "12"),
    ],
)
async def test_raw_text_with_a_json_content_type(
    api: httpx.AsyncClient, room: ApiRoom, content: bytes, kept: str
) -> None:
    await api.post("/api/tasks/x.1/log", content=content, headers=HEADERS)
    assert [line.text for line in room.workers.lines] == [kept]


async def test_path_parts_are_fully_encoded(api: httpx.AsyncClient) -> None:
    handler = {"name": "take", "event": "kafka:shop:orders", "active": True, "actions": []}
    await api.post("/api/event", json=handler)
    assert (await api.get("/api/event/kafka%3Ashop%3Aorders")).json() == [handler]


async def test_ids_are_plain_text(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/workflow", content=start_body())
    assert answer.headers["content-type"].startswith("text/plain")


async def test_strategy_without_key_is_taken(api: httpx.AsyncClient, room: ApiRoom) -> None:
    answer = await api.post("/api/workflow", content=start_body(idempotencyStrategy="FAIL", version=None))
    assert answer.status_code == 200
    assert room.executions.started[0][0].idempotency_key is None


async def test_empty_poll_is_204_and_empty_batch_a_list(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/tasks/poll/pack?workerid=w")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await api.get("/api/tasks/poll/batch/pack?count=5&timeout=1")).json() == []


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"name": "pick",\n "input": }', (2, 11)),
        (b'{"name": "pi\x00ck"}', (1, 13)),
        (b'{"name": ', (1, 10)),
    ],
)
async def test_bad_json_names_the_place(api: httpx.AsyncClient, content: bytes, place: tuple[int, int]) -> None:
    answer = await api.post("/api/workflow", content=content)
    body = answer.json()
    (finding,) = body["validationErrors"]
    assert (answer.status_code, body["retryable"]) == (400, False)
    assert (finding["line"], finding["column"]) == place


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (b"{}", "name"),
        (b'{"name": 5}', "name"),
        (b'{"name": "a\\u0000b"}', "name"),
        (b'{"name": "a", "taskToDomain": {"x": 1}}', "taskToDomain[...]"),
        (b'{"name": "a", "idempotencyStrategy": "SOMETIMES"}', "idempotencyStrategy"),
        (b"[1]", ""),
        (b'{"name": "a", "version": 99999999999999999999}', "version"),
        (b'{"name": "a", "priority": -1}', "priority"),
    ],
)
async def test_wrong_types_name_the_path(api: httpx.AsyncClient, content: bytes, path: str) -> None:
    answer = await api.post("/api/workflow", content=content)
    assert answer.status_code == 400
    assert [finding.get("path") for finding in answer.json()["validationErrors"]] == [path]


async def test_broken_utf8_is_400(api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/workflow", content=b'{"name": "\xff"}')).status_code == 400
    assert (await api.post("/api/tasks/x.1/log", content=b"\xff")).status_code == 400


async def test_deep_nesting_is_400(api: httpx.AsyncClient) -> None:
    body = b'{"name": "a", "input": {"x": ' + b"[" * 40_000 + b"]" * 40_000 + b"}}"
    assert (await api.post("/api/workflow", content=body)).status_code == 400


@pytest.mark.parametrize("path", ["/api/workflow/a%00b", "/api/workflow/search?query=a%00b"])
async def test_nul_in_the_address_is_400(api: httpx.AsyncClient, path: str) -> None:
    assert (await api.get(path)).status_code == 400


async def test_body_over_the_limit_is_413(api: httpx.AsyncClient) -> None:
    announced = await api.post("/api/workflow", content=b"x" * 100_001)
    assert announced.status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 10_000

    streamed = await api.post("/api/workflow", content=chunks())
    assert (streamed.status_code, streamed.json()["status"]) == (413, 413)


async def test_wrong_parameter_is_400_with_its_name(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/metadata/workflow/pick?version=two")
    assert answer.status_code == 400
    assert answer.json()["validationErrors"][0]["path"] == "query.version"


@pytest.mark.parametrize("path", ["/api/metadata/workflow/pick?version=9999999999", "/api/tidemill/trace/a/b/0/-1"])
async def test_numbers_have_bounds(api: httpx.AsyncClient, path: str) -> None:
    assert (await api.get(path)).status_code == 400


async def test_all_findings_come_together(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/metadata/workflow", json={"name": "bad"})
    body = answer.json()
    assert answer.status_code == 400
    assert [finding["path"] for finding in body["validationErrors"]] == ["tasks", "nane"]
    assert body["message"] == "tasks: is missing; nane: is unknown"


async def test_unknown_path_and_method(api: httpx.AsyncClient) -> None:
    unknown = (await api.get("/api/nowhere")).json()
    assert (unknown["status"], unknown["message"]) == (404, "there is nothing at /api/nowhere")
    wrong = await api.put("/api/workflow/search")
    assert (wrong.status_code, wrong.json()["message"]) == (405, "/api/workflow/search takes no PUT")


async def test_known_and_not_built_is_501_with_a_sentence(api: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/api/workflow/execute/x"),
        ("GET", "/api/scheduler/schedules"),
    ):
        answer = await api.request(method, path)
        assert answer.status_code == 501
        assert answer.json()["message"].startswith("not yet supported: ")


@pytest.mark.parametrize("path", ["/api/integrations", "/api/integrations/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_integrations_in_bulk_are_not_built(api: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await api.request(method, path, json=[])
    assert answer.status_code == 501
    assert answer.json()["message"] == "not yet supported: many integrations at once; save them one by one"


def called_by(package: ModuleType) -> Iterator[tuple[str, str]]:
    """(method, path) of everything that the modules of the SDK's package call."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        source = inspect.getsource(importlib.import_module(module.name))
        for path, method in re.findall(r"call_api\(\s*'([^']+)',\s*'(\w+)'", source):
            yield method, "/api" + re.sub(r"\{\w+\}", "x", path)


async def test_every_path_of_the_sdk_has_a_route(room: ApiRoom) -> None:
    called = {*called_by(conductor.client.http.api), *called_by(conductor.client.orkes.api)}
    assert len(called) > 180
    routes = room.app().routes
    scopes = [{"type": "http", "method": method, "path": path} for method, path in sorted(called)]
    assert [scope for scope in scopes if all(route.matches(scope)[0] != Match.FULL for route in routes)] == []


@pytest.mark.parametrize(("kind", "status"), STATUS.items())
async def test_each_kind_of_error_has_its_status(
    room: ApiRoom, api: httpx.AsyncClient, kind: type[TidemillError], status: int
) -> None:
    room.executions.error = kind("the password is hunter2")
    answer = await api.post("/api/workflow", content=start_body())
    body = answer.json()
    assert (answer.status_code, body["status"], body["retryable"]) == (status, status, status in (429, 503))
    assert ("hunter2" in answer.text) == (status != 503)


def test_every_kind_of_error_is_in_the_table() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TidemillError)}
    assert kinds - {TidemillError} == set(STATUS)


async def test_unexpected_error_shows_no_internals(room: ApiRoom, api: httpx.AsyncClient) -> None:
    room.executions.error = RuntimeError("the password is hunter2")
    answer = await api.post("/api/workflow", content=start_body())
    assert (answer.status_code, answer.json()["status"]) == (500, 500)
    assert "hunter2" not in answer.text


async def test_openapi_lists_resources_by_tag(api: httpx.AsyncClient) -> None:
    document = (await api.get("/api/openapi.json")).json()
    start = document["paths"]["/api/workflow"]["post"]
    assert (start["tags"], start["x-tidemill-action"]) == (["Workflow"], "workflow.start")
    assert start["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/StartRequest"
    }
    assert "correlationId" in document["components"]["schemas"]["StartRequest"]["properties"]
