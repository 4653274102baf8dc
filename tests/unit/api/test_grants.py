"""Rights on single things at the routes: what they open, and that they open nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, get_args

import httpx
import pytest
from fastapi import Response

from tests.fakes.api import ApiRoom
from tests.unit.api.test_guard import method_of, token_with
from tidemill.access import actions
from tidemill.access.actions import Right, ThingKind
from tidemill.access.principal import Principal
from tidemill.api.call import Call
from tidemill.api.router import DeclaredRoute, Routes, declared_by, mount
from tidemill.api.targets import by_handler

ADMIN = Principal("admin", "Administrator", ("ADMIN",))
KAFKA = {"type": "kafka", "category": "MESSAGE_BROKER", "configuration": {}}
HANDLER = {"event": "kafka:shop:orders", "actions": []}
TASK = {"name": "pack", "taskReferenceName": "pack_ref", "type": "SIMPLE"}


async def seed(api: httpx.AsyncClient, name: str) -> Mapping[str, str]:
    """One thing of each kind under this name; by parameter, how routes name them."""
    await api.post("/api/metadata/workflow", json={"name": name, "tasks": []})
    await api.post("/api/metadata/taskdefs", json=[{"name": name}])
    await api.post("/api/event", json={**HANDLER, "name": name, "active": True})
    await api.post(f"/api/integrations/provider/{name}", json=KAFKA)
    await api.post("/api/schema", json={"name": name, "version": 1, "type": "JSON"})
    await api.put(f"/api/secrets/{name}", content=b"value")
    application = (await api.post("/api/applications", json={"name": name})).json()["id"]
    execution = (await api.post("/api/workflow", json={"name": name})).text
    return {
        "application": application,
        "application_id": application,
        "name": name,
        "execution_id": execution,
        "task_id": f"{execution}.1",
        "key_id": (await api.post(f"/api/applications/{application}/accessKeys")).json()["id"],
    }


@asynccontextmanager
async def client_of(room: ApiRoom, *roles: str, **rights: tuple[str, Right]) -> AsyncIterator[httpx.AsyncClient]:
    """An application with these roles, and by kind a right on the thing of a name."""
    token = await token_with(room, *roles)
    for kind, (name, right) in rights.items():
        principal = await room.access.access.authenticate(token)
        await room.access.grants.give(("user", principal.id), kind, name, [right], ADMIN)  # type: ignore[arg-type]
    async with room.client_with({"X-Authorization": token}) as client:
        yield client


async def grant_all(room: ApiRoom, client: httpx.AsyncClient, name: str, application: str) -> None:
    """Every right on the one thing of each kind."""
    own = (await client.get("/api/token/userInfo")).json()["id"]
    for kind in get_args(ThingKind):
        target = application if kind == "application" else name
        await room.access.grants.give(("user", own), kind, target, get_args(Right), ADMIN)


def granted_routes(room: ApiRoom) -> list[tuple[str, str]]:
    found = []
    for route in room.app().routes:
        endpoint = declared_by(route)
        if endpoint is not None and endpoint.on is not None:
            assert isinstance(route, DeclaredRoute)
            found.append((method_of(route), route.path.replace(":path", "")))
    return found


FILLED = {"version": "1", "ref": "pack_ref", "status": "COMPLETED", "correlation_id": "c", "role": "WORKER"}
BODIES: Mapping[str, Any] = {
    "POST /api/workflow": {"name": "pick"},
    "POST /api/workflow/test": {"name": "pick"},
    "POST /api/workflow/correlated/batch": {"workflowNames": ["pick"], "correlationIds": ["c"]},
    "POST /api/workflow/{name}/correlated": ["c"],
    "POST /api/metadata/workflow": {"name": "pick", "tasks": []},
    "PUT /api/metadata/workflow": [{"name": "pick", "tasks": []}],
    "POST /api/metadata/taskdefs": [{"name": "pick"}],
    "PUT /api/metadata/taskdefs": {"name": "pick"},
    "POST /api/event": {**HANDLER, "name": "pick"},
    "PUT /api/event": {**HANDLER, "name": "pick"},
    "POST /api/schema": {"name": "pick", "version": 1, "type": "JSON"},
}
LISTS = {
    "/api/workflow/search", "/api/workflow/search-v2", "/api/tasks/search", "/api/tasks/search-v2",
    "/api/tasks/queue/sizes", "/api/tasks/queue/all",
    "/api/tasks/queue/all/verbose", "/api/tasks/queue/polldata/all", "/api/metadata/workflow", "/api/metadata/taskdefs",
    "/api/event", "/api/event/{event}", "/api/integrations/provider", "/api/integrations/all", "/api/integrations/def",
    "/api/schema", "/api/secrets", "/api/secrets-v2", "/api/applications",
}  # fmt: skip
"""They answer, and show nothing of it."""


async def test_rights_on_one_thing_open_nothing_of_another(room: ApiRoom, api: httpx.AsyncClient) -> None:
    pick, other = await seed(api, "pick"), await seed(api, "other")
    async with client_of(room) as client:
        await grant_all(room, client, "other", other["application"])
        for method, path in granted_routes(room):
            values = {**FILLED, **pick, "event": "kafka%3Ashop%3Aorders"}
            place = path
            if path.startswith("/api/applications"):
                values["name"] = pick["application"]
            for parameter, value in values.items():
                place = place.replace("{" + parameter + "}", value)
            body = BODIES.get(f"{method} {path}", bulk_or_report(path, pick))
            query = {"taskType": "pick", "kind": "workflow", "name": "pick"}
            answer = await client.request(method, place, json=body, params=query if method == "GET" else None)
            if path in LISTS and (method == "GET" or path == "/api/secrets"):
                assert answer.status_code == 200, (method, path)
                assert "pick" not in answer.text, (method, path)
            elif path.startswith("/api/workflow/bulk"):
                assert answer.json()["bulkSuccessfulResults"] == [], path
                assert "may not" in answer.json()["bulkErrorResults"][pick["execution_id"]]
            else:
                assert answer.status_code == 403, (method, path, answer.text)
    assert room.control.effects == []
    assert room.workers.updates == []
    assert room.executions.queries == [] or all(query.names == ("other",) for query in room.executions.queries)


def bulk_or_report(path: str, pick: Mapping[str, str]) -> Any:
    if path.startswith("/api/workflow/bulk"):
        return [pick["execution_id"]]
    if path in ("/api/tasks", "/api/tasks/update-v2"):
        return {"taskId": pick["task_id"], "workflowInstanceId": pick["execution_id"], "status": "COMPLETED"}
    if path.endswith("/tags"):
        return [{"key": "team", "value": "red"}]
    return {}


async def test_every_right_opens_every_route_of_its_thing(room: ApiRoom, api: httpx.AsyncClient) -> None:
    """Of the routes that rights can open: with all of them nothing is refused."""
    pick = await seed(api, "pick")
    room.executions.by_id[pick["execution_id"]].tasks[0].name = "pick"
    async with client_of(room, "WORKER") as client:
        await grant_all(room, client, "pick", pick["application"])
        await room.access.grants.give(
            ("user", (await client.get("/api/token/userInfo")).json()["id"]), "integration", "shop", ["EXECUTE"], ADMIN
        )
        for method, path in granted_routes(room):
            if method == "DELETE" or path.endswith("/roles/{role}") or "accessKeys" in path:
                continue
            place = path
            values = {**FILLED, **pick, "event": "kafka%3Ashop%3Aorders"}
            if path.startswith("/api/applications"):
                values["name"] = pick["application"]
            for parameter, value in values.items():
                place = place.replace("{" + parameter + "}", value)
            body = BODIES.get(f"{method} {path}", bulk_or_report(path, pick))
            answer = await client.request(method, place, json=body, params={"taskType": "pick"})
            assert answer.status_code not in (403, 500), (method, path, answer.text)


@pytest.mark.parametrize(
    ("kind", "right", "method", "path", "body"),
    [
        ("workflow", "READ", "GET", "/api/metadata/workflow/{}", None),
        ("workflow", "UPDATE", "PUT", "/api/metadata/workflow", [{"name": "pick", "tasks": []}]),
        ("workflow", "DELETE", "DELETE", "/api/metadata/workflow/{}/1", None),
        ("workflow", "EXECUTE", "POST", "/api/workflow/{}", {}),
        ("workflow", "READ", "GET", "/api/workflow/EXECUTION", None),
        ("workflow", "EXECUTE", "PUT", "/api/workflow/EXECUTION/pause", None),
        ("workflow", "EXECUTE", "POST", "/api/tasks/EXECUTION/pack_ref/COMPLETED", {}),
        ("workflow", "DELETE", "DELETE", "/api/workflow/EXECUTION/remove", None),
        ("task", "READ", "GET", "/api/metadata/taskdefs/{}", None),
        ("task", "UPDATE", "PUT", "/api/metadata/taskdefs", {"name": "pick"}),
        ("task", "DELETE", "DELETE", "/api/metadata/taskdefs/{}", None),
        ("event_handler", "READ", "GET", "/api/event/handler/{}", None),
        ("event_handler", "UPDATE", "PUT", "/api/event", {"name": "pick", "event": "x", "actions": []}),
        ("event_handler", "DELETE", "DELETE", "/api/event/{}", None),
        ("integration", "READ", "GET", "/api/integrations/provider/{}", None),
        ("integration", "UPDATE", "POST", "/api/integrations/provider/{}", KAFKA),
        ("integration", "DELETE", "DELETE", "/api/integrations/provider/{}", None),
        ("integration", "EXECUTE", "POST", "/api/tidemill/integrations/{}/test", None),
        ("schema", "READ", "GET", "/api/schema/{}", None),
        ("schema", "UPDATE", "POST", "/api/schema", {"name": "pick", "version": 1, "type": "JSON"}),
        ("schema", "DELETE", "DELETE", "/api/schema/{}", None),
        ("secret", "READ", "GET", "/api/secrets/{}/exists", None),
        ("secret", "UPDATE", "PUT", "/api/secrets/{}", "text"),
        ("secret", "DELETE", "DELETE", "/api/secrets/{}", None),
        ("application", "READ", "GET", "/api/applications/{}", None),
        ("application", "UPDATE", "POST", "/api/applications/{}/accessKeys", None),
        ("application", "DELETE", "DELETE", "/api/applications/{}", None),
    ],
)
async def test_each_right_opens_its_routes_and_the_others_do_not(
    room: ApiRoom, api: httpx.AsyncClient, kind: str, right: Right, method: str, path: str, body: Any
) -> None:
    pick = await seed(api, "pick")
    name = pick["application"] if kind == "application" else "pick"
    place = path.replace("{}", name).replace("EXECUTION", pick["execution_id"])
    for wrong in get_args(Right):
        if wrong not in (right, "CREATE"):
            async with client_of(room, **{kind: (name, wrong)}) as client:
                assert (await client.request(method, place, json=body)).status_code == 403, wrong
    async with client_of(room, **{kind: (name, right)}) as client:
        assert (await client.request(method, place, json=body)).status_code == 200


async def test_workers_poll_and_report_what_was_granted(room: ApiRoom, api: httpx.AsyncClient) -> None:
    execution = (await api.post("/api/workflow", json={"name": "pick"})).text
    result = {"taskId": f"{execution}.1", "workflowInstanceId": execution, "status": "COMPLETED"}
    async with client_of(room, "WORKER", task=("other", "EXECUTE")) as worker:
        assert (await worker.get("/api/tasks/poll/batch/pack")).status_code == 403
        assert (await worker.get("/api/tasks/poll/pack")).status_code == 403
        assert (await worker.post("/api/tasks", json=result)).status_code == 403
        assert (await worker.post("/api/tasks/update-v2", json=result)).status_code == 403
        assert (await worker.get("/api/tasks/queue/all")).json() == {}
    async with client_of(room, task=("pack", "EXECUTE")) as no_worker:
        assert (await no_worker.get("/api/tasks/poll/pack")).status_code == 403
    assert room.workers.updates == []
    async with client_of(room, "WORKER", task=("pack", "EXECUTE")) as worker:
        assert len((await worker.get("/api/tasks/poll/batch/pack?count=5")).json()) == 1
        assert (await worker.post("/api/tasks/update-v2", json=result)).status_code == 204
        assert (await worker.post(f"/api/tasks/{execution}.1/log", content=b"hi")).status_code == 200
        assert (await worker.get("/api/tasks/queue/all")).json() == {"pack": 3}
    async with client_of(room, "WORKER", domain=("eu", "EXECUTE")) as worker:
        assert (await worker.get("/api/tasks/poll/pack?domain=eu")).status_code == 204
        assert (await worker.get("/api/tasks/poll/pack?domain=us")).status_code == 403
        assert (await worker.get("/api/tasks/poll/pack")).status_code == 403


async def test_search_is_among_what_the_caller_may_see(room: ApiRoom, api: httpx.AsyncClient) -> None:
    async with client_of(room, workflow=("pick", "READ")) as client:
        for query in ("", "?query=workflowType%20IN%20(pick,pack)", "?freeText=x"):
            assert (await client.get(f"/api/workflow/search{query}")).status_code == 200
            assert room.executions.queries[-1].names == ("pick",)
        count = len(room.executions.queries)
        nothing = (await client.get("/api/workflow/search?query=workflowType%3Dpack")).json()
        assert (nothing, len(room.executions.queries)) == ({"totalHits": 0, "results": []}, count)
        assert (await client.get("/api/workflow/running/pack")).status_code == 403


async def test_state_of_one_execution_reports_on_no_task_of_another(room: ApiRoom, api: httpx.AsyncClient) -> None:
    mine = (await api.post("/api/workflow", json={"name": "pick"})).text
    other = (await api.post("/api/workflow", json={"name": "other"})).text
    result = {"taskId": f"{other}.1", "workflowInstanceId": other, "status": "COMPLETED"}
    async with client_of(room, workflow=("pick", "EXECUTE")) as client:
        answer = await client.post(f"/api/workflow/{mine}/state", json={"taskResult": result})
        assert answer.status_code == 403
        upgrade = {"name": "other", "version": 1}
        assert (await client.post(f"/api/workflow/{mine}/upgrade", json=upgrade)).status_code == 403
    assert room.control.effects == []


async def test_children_that_are_nothing_for_the_caller_are_named_only(room: ApiRoom, api: httpx.AsyncClient) -> None:
    parent = (await api.post("/api/workflow", json={"name": "pick"})).text
    child = (await api.post("/api/workflow", json={"name": "other"})).text
    room.executions.by_id[parent].tasks[0].child = child
    async with client_of(room, workflow=("pick", "READ")) as client:
        (task,) = (await client.get(f"/api/tidemill/executions/{parent}")).json()["tasks"]
    assert (task["childId"], task["child"]) == (child, None)


async def test_whoever_creates_has_all_rights_on_it(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await api.post("/api/metadata/workflow", json={"name": "theirs", "tasks": []})
    async with client_of(room, "USER") as client:
        tagged = {"name": "mine", "tasks": [], "tags": [{"key": "team", "value": "red"}]}
        assert (await client.post("/api/metadata/workflow", json=tagged)).status_code == 200
        assert (await client.put("/api/metadata/workflow", json=[tagged])).status_code == 200
        assert (await client.post("/api/metadata/taskdefs", json=[{"name": "mine"}])).status_code == 200
        assert (await client.put("/api/secrets/mine", content=b"value")).status_code == 200
        assert (await client.post("/api/integrations/provider/mine", json=KAFKA)).status_code == 200
        shop = (await client.post("/api/applications", json={"name": "shop"})).json()["id"]
        assert (await client.post(f"/api/applications/{shop}/accessKeys")).status_code == 200
        assert (await client.post("/api/secrets")).json() == ["mine"]
        theirs = {"name": "theirs", "tasks": []}
        assert (await client.put("/api/metadata/workflow", json=[tagged, theirs])).status_code == 403
        assert (await client.post("/api/event", json={**HANDLER, "name": "mine"})).status_code == 403
        for path in ("metadata/workflow/mine/1", "metadata/taskdefs/mine", "secrets/mine", f"applications/{shop}"):
            assert (await client.delete(f"/api/{path}")).status_code == 200
        await api.put("/api/secrets/mine", content=b"another")
        assert (await client.put("/api/secrets/mine", content=b"value")).status_code == 403


@pytest.mark.parametrize(
    ("task", "right"),
    [
        ({"inputParameters": {"auth": "Bearer ${workflow.secrets.key}"}}, {"secret": ("key", "EXECUTE")}),
        ({"${workflow.secrets.key}": 1}, {"secret": ("key", "EXECUTE")}),
        ({"type": "EVENT", "sink": "kafka:shop:orders"}, {"integration": ("shop", "EXECUTE")}),
        ({"onStateChange": {"onStart": [{"type": "kafka:shop:x"}]}}, {"integration": ("shop", "EXECUTE")}),
    ],
)
async def test_letting_tasks_use_secrets_and_integrations_takes_the_right_to(
    room: ApiRoom, api: httpx.AsyncClient, task: dict[str, Any], right: dict[str, tuple[str, Right]]
) -> None:
    document = {"name": "pick", "tasks": [{**TASK, **task}]}
    readable = {kind: (name, "READ") for kind, (name, _) in right.items()}
    async with client_of(room, "USER", **readable) as client:  # type: ignore[arg-type]
        refused = await client.post("/api/metadata/workflow", json=document)
        assert (refused.status_code, room.catalog.documents) == (403, {})
    (entry,) = [entry for entry in room.access.log.entries if entry.outcome == "refused"]
    ((kind, (name, _)),) = right.items()
    assert (entry.action, entry.resource) == (f"{kind}.use", f"{kind}:{name}")
    async with client_of(room, "USER", **right) as client:
        assert (await client.post("/api/metadata/workflow", json=document)).status_code == 200


async def test_secrets_are_not_used_by_who_may_only_save(room: ApiRoom, api: httpx.AsyncClient) -> None:
    document = {"name": "pick", "tasks": [{**TASK, "inputParameters": {"auth": "${workflow.secrets.key}"}}]}
    for role, status in (("METADATA_API", 403), ("METADATA_MANAGER", 200)):
        async with client_of(room, role) as client:
            assert (await client.put("/api/metadata/workflow", json=[document])).status_code == status


@pytest.mark.parametrize(
    "task",
    [
        {"type": "EVENT", "sink": "kafka:${workflow.input.where}:orders"},
        {"type": "EVENT", "sink": "${workflow.input.sink}"},
        {"type": "KAFKA_PUBLISH"},
        {"type": "FORK_JOIN_DYNAMIC"},
        {"type": "SUB_WORKFLOW", "subWorkflowParam": {"workflowDefinition": "${workflow.input.definition}"}},
    ],
)
async def test_publishing_anywhere_takes_the_right_to_use_all(room: ApiRoom, task: dict[str, Any]) -> None:
    document = {"name": "pick", "tasks": [{**TASK, **task}]}
    async with client_of(room, "USER", integration=("shop", "EXECUTE")) as client:
        assert (await client.post("/api/metadata/workflow", json=document)).status_code == 403
    async with client_of(room, "METADATA_API") as client:
        assert (await client.post("/api/metadata/workflow", json=document)).status_code == 200


async def test_a_definition_that_comes_with_a_start_is_saved_by_nobody_and_judged_alike(room: ApiRoom) -> None:
    definition = {"name": "pick", "tasks": [{**TASK, "type": "EVENT", "sink": "kafka:shop:orders"}]}
    body = {"name": "pick", "workflowDef": definition}
    async with client_of(room, workflow=("pick", "EXECUTE")) as client:
        assert (await client.post("/api/workflow", json=body)).status_code == 403
        own = (await client.get("/api/token/userInfo")).json()["id"]
        await room.access.grants.give(("user", own), "workflow", "pick", ["UPDATE"], ADMIN)
        assert (await client.post("/api/workflow", json=body)).status_code == 403
        await room.access.grants.give(("user", own), "integration", "shop", ["EXECUTE"], ADMIN)
        assert (await client.post("/api/workflow", json=body)).status_code == 200


async def test_handlers_read_integrations_that_their_author_may_use(room: ApiRoom, api: httpx.AsyncClient) -> None:
    async with client_of(room, event_handler=("take", "CREATE")) as client:
        assert (await client.post("/api/event", json={**HANDLER, "name": "take"})).status_code == 403
    rights: dict[str, tuple[str, Right]] = {"event_handler": ("take", "CREATE"), "integration": ("shop", "EXECUTE")}
    async with client_of(room, **rights) as client:
        assert (await client.post("/api/event", json={**HANDLER, "name": "take"})).status_code == 200
        assert (await client.get("/api/event/handler/take")).status_code == 200


async def test_findings_and_saves_are_for_who_may_read_the_thing(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await api.post("/api/metadata/workflow", json={"name": "pick", "tasks": []})
    async with client_of(room, workflow=("pick", "READ")) as client:
        assert (await client.get("/api/tidemill/findings?kind=workflow&name=pick")).status_code == 200
        assert (await client.get("/api/tidemill/definitions/workflow/pick/1/saves")).status_code == 200
        assert (await client.get("/api/tidemill/findings?kind=workflow&name=other")).status_code == 403
        assert (await client.get("/api/tidemill/definitions/task/pick/0/saves")).status_code == 403


async def test_a_handler_that_does_not_ask_answers_nothing(room: ApiRoom) -> None:
    app = room.app(is_fresh=True)
    forgetful = Routes("Metadata")

    async def answers(call: Call) -> Response:
        return Response("secret")

    forgetful.add("GET", "/api/forgetful", actions.WORKFLOW_READ, answers, on=by_handler)
    mount(app, forgetful)
    async with client_of(room, workflow=("pick", "READ")) as granted:
        token = granted.headers["X-Authorization"]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://t", headers={"X-Authorization": token}
    ) as client:
        answer = await client.get("/api/forgetful")
    assert answer.status_code == 403
    assert "secret" not in answer.text
