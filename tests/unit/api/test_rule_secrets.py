"""Secrets of rule chains at the routes: masked wherever somebody looks, and used by those only who may use them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tests.unit.api.test_grants import client_of

NODE: dict[str, Any] = {
    "id": "mail",
    "type": "sendEmail",
    "configuration": {
        "smtpHost": "mail.example.org",
        "username": "me",
        "password": "hunter2",
        "email": {"from": "a@example.org", "to": "b@example.org"},
    },
}
CHAIN = {"ruleChain": {"id": "c"}, "metadata": {"nodes": [NODE]}}


def naming(text: str, **about: Any) -> dict[str, Any]:
    node = {**NODE, "configuration": {**NODE["configuration"], "password": text}}
    return {"ruleChain": {"id": "c", **about}, "metadata": {"nodes": [node]}}


async def test_no_answer_has_the_secret(room: ApiRoom, api: httpx.AsyncClient) -> None:
    assert (await api.post("/api/v1/rules/c", json=CHAIN)).status_code == 200
    shown = (await api.get("/api/v1/rules/c")).json()
    assert (await api.post("/api/v1/rules/c", json=shown)).json()["isAvailable"] is True
    await api.post("/api/v1/rules/c/config/secrets", json={"own": "hunter2"})
    await api.post("/api/v1/rules/c/config/secrets", json={"own": "***", "other": "hunter2"})
    await api.post("/api/v1/shared-nodes/mailer/node", json=NODE)
    await api.post("/api/v1/rules/c/operate/stop")
    await api.post("/api/v1/rules/c/operate/start")
    await api.post("/api/tidemill/rules/c/debug", json={"on": True})
    places = ["/c", "/c/latest", "?keywords=c"]
    saves = "/api/tidemill/definitions/rule_chain/c/0/saves"
    paths = [f"/api/v1/rules{place}" for place in places] + [
        "/api/v1/shared-nodes",
        "/api/v1/shared-nodes/mailer/node",
    ]
    paths += ["/api/v1/components", f"{saves}/1", f"{saves}/7", "/api/tidemill/rules/c/differences?from=1&to=4"]
    paths += ["/api/tidemill/definitions/shared_node/mailer/0/saves/1"]
    for path in paths:
        answer = await api.get(path)
        assert answer.status_code == 200, path
        assert "hunter2" not in answer.text and "gAAAA" not in answer.text and "***" in answer.text, path
    chain = await room.rules.parts.catalog.chain("c")
    assert chain.built.draft.secrets == {"own": "hunter2", "other": "hunter2"}
    assert chain.built.draft.nodes[0].config["password"] == "hunter2"


async def test_what_looks_like_a_stored_secret_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/v1/rules/c", json=naming("encrypted:gAAAAABrAidTWYhPrU1SIzT4I1e3ntf_it4D=="))
    assert answer.status_code == 400


@pytest.mark.parametrize("text", ["${secrets.DB}", "a ${ secrets.DB } b"])
async def test_naming_a_secret_takes_the_right_to_use_it(room: ApiRoom, api: httpx.AsyncClient, text: str) -> None:
    await room.access.secrets.put("DB", "hunter2", "admin")
    async with client_of(room, "METADATA_API") as stranger:
        assert (await stranger.post("/api/v1/rules/c", json=CHAIN)).status_code == 200
        assert (await stranger.post("/api/v1/rules/c", json=naming(text))).status_code == 403
        shared = naming(text)["metadata"]["nodes"][0]
        assert (await stranger.post("/api/v1/shared-nodes/mailer/node", json=shared)).status_code == 403
        own = naming(text, configuration={"secrets": {"DB": "mine"}})
        assert (await stranger.post("/api/v1/rules/c", json=own)).status_code == 200
        assert (await stranger.post("/api/v1/rules/c/config/secrets", json={})).status_code == 403
        base = {"name": "c", "configuration": {}}
        assert (await stranger.post("/api/v1/rules/c/base", json=base)).status_code == 403
        assert (await api.post("/api/v1/rules/c", json=naming(text))).status_code == 200
        assert (await stranger.post("/api/tidemill/rules/c/restore/3")).status_code == 403
        assert (await stranger.post("/api/v1/rules/c/operate/stop")).status_code == 200
    async with client_of(room, "METADATA_API", secret=("DB", "EXECUTE")) as user:
        assert (await user.post("/api/v1/rules/c", json=naming(text))).status_code == 200


async def test_so_it_is_in_things_boards_form(room: ApiRoom) -> None:
    headers = {"restEndpointUrlPattern": "https://example.org", "headers": {"X-Key": "${secrets.DB}"}}
    call = {"type": "org.thingsboard.rule.engine.rest.TbRestApiCallNode", "name": "n", "configuration": headers}
    metadata = {"firstNodeIndex": 0, "nodes": [call], "connections": []}
    async with client_of(room, "METADATA_API") as stranger:
        about = (await stranger.post("/api/ruleChain", json={"name": "c"})).json()
        named = {**metadata, "ruleChainId": about["id"]}
        assert (await stranger.post("/api/ruleChain/metadata", json=named)).status_code == 403
        whole = {"ruleChains": [{"name": "d", "type": "CORE"}], "metadata": [metadata]}
        assert (await stranger.post("/api/ruleChains/import", json=whole)).status_code == 403
