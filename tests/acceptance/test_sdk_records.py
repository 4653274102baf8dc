"""What the SDK has no words for: dead letters, traces, the audit log, and a server that comes back."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

from tests.parts.server import mark, start_server, wait_for
from tidemill.cli.demo.process import ServerProcess


@pytest.fixture(scope="module")
def shop(server: ServerProcess) -> str:
    """An integration with a handler that starts a workflow for each order."""
    name = f"shop-{mark()}"
    configuration = {"protocol": "JSON", "groupId": f"group-{name}"}
    integration = {"type": "embedded", "category": "MESSAGE_BROKER", "enabled": True, "configuration": configuration}
    server.api.post(f"/api/integrations/provider/{name}", integration)
    task = {"name": "note", "taskReferenceName": "note", "type": "SET_VARIABLE", "inputParameters": {"seen": True}}
    server.api.post("/api/metadata/workflow", {"name": f"order-{name}", "version": 1, "tasks": [task]})
    start = {"name": f"order-{name}", "version": 1, "input": {"order": "${order}"}}
    handler = {
        "name": f"take-{name}",
        "event": f"kafka:{name}:orders",
        "condition": "$.order.toFixed(0) > 0",
        "evaluatorType": "javascript",
        "actions": [{"action": "start_workflow", "start_workflow": start}],
        "active": True,
    }
    server.api.post("/api/event", handler)
    return name


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers={"X-Authorization": server.token}) as client:
        yield client


def produce(server: ServerProcess, shop: str, value: bytes | None) -> str:
    """The record's trace path."""
    address = server.api.post(f"/api/tidemill/integrations/{shop}/test")["address"]
    producer = Producer({"bootstrap.servers": address})
    places: list[str] = []
    producer.produce(
        "orders",
        value,
        key=b"k",
        on_delivery=lambda _, record: places.append(f"{record.partition()}/{record.offset()}"),
    )
    assert producer.flush(20) == 0
    return f"/api/tidemill/trace/{shop}/orders/{places[0]}"


def settled(server: ServerProcess, path: str) -> dict[str, Any]:
    def is_settled() -> dict[str, Any] | None:
        found: dict[str, Any] = server.api.get(path)
        return found if found["routes"] else None

    found: dict[str, Any] = wait_for(is_settled)
    return found


def test_a_body_that_is_no_json_is_a_dead_letter(server: ServerProcess, client: httpx.Client, shop: str) -> None:
    value = b'{"order": \xff'
    found = settled(server, produce(server, shop, value))
    assert found["state"] == "dead_letter"
    letter_id = found["routes"][0]["deadLetter"]["id"]
    assert letter_id in {each["id"] for each in server.api.get("/api/tidemill/dead-letters", integration=shop)}
    whole = server.api.get(f"/api/tidemill/dead-letters/{letter_id}")
    assert base64.b64decode(whole["value"]["base64"]) == value
    assert (whole["key"]["text"], "text" in whole["value"]) == ("k", False)

    again = server.api.post(f"/api/tidemill/dead-letters/{letter_id}/replay")
    assert (again["state"], bool(again["reason"])) == ("open", True)
    assert server.api.post(f"/api/tidemill/dead-letters/{letter_id}/discard")["state"] == "discarded"
    assert client.post(f"/api/tidemill/dead-letters/{letter_id}/replay").status_code == 409


def test_a_script_that_throws_is_replayed_once_it_is_mended(server: ServerProcess, shop: str) -> None:
    path = produce(server, shop, b'{"order": "not a number"}')
    found = settled(server, path)
    assert found["state"] == "dead_letter"
    assert "toFixed" in found["routes"][0]["reason"]
    handler = server.api.get(f"/api/event/handler/take-{shop}")
    server.api.put("/api/event", {**handler, "condition": "true"})
    letter_id = found["routes"][0]["deadLetter"]["id"]
    assert server.api.post(f"/api/tidemill/dead-letters/{letter_id}/replay")["state"] == "replayed"
    replayed = server.api.get(path)
    assert (replayed["state"], replayed["routes"][-1]["executions"][0]["status"]) == ("handled", "COMPLETED")
    server.api.put("/api/event", handler)


def test_a_tombstone_is_traced_too(server: ServerProcess, shop: str) -> None:
    assert settled(server, produce(server, shop, None))["state"] in ("dead_letter", "handled")


def test_changes_and_refusals_are_in_the_audit_log(server: ServerProcess, client: httpx.Client, shop: str) -> None:
    assert httpx.get(f"{server.url}/api/tidemill/audit").status_code == 401
    entries = server.api.get("/api/tidemill/audit", limit=1000)
    kinds = {(each["outcome"], each["action"]) for each in entries}
    assert {("done", "integration.write"), ("done", "event_handler.write"), ("refused", "audit.read")} <= kinds
    saves = server.api.get(f"/api/tidemill/definitions/event_handler/take-{shop}/0/saves")
    assert saves[0]["author"] == "admin"


def missing_metrics(text: str, shop: str) -> list[str]:
    """Some are counted, some are looked at now and then."""
    of_shop = ("records_total", "lag_records", "batch_records_sum", "batch_seconds_sum", "outbox_records")
    others = ("outcomes_total", "outbox_age_seconds", "sandbox_calls_total", "executions")
    patterns = [rf'^tidemill_{name}{{[^}}]*integration="{shop}"' for name in of_shop]
    patterns += [rf"^tidemill_{name}{{" for name in others]
    patterns += ["^# TYPE tidemill_gap_records_total counter"]
    return [pattern for pattern in patterns if not re.search(pattern, text, re.MULTILINE)]


def test_metrics_and_probes(server: ServerProcess, client: httpx.Client, shop: str) -> None:
    assert httpx.get(f"{server.url}/metrics").status_code == 401
    wait_for(lambda: not missing_metrics(client.get("/metrics").text, shop))
    assert httpx.get(f"{server.url}/health").json() == {"healthy": True}
    ready = wait_for(lambda: (found := client.get("/ready").json())["ok"] and found)
    assert ready["integrations"][shop]["enabled"] is True


def test_a_server_that_comes_back_knows_its_tokens_and_definitions(tmp_path: Path) -> None:
    first = start_server(tmp_path / "data", tmp_path / "log")
    first.api.post("/api/metadata/taskdefs", [{"name": "kept"}])
    token = first.token
    assert first.stop() == 0
    second = start_server(tmp_path / "data", tmp_path / "log")
    try:
        answer = httpx.get(f"{second.url}/api/metadata/taskdefs/kept", headers={"X-Authorization": token})
        assert (answer.status_code, answer.json()["name"]) == (200, "kept")
    finally:
        assert second.stop() == 0
