"""Users, groups and roles over the API, as the SDK's authorization client calls them."""

from __future__ import annotations

import httpx

from tests.fakes.api import ApiRoom
from tests.unit.api.test_guard import token_with
from tidemill.access.roles import ROLES

ANN = {"name": "Ann", "roles": ["USER"], "groups": None}
OPS = {"description": "Operations", "roles": ["WORKFLOW_MANAGER"], "defaultAccess": None}


async def ids(api: httpx.AsyncClient, path: str) -> list[str]:
    return [each["id"] for each in (await api.get(path)).json()]


async def test_users(api: httpx.AsyncClient) -> None:
    made = (await api.put("/api/users/ann%40example.org", json=ANN)).json()
    assert (made["id"], made["groups"], made["applicationUser"]) == ("ann@example.org", [], False)
    assert [role["name"] for role in made["roles"]] == ["USER"]
    assert {"name": "workflow.start"} in made["roles"][0]["permissions"]
    assert (await api.get("/api/users/ann%40example.org")).json() == made
    assert await ids(api, "/api/users") == ["admin", "ann@example.org"]
    application = (await api.post("/api/applications", json={"name": "shop"})).json()["id"]
    assert await ids(api, "/api/users?apps=true") == ["admin", "ann@example.org", f"app:{application}"]
    assert "password" not in (await api.get("/api/users")).text
    assert (await api.delete("/api/users/ann%40example.org")).status_code == 200
    assert (await api.get("/api/users/ann%40example.org")).status_code == 404


async def test_a_password_is_set_and_signs_in(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await api.put("/api/users/ann", json=ANN)
    password = "correct horse battery"
    assert (await api.put("/api/tidemill/users/ann/password", json={"password": password})).status_code == 200
    async with room.client_with({}) as stranger:
        signed = await stranger.post("/api/token", json={"email": "ann", "password": password})
    assert signed.status_code == 200
    assert password not in (await api.get("/api/tidemill/audit")).text
    short = await api.put("/api/tidemill/users/ann/password", json={"password": "horse"})
    assert short.status_code == 400 and "horse" not in short.text


async def test_groups(api: httpx.AsyncClient) -> None:
    await api.put("/api/users/ann", json=ANN)
    made = (await api.put("/api/groups/ops", json=OPS)).json()
    assert (made["id"], made["description"]) == ("ops", "Operations")
    assert (await api.get("/api/groups/ops")).json() == made
    assert await ids(api, "/api/groups") == ["ops"]
    await api.post("/api/groups/ops/users/ann", content=b"{}")
    await api.post("/api/groups/ops/users", json=["admin"])
    assert await ids(api, "/api/groups/ops/users") == ["admin", "ann"]
    assert (await api.get("/api/users/ann")).json()["groups"] == [made]
    await api.delete("/api/groups/ops/users/ann")
    await api.request("DELETE", "/api/groups/ops/users", json=["admin"])
    assert await ids(api, "/api/groups/ops/users") == []
    assert (await api.post("/api/groups/ops/users/none")).status_code == 404
    assert (await api.delete("/api/groups/ops")).status_code == 200
    assert (await api.get("/api/groups/ops/users")).status_code == 404


async def test_roles(api: httpx.AsyncClient) -> None:
    everything = (await api.get("/api/roles")).json()
    assert {role["name"] for role in everything} == set(ROLES)
    system = (await api.get("/api/roles/system")).json()
    assert system["WORKER"] == (await api.get("/api/roles/WORKER")).json()
    assert (await api.get("/api/roles/custom")).json() == []
    assert "workflow.start" in (await api.get("/api/roles/permissions")).json()
    assert (await api.get("/api/roles/NONE")).status_code == 404


async def test_groups_of_a_user_are_not_taken_silently(api: httpx.AsyncClient) -> None:
    answer = await api.put("/api/users/ann", json={**ANN, "groups": ["ops"]})
    assert answer.status_code == 501
    assert " " in answer.json()["message"]


async def test_only_admins_manage_people(room: ApiRoom) -> None:
    everybody = sorted(set(ROLES) - {"ADMIN"})
    async with room.client_with({"X-Authorization": await token_with(room, *everybody)}) as client:
        for method, path in (("GET", "/api/users"), ("PUT", "/api/users/x"), ("PUT", "/api/groups/x")):
            assert (await client.request(method, path, json=ANN)).status_code == 403
