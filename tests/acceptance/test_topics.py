"""Topics on a real cluster that makes none by itself: missing as source and as sink, and records that it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.shop import Shop, set_variable
from tests.parts.kafka import KafkaServer
from tests.parts.server import wait_for
from tidemill.cli.demo.process import ServerProcess

pytestmark = pytest.mark.kafka


@pytest.fixture
def shop(server: ServerProcess, kafka: KafkaServer) -> Iterator[Shop]:
    with Shop(server, kafka.address) as shop:
        yield shop


def publish(shop: Shop, topic: str, **inputs: Any) -> dict[str, Any]:
    inputs = inputs or {"order": "${workflow.input.order}"}
    sink = f"kafka:{shop.name}:{topic}"
    return {"name": "send", "taskReferenceName": "send", "type": "EVENT", "sink": sink, "inputParameters": inputs}


def start(shop: Shop, workflow: str, order: Any) -> str:
    return str(shop.http.post("/api/workflow", json={"name": workflow, "input": {"order": order}}).text)


def test_a_source_that_is_not_there_yet(shop: Shop, kafka: KafkaServer) -> None:
    """It is said where; the handlers of other topics go on; nothing that comes later is missed."""
    here, later = f"here-{shop.mark}", f"later-{shop.mark}"
    kafka.create_topic(here)
    workflow = shop.workflow("note", set_variable(order="${workflow.input.order}"))
    shop.handler("later", workflow, topic=later)
    shop.handler("here", workflow, topic=here)
    (offset,) = shop.produce(b'{"order": 1}', topic=here)
    assert shop.settled(offset, 1, here)["state"] == "handled"
    group = f"group-{shop.mark}"
    assert wait_for(lambda: shop.ready()["groups"][group].get("missingTopics")) == [later]
    assert shop.ready()["groups"][group]["ok"] is True
    kafka.create_topic(later)
    offsets = shop.produce(*(b'{"order": %d}' % number for number in range(20)), topic=later)
    assert shop.settled(offsets[-1], 1, later)["state"] == "handled"
    assert shop.started(workflow) == 21
    assert "missingTopics" not in shop.ready()["groups"][group]


def test_a_sink_that_is_not_there(shop: Shop, kafka: KafkaServer) -> None:
    """The task that wants it fails with the broker's reason; those beside it are published, once each."""
    out = f"out-{shop.mark}"
    kafka.create_topic(out)
    good, bad = shop.workflow("good", publish(shop, out)), shop.workflow("bad", publish(shop, f"no-{shop.mark}"))
    started = [(start(shop, good, number), start(shop, bad, number)) for number in range(5)]
    for fine, failed in started:
        assert shop.finished(fine)["status"] == "COMPLETED"
        execution = shop.finished(failed)
        assert execution["status"] == "FAILED"
        (task,) = execution["tasks"]
        said = f"topic 'no-{shop.mark}': Broker: Unknown topic or partition (UNKNOWN_TOPIC_OR_PART)"
        assert task["reasonForIncompletion"] == said
    assert len(shop.published(out, 5)) == 5


def test_records_that_the_broker_refuses(shop: Shop, kafka: KafkaServer) -> None:
    """Too large for their topic, in one batch with others that fit; a sink's topic is the user's to set."""
    out = f"out-{shop.mark}"
    kafka.create_topic(out, max_message_bytes=2000)
    workflow = shop.workflow("send", publish(shop, out))
    orders = ["small", "x" * 5000, "small", "y" * 3000, "small"]
    executions = [shop.finished(each) for each in [start(shop, workflow, order) for order in orders]]
    assert [each["status"] for each in executions] == ["COMPLETED", "FAILED"] * 2 + ["COMPLETED"]
    for failed in (executions[1], executions[3]):
        assert "MSG_SIZE_TOO_LARGE" in failed["tasks"][0]["reasonForIncompletion"]
    places = [each["tasks"][0]["outputData"]["offset"] for each in executions[::2]]
    assert len(set(places)) == 3
    assert [json.loads(value or b"")["order"] for value in shop.published(out, 3)] == ["small"] * 3


def test_a_sink_computed_to_nonsense(shop: Shop) -> None:
    """What a template gives is only known when it runs."""
    task = {**publish(shop, "any"), "sink": "${workflow.input.order}"}
    workflow = shop.workflow("anywhere", task)
    for sink in ("nonsense", f"kafka:{shop.name}:or ders", None):
        execution = shop.finished(start(shop, workflow, sink))
        assert execution["status"] == "FAILED", sink
        assert execution["tasks"][0]["reasonForIncompletion"], sink


def test_a_computed_sink_at_an_integration_that_is_not_there(shop: Shop) -> None:
    """It fails at once, whether it is the first task or comes later; the next ones find the integration."""
    nobody = f"nobody-{shop.mark}"
    workflow = shop.workflow("nowhere", {**publish(shop, "any"), "sink": "${workflow.input.order}"})
    sink = f"kafka:{nobody}:out"
    failed = shop.finished(start(shop, workflow, sink))
    assert failed["status"] == "FAILED"
    assert failed["tasks"][0]["reasonForIncompletion"] == f"there is no integration {nobody!r}"
    assert nobody not in shop.http.get("/ready").json()["integrations"]
    add_embedded(shop, nobody)
    assert shop.finished(start(shop, workflow, sink))["status"] == "COMPLETED"


def test_an_integration_that_is_removed_while_publications_wait_for_it(shop: Shop) -> None:
    """They are refused, and all is well again."""
    gone = f"gone-{shop.mark}"
    add_embedded(shop, gone, enabled=False)
    workflow = shop.workflow("waiting", {**publish(shop, "any"), "sink": f"kafka:{gone}:out"})
    execution_id = start(shop, workflow, "one")
    shop.http.delete(f"/api/integrations/provider/{gone}").raise_for_status()
    said = wait_for(lambda: shop.http.get("/ready").json()["integrations"].get(gone))
    assert said == {
        "ok": False,
        "reason": "the integration has been removed: 1 publications are about to be refused",
    }
    execution = shop.finished(execution_id)
    assert execution["status"] == "FAILED"
    assert execution["tasks"][0]["reasonForIncompletion"] == f"integration {gone!r} has been removed"
    wait_for(lambda: gone not in shop.http.get("/ready").json()["integrations"])


def test_an_integration_that_is_made_again_takes_what_waited(shop: Shop) -> None:
    again = f"again-{shop.mark}"
    add_embedded(shop, again, enabled=False)
    workflow = shop.workflow("again", {**publish(shop, "any"), "sink": f"kafka:{again}:out"})
    execution_id = start(shop, workflow, "one")
    shop.http.delete(f"/api/integrations/provider/{again}").raise_for_status()
    add_embedded(shop, again)
    assert shop.finished(execution_id)["status"] == "COMPLETED"
    assert "reason" not in shop.http.get("/ready").json()["integrations"][again]


def add_embedded(shop: Shop, name: str, *, enabled: bool = True) -> None:
    embedded = {"type": "embedded", "enabled": enabled, "configuration": {"protocol": "JSON"}}
    shop.server.api.post(f"/api/integrations/provider/{name}", embedded)
