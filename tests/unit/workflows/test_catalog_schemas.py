"""Schemas that definitions name: a workflow runs only while they are there, and by what they say now."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.definitions import MemoryDefinitions
from tests.fakes.integrations import FakeDirectory
from tests.fakes.sandbox import FakeSandbox
from tests.unit.workflows.conductor.parts import task, workflow
from tidemill.core.clock import HeldClock
from tidemill.core.codec import from_json
from tidemill.core.errors import BadInput, NotFound
from tidemill.workflows.catalog import Catalog
from tidemill.workflows.plans.shapes import Shape
from tidemill.workflows.schemas import Schemas


class Shop:
    def __init__(self) -> None:
        store, clock = MemoryDefinitions(), HeldClock(1_000)
        self.catalog = Catalog(store, FakeSandbox(), FakeDirectory("shop"), clock)
        self.schemas = Schemas(store, FakeSandbox(), clock)

    async def save(self, version: int = 1, **keys: Any) -> None:
        await self.schemas.save([{"name": "order", "version": version, "type": "JSON", **keys}], "ann")
        await self.catalog.refresh()

    async def messages(self, kind: Any, name: str) -> list[tuple[str, str, str]]:
        findings = await self.catalog.findings(kind, name)
        return [(finding.path, finding.message, finding.level) for finding in findings]


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def test_a_workflow_waits_for_the_schema_that_it_names(shop: Shop) -> None:
    await shop.catalog.save_workflow(workflow(inputSchema={"name": "order"}), "ann")
    missing = ("inputSchema", "there is no schema 'order' version 1", "error")
    assert await shop.messages("workflow", "w") == [missing]
    with pytest.raises(BadInput, match="there is no schema 'order' version 1"):
        shop.catalog.latest("w", None)
    await shop.save(data={"required": ["id"]})
    shape = shop.catalog.latest("w", None).input_shape
    assert shape == Shape("order", 1)
    assert from_json(shop.catalog.schema(shape)) == {"required": ["id"]}
    await shop.save(data={"required": ["n"]})
    assert from_json(shop.catalog.schema(shape)) == {"required": ["n"]}
    await shop.schemas.remove("order", 1, "ann")
    await shop.catalog.refresh()
    assert await shop.messages("workflow", "w") == [missing]


@pytest.mark.parametrize("kept", [{"type": "AVRO", "data": {"type": "record"}}, {"externalRef": "https://x.y"}])
async def test_only_a_json_schema_is_checked_by_and_others_say_so(shop: Shop, kept: dict[str, Any]) -> None:
    await shop.save(**kept)
    await shop.catalog.save_workflow(workflow(inputSchema={"name": "order"}), "ann")
    said = ("inputSchema", "not checked: schema 'order' version 1 has no JSON Schema in its data", "warning")
    assert await shop.messages("workflow", "w") == [said]
    assert from_json(shop.catalog.schema(Shape("order", 1))) == {}
    assert shop.catalog.latest("w", None).name == "w"
    with pytest.raises(NotFound, match="there is no schema 'other' version 1"):
        shop.catalog.schema(Shape("other", 1))


async def test_a_task_definition_tells_of_its_schemas_and_blocks_who_uses_it(shop: Shop) -> None:
    await shop.save(version=3, data={"required": ["id"]})
    definition = {"name": "a_name", "outputSchema": {"name": "order", "version": 2}, "enforceSchema": True}
    await shop.catalog.save_tasks([definition], "ann")
    await shop.catalog.save_workflow(workflow(task("a")), "ann")
    assert await shop.messages("task", "a_name") == [("outputSchema", "there is no schema 'order' version 2", "error")]
    assert await shop.messages("workflow", "w") == [("tasks[0].name", "there is no schema 'order' version 2", "error")]


async def test_a_schema_inside_a_definition_that_is_none_is_refused(shop: Shop) -> None:
    wrong = {"data": {"required": 5}}
    with pytest.raises(BadInput) as refused:
        await shop.catalog.save_workflow(workflow(inputSchema=wrong), "ann")
    assert [finding.path for finding in refused.value.findings] == ["inputSchema.data.required"]
    with pytest.raises(BadInput) as refused:
        await shop.catalog.save_tasks([{"name": "t", "outputSchema": wrong, "enforceSchema": True}], "ann")
    assert [finding.path for finding in refused.value.findings] == ["outputSchema.data.required"]
    with pytest.raises(BadInput) as refused:
        await shop.save(data={"required": 5})
    assert [finding.path for finding in refused.value.findings] == ["data.required"]
