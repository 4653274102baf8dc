"""Rule chains over the API, as RuleGo's editor calls for them and with what Tidemill adds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tests.fakes.rules import chain
from tests.unit.api.test_guard import token_with
from tidemill.ingest.ports import Seen, SeenRun
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.subscription import GroupKey, Subscription, SubscriptionSet

WARM, LOUD = "return msg.temperature > 20;", "msg.unit = 'C'; return {msg: msg};"


def warm_chain(**about: Any) -> dict[str, Any]:
    """A filter, and a transform of what passes."""
    filter_ = {"id": "warm", "type": "jsFilter", "configuration": {"jsScript": WARM}}
    transform = {"id": "loud", "type": "jsTransform", "configuration": {"jsScript": LOUD}}
    return {**chain([filter_, transform], [("warm", "True", "loud")]), "ruleChain": {"name": "Warm", **about}}


@pytest.fixture(autouse=True)
def scripts(room: ApiRoom) -> None:
    bodies(room)[WARM] = lambda msg, metadata, kind, data: msg["temperature"] > 20
    bodies(room)[LOUD] = lambda msg, metadata, kind, data: {"msg": {**msg, "unit": "C"}, "metadata": metadata}


def bodies(room: ApiRoom) -> dict[str, Any]:
    return room.rules.sandbox.bodies


async def save(api: httpx.AsyncClient, id_: str = "warm", **about: Any) -> Any:
    answer = await api.post(f"/api/v1/rules/{id_}", json=warm_chain(**about))
    assert answer.status_code == 200
    return answer.json()


async def ids(api: httpx.AsyncClient, query: str = "") -> list[str]:
    answer = (await api.get(f"/api/v1/rules?{query}")).json()
    return [item["ruleChain"]["id"] for item in answer["items"]]


async def test_a_chain_that_is_saved_is_shown_as_it_was(room: ApiRoom, api: httpx.AsyncClient) -> None:
    assert await save(api) == {"id": "warm", "name": "Warm", "isAvailable": True, "findings": []}
    shown = (await api.get("/api/v1/rules/warm")).json()
    assert shown == {**warm_chain(), "ruleChain": {"name": "Warm", "id": "warm"}}
    assert room.changes == 1


async def test_one_that_cannot_run_is_kept_and_says_why(api: httpx.AsyncClient) -> None:
    document = chain([{"id": "a", "type": "jsFiltre"}])
    answer = await api.post("/api/v1/rules/bad", json=document)
    assert answer.status_code == 200
    assert answer.json()["isAvailable"] is False
    (listed,) = (await api.get("/api/tidemill/rules")).json()
    assert [finding["path"] for finding in listed["findings"]] == ["metadata.nodes[0].type"]
    findings = (await api.get("/api/tidemill/findings?kind=rule_chain&name=bad")).json()
    assert findings == listed["findings"]


async def test_a_check_saves_nothing(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/tidemill/rules/check", json=chain([{"id": "a", "type": "jsFiltre"}]))
    assert [finding["kind"] for finding in answer.json()] == ["unknown_type"]
    assert await ids(api) == []


@pytest.mark.parametrize("id_", ["a:b", "a%20b", "x" * 201])
async def test_an_id_that_nobody_could_name_is_refused(api: httpx.AsyncClient, id_: str) -> None:
    answer = await api.post(f"/api/v1/rules/{id_}", json=warm_chain())
    assert (answer.status_code, answer.json()["validationErrors"][0]["path"]) == (400, "id")


async def test_chains_are_listed_in_pages_newest_first(room: ApiRoom, api: httpx.AsyncClient) -> None:
    for number in range(5):
        room.rules.clock.advance(1)
        await save(api, f"c{number}")
    assert await ids(api) == ["c4", "c3", "c2", "c1", "c0"]
    assert await ids(api, "page=2&size=2") == ["c2", "c1"]
    answer = (await api.get("/api/v1/rules?page=9")).json()
    assert answer == {"total": 5, "page": 9, "size": 20, "items": []}
    assert (await api.get("/api/v1/rules/any/latest")).json()["ruleChain"]["id"] == "c4"


async def test_chains_are_found_by_what_they_say(api: httpx.AsyncClient) -> None:
    await save(api, "boiler", name="Heat", root=True, additionalInfo={"category": "plant"})
    await save(api, "fridge", name="Cold", root=False, disabled=True)
    assert await ids(api, "keywords=HEAT") == ["boiler"]
    assert await ids(api, "keywords=idg") == ["fridge"]
    assert await ids(api, "root=false") == ["fridge"]
    assert await ids(api, "disabled=true") == ["fridge"]
    assert await ids(api, "disabled=false&category=plant") == ["boiler"]
    assert await ids(api, "category=other") == []
    assert len(await ids(api, "root=&disabled=maybe")) == 2
    assert (await api.get("/api/v1/category/rule")).json() == {"items": ["plant"], "total": 1}


async def test_nothing_is_the_latest_of_no_chains(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1/rules/any/latest")).status_code == 404


async def test_basic_information_leaves_the_nodes_alone(api: httpx.AsyncClient) -> None:
    await save(api, name="Old", debugMode=True, configuration={"vars": {"a": "1"}}, disabled=True)
    answer = await api.post("/api/v1/rules/warm/base", json={"name": "New", "root": False})
    assert (answer.status_code, answer.json()["name"]) == (200, "New")
    shown = (await api.get("/api/v1/rules/warm")).json()
    assert shown["metadata"] == warm_chain()["metadata"]
    kept = {"configuration": {"vars": {"a": "1"}}, "disabled": True}
    assert shown["ruleChain"] == {"id": "warm", "name": "New", "root": False, **kept}


async def test_basic_information_makes_a_chain(api: httpx.AsyncClient) -> None:
    await api.post("/api/v1/rules/fresh/base", json={"name": "Fresh"})
    shown = (await api.get("/api/v1/rules/fresh")).json()
    assert shown["ruleChain"] == {"id": "fresh", "name": "Fresh"}


async def test_one_part_of_the_configuration(api: httpx.AsyncClient) -> None:
    await save(api, configuration={"vars": {"a": "1"}, "other": 2})
    assert (await api.post("/api/v1/rules/warm/config/vars", json={"b": "2"})).status_code == 200
    shown = (await api.get("/api/v1/rules/warm")).json()
    assert shown["ruleChain"]["configuration"] == {"vars": {"b": "2"}, "other": 2}
    assert (await api.post("/api/v1/rules/none/config/vars", json={})).status_code == 404


async def test_stop_and_start(api: httpx.AsyncClient) -> None:
    await save(api)
    assert (await api.post("/api/v1/rules/warm/operate/stop")).json()["isAvailable"] is False
    stopped = await api.post("/api/v1/rules/warm/execute/T", json={"temperature": 30})
    assert (stopped.status_code, stopped.text) == (400, "the chain warm is disabled")
    assert (await api.post("/api/v1/rules/warm/operate/start")).json()["isAvailable"] is True
    assert (await api.post("/api/v1/rules/warm/execute/T", json={"temperature": 30})).status_code == 200


async def test_a_root_chain(api: httpx.AsyncClient) -> None:
    await save(api, root=False)
    await api.post("/api/v1/rules/warm/operate/set-to-main")
    assert await ids(api, "root=true") == ["warm"]


async def test_an_operation_that_is_none(api: httpx.AsyncClient) -> None:
    await save(api)
    answer = await api.post("/api/v1/rules/warm/operate/strat")
    assert (answer.status_code, "did you mean 'start'?" in answer.json()["message"]) == (400, True)


async def test_what_is_removed_is_gone_and_can_come_back(api: httpx.AsyncClient) -> None:
    await save(api)
    assert (await api.delete("/api/v1/rules/warm")).status_code == 204
    assert (await api.get("/api/v1/rules/warm")).status_code == 404
    assert (await api.delete("/api/v1/rules/warm")).status_code == 404
    assert (await api.post("/api/tidemill/rules/warm/restore/1")).json()["isAvailable"] is True
    assert (await api.get("/api/v1/rules/warm")).status_code == 200


async def test_saves_are_kept_compared_and_restored(api: httpx.AsyncClient) -> None:
    await save(api)
    changed = warm_chain()
    changed["metadata"]["nodes"][0]["configuration"]["jsScript"] = "return true;"
    changed["metadata"]["nodes"][1]["id"] = "quiet"
    changed["metadata"]["connections"][0]["toId"] = "quiet"
    await api.post("/api/v1/rules/warm", json=changed)
    saves = (await api.get("/api/tidemill/definitions/rule_chain/warm/0/saves")).json()
    assert [(each["save"], each["author"]) for each in saves] == [(2, "admin"), (1, "admin")]
    older = (await api.get("/api/tidemill/definitions/rule_chain/warm/0/saves/1")).json()
    assert older["document"] == warm_chain()
    found = (await api.get("/api/tidemill/rules/warm/differences?from=1&to=2")).json()
    node = changed["metadata"]["nodes"][1]
    assert [(each["path"], each.get("before"), each.get("after")) for each in found] == [
        ("metadata.nodes[warm].configuration.jsScript", WARM, "return true;"),
        ("metadata.nodes[loud]", {**node, "id": "loud"}, None),
        ("metadata.nodes[quiet]", None, node),
        ("metadata.connections[warm True loud]", {"fromId": "warm", "type": "True", "toId": "loud"}, None),
        ("metadata.connections[warm True quiet]", None, {"fromId": "warm", "type": "True", "toId": "quiet"}),
    ]
    await api.post("/api/tidemill/rules/warm/restore/1")
    assert (await api.get("/api/tidemill/rules/warm/differences?from=1&to=3")).json() == []
    assert (await api.get("/api/tidemill/rules/warm/differences?from=1&to=9")).status_code == 404
    assert (await api.post("/api/tidemill/rules/warm/restore/9")).status_code == 404
    assert (await api.get("/api/tidemill/definitions/rule_chain/warm/7/saves")).status_code == 404


async def test_execute_answers_with_what_came_out_last(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await save(api)
    answer = await api.post("/api/v1/rules/warm/execute/T", json={"temperature": 30})
    assert (answer.status_code, answer.json()) == (200, {"temperature": 30, "unit": "C"})
    assert answer.headers["content-type"] == "application/json"
    cold = await api.post("/api/v1/rules/warm/execute/T", content=b'{"temperature": 3}')
    assert cold.text == '{"temperature": 3}'


async def test_execute_says_why_a_message_failed(api: httpx.AsyncClient) -> None:
    await save(api)
    for call in ("execute", "notify"):
        answer = await api.post(f"/api/v1/rules/warm/{call}/T", json={})
        assert (answer.status_code, answer.text) == (400, "warm: KeyError: 'temperature' (line 1, column 1)")
        assert answer.headers["content-type"].startswith("text/plain")
        missing = await api.post(f"/api/v1/rules/none/{call}/T", json={})
        assert (missing.status_code, missing.text) == (400, "there is no chain 'none'")


async def test_notify_answers_with_nothing(api: httpx.AsyncClient) -> None:
    await save(api)
    answer = await api.post("/api/v1/rules/warm/notify/T", json={"temperature": 30})
    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_whole_run(api: httpx.AsyncClient) -> None:
    await save(api)
    answer = await api.post("/api/tidemill/rules/warm/run?type=T", json={"temperature": 30})
    (end,) = answer.json()["ends"]
    assert (end["node"], end["relation"], end["type"]) == ("loud", "Success", "T")
    given = {"id": "m1", "type": "U", "data": '{"temperature": 3}', "metadata": {"a": "b"}}
    run = (await api.post("/api/tidemill/rules/warm/run", json=given)).json()
    assert (run["id"], run["isHeld"]) == ("m1", False)
    assert [(end["node"], end["type"], end["metadata"]) for end in run["ends"]] == [("warm", "U", {"a": "b"})]


async def test_query_and_headers_are_metadata_but_for_credentials(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await save(api)
    seen: list[dict[str, str]] = []

    def note(msg: Any, metadata: dict[str, str], kind: str, data: str) -> bool:
        seen.append({**metadata, "msgType": kind, "dataType": data})
        return False

    bodies(room)[WARM] = note
    path = "/api/v1/rules/warm/execute/T?site=a&msgId=m7&headersToMetadata=true"
    await api.post(path, json={"temperature": 1}, headers={"X-Site": "b"})
    await api.post("/api/v1/rules/warm/execute/T", content=b"1", headers={"Content-Type": "text/plain"})
    wanted = {"site": "a", "x-site": "b", "msgType": "T", "dataType": "JSON"}
    assert {name: seen[0].get(name) for name in wanted} == wanted
    assert not {"msgId", "headersToMetadata", "x-authorization", "authorization", "cookie"} & set(seen[0])
    assert api.headers["X-Authorization"] not in seen[0].values()
    assert seen[1] == {"msgType": "T", "dataType": "TEXT"}


async def test_a_run_may_begin_at_a_node_or_be_of_one_node_only(api: httpx.AsyncClient) -> None:
    await save(api)
    started = await api.post("/api/v1/rules/warm/execute/T?_fromNodeId=loud", json={"temperature": 3})
    assert started.json() == {"temperature": 3, "unit": "C"}
    alone = await api.post("/api/v1/rules/warm/execute/T?_onlyNodeId=warm", json={"temperature": 30})
    assert alone.json() == {"temperature": 30}
    none = await api.post("/api/v1/rules/warm/execute/T?_fromNodeId=laud", json={})
    assert (none.status_code, none.text) == (400, "laud: the chain warm has no node 'laud'")


class ReadingRoute:
    name = "endpoint:warm:in:readings"
    is_foreseeable = False

    async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
        return []


async def test_the_status_of_endpoints(room: ApiRoom, api: httpx.AsyncClient) -> None:
    router = {"id": "readings", "from": {"path": "readings"}, "to": {"path": ""}}
    document = warm_chain()
    document["metadata"]["endpoints"] = [{"id": "in", "type": "endpoint/kafka", "routers": [router]}]
    await api.post("/api/v1/rules/warm", json=document)

    async def status() -> Any:
        return (await api.get("/api/v1/rules/warm/status")).json()["in"]["status"]

    assert await status() == "disconnected"
    subscription = Subscription(frozenset({"readings"}), ReadingRoute())
    room.subscriptions.set = SubscriptionSet(1, {GroupKey("shop", "rulego"): [subscription]})
    assert await status() == "reconnecting"
    room.readiness.groups = {"rulego": {"ok": True, "phase": "running", "reason": None}}
    assert await status() == "connected"
    room.readiness.groups = {"rulego": {"ok": False, "phase": "failing", "reason": "no broker"}}
    told = (await api.get("/api/v1/rules/warm/status")).json()["in"]
    assert told == {"status": "reconnecting", "message": "no broker"}
    await api.post("/api/v1/rules/warm/operate/stop")
    assert await status() == "disconnected"
    assert (await api.get("/api/v1/rules/none/status")).json() == {}


async def test_who_may_only_read_changes_and_runs_nothing(room: ApiRoom, api: httpx.AsyncClient) -> None:
    await save(api)
    async with room.client_with({"X-Authorization": await token_with(room, "USER_READ_ONLY")}) as reader:
        assert (await reader.get("/api/v1/rules/warm")).status_code == 200
        for path in ("warm", "warm/base", "warm/config/vars", "warm/operate/stop", "warm/execute/T", "warm/notify/T"):
            assert (await reader.post(f"/api/v1/rules/{path}", json={})).status_code == 403, path
        for path in ("warm/run", "warm/restore/1"):
            assert (await reader.post(f"/api/tidemill/rules/{path}", json={})).status_code == 403, path


async def test_what_endpoints_made_of_their_records(room: ApiRoom, api: httpx.AsyncClient) -> None:
    router = {"id": "readings", "from": {"path": "readings"}, "to": {"path": ""}}
    document = warm_chain()
    document["metadata"]["endpoints"] = [{"id": "in", "type": "endpoint/kafka", "routers": [router]}]
    await api.post("/api/v1/rules/warm", json=document)
    detail = {"ends": [{"way": [["warm", "False"]]}]}
    entries = [Seen(3, "done", 50, (), None, detail), Seen(4, "invalid", 60, (), "why")]
    room.places.listed_history.runs.append(
        SeenRun("endpoint:warm:in:readings", "shop", PartitionKey("readings", 0), "id1", entries)
    )
    (found,) = (await api.get("/api/tidemill/rules/warm/records")).json()
    seen = found.pop("records")
    assert found == {"endpoint": "in", "router": "readings", "route": "endpoint:warm:in:readings", "total": 2}
    assert [(each["offset"], each["outcome"], each["reason"]) for each in seen] == [
        (4, "invalid", "why"),
        (3, "done", None),
    ]
    assert seen[1]["detail"] == detail
    (since,) = (await api.get("/api/tidemill/rules/warm/records?from=55")).json()
    assert [each["offset"] for each in since["records"]] == [4]
    (newest,) = (await api.get("/api/tidemill/rules/warm/records?limit=1")).json()
    assert [each["offset"] for each in newest["records"]] == [4]
