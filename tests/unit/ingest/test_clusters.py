"""The integration that is meant by bootstrap servers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.definitions import MemoryDefinitions
from tests.fakes.integrations import FakeDirectory
from tests.fakes.plans import plan, step
from tests.fakes.sandbox import FakeSandbox
from tests.unit.workflows.conductor.parts import task, told, workflow
from tests.unit.workflows.engine.conftest import Mill
from tests.unit.workflows.handlers.parts import document as handler_document
from tidemill.core.clock import HeldClock
from tidemill.core.errors import BadInput
from tidemill.expressions.template import compile_template
from tidemill.ingest.clusters import IntegrationInfo, integration_of
from tidemill.workflows.catalog import Catalog
from tidemill.workflows.tasks.produce import ProduceSettings


def _info(name: str, *servers: str, is_enabled: bool = True) -> tuple[str, IntegrationInfo]:
    return name, IntegrationInfo(name, "g", "JSON", is_enabled, frozenset(servers))


INTEGRATIONS = dict(
    [
        _info("shop", "a:9092", "b:9092"),
        _info("whole", "a:9092", "b:9092", "c:9092"),
        _info("off", "d:9092", is_enabled=False),
        _info("on", "d:9092"),
        _info("none"),
    ]
)


@pytest.mark.parametrize(
    ("cluster", "name"),
    [
        ("shop", "shop"),
        ("none", "none"),
        ("a:9092", "shop"),
        (" B:9092 , A:9092", "shop"),
        ("PLAINTEXT://c:9092,z:1", "whole"),
        ("a:9092,b:9092,c:9092", "whole"),
        ("d:9092", "on"),
        ("a:9093", None),
        ("", None),
        ("nobody", None),
    ],
)
def test_a_cluster_is_named_or_has_a_server_in_common(cluster: str, name: str | None) -> None:
    assert integration_of(INTEGRATIONS, cluster) == name


async def _catalog() -> Catalog:
    directory = FakeDirectory()
    directory.infos = {"shop": _info("shop", "a:9092", "b:9092")[1], "off": _info("off", "c:9092", is_enabled=False)[1]}
    return Catalog(MemoryDefinitions(), FakeSandbox(), directory, HeldClock())


def _publish(servers: str, topic: str = "orders-in") -> dict[str, Any]:
    request = {"bootStrapServers": servers, "topic": topic, "value": 1}
    return workflow(task("p", "KAFKA_PUBLISH", inputParameters={"kafka_request": request}), name="fulfil")


PLACE = "tasks[0].inputParameters.kafka_request.bootStrapServers"


async def test_a_cluster_of_no_integration_is_told_when_it_is_saved() -> None:
    catalog = await _catalog()
    with_none = "no integration has the bootstrap servers z:1: create one, also for its credentials"
    await catalog.save_workflow(_publish("z:1"), "ann", overwrite=True)
    assert told(await catalog.findings("workflow", "fulfil")) == [(PLACE, with_none, "error")]
    with pytest.raises(BadInput, match="no integration has the bootstrap servers z:1"):
        catalog.latest("fulfil", None)
    await catalog.save_workflow(_publish("c:9092"), "ann", overwrite=True)
    ((path, message, level),) = told(await catalog.findings("workflow", "fulfil"))
    assert (path, level) == (PLACE, "warning") and "'off' is switched off" in message
    await catalog.save_workflow(_publish("b:9092"), "ann", overwrite=True)
    assert told(await catalog.findings("workflow", "fulfil")) == []


async def test_a_loop_over_a_cluster_is_one_over_its_integration() -> None:
    catalog = await _catalog()
    await catalog.save_handler(handler_document(), "ann")
    await catalog.save_workflow(_publish("a:9092"), "ann")
    (finding,) = await catalog.findings("workflow", "fulfil")
    assert (finding.kind, "fulfil version 1 → kafka:shop:orders-in" in finding.message) == ("loop", True)


async def test_a_publication_goes_to_the_integration_of_its_cluster() -> None:
    mill = Mill()
    settings = ProduceSettings(compile_template("${to}"), compile_template("${topic}"), compile_template("${value}"))
    given = {"to": "${workflow.input.to}", "topic": "orders", "value": 1}
    mill.register(plan(step("p", "produce", settings, given=given)))
    mill.plans.clusters = {"a:9092": "shop"}
    await mill.start(given={"to": "a:9092"}, execution_id="found")
    assert [(each.integration, each.topic, each.value) for each in mill.places.outbox] == [("shop", "orders", b"1")]
    await mill.start(given={"to": "shop"}, execution_id="named")
    assert [each.integration for each in mill.places.outbox] == ["shop", "shop"]
    lost = await mill.start(given={"to": "z:1"}, execution_id="lost")
    assert (lost.status, lost.reason) == ("FAILED", "no integration has the bootstrap servers z:1")
    assert len(mill.places.outbox) == 2
