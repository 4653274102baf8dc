"""The catalog: what is saved, refused, kept beside a definition, shown again, and compiled only when it changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.definitions import MemoryDefinitions
from tests.fakes.integrations import FakeDirectory, info
from tests.fakes.sandbox import FakeSandbox
from tests.unit.workflows.conductor.parts import task, told, workflow
from tests.unit.workflows.handlers.parts import document as handler_document
from tests.unit.workflows.handlers.parts import start
from tidemill.core.clock import HeldClock
from tidemill.core.codec import from_json
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.workflows.catalog import Catalog


class Shop:
    """A catalog with everything that it stands on within reach."""

    def __init__(self) -> None:
        self.store = MemoryDefinitions()
        self.directory = FakeDirectory("shop")
        self.clock = HeldClock(1_000)
        self.catalog = Catalog(self.store, FakeSandbox(), self.directory, self.clock)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def event(topic: str = "out", integration: str = "shop") -> dict[str, Any]:
    return task("e", "EVENT", sink=f"kafka:{integration}:{topic}")


async def test_a_workflow_comes_back_as_it_was_with_stamps(shop: Shop) -> None:
    document = workflow(event(), zzz={"kept": [1]}, metadata={"a": 1})
    await shop.catalog.save_workflow(document, "ann")
    shop.clock.advance(1)
    await shop.catalog.save_workflow({**document, "description": "new"}, "bob", overwrite=True)
    stamps = {"createdBy": "ann", "updatedBy": "bob", "createTime": 1_000, "updateTime": 2_000}
    assert await shop.catalog.workflow("w", 1) == {**document, "description": "new", **stamps}
    assert await shop.catalog.workflows() == [await shop.catalog.workflow("w")]


async def test_what_was_shown_can_be_saved_again(shop: Shop) -> None:
    await shop.catalog.save_workflow(workflow(event()), "ann")
    shown = await shop.catalog.workflow("w")
    definition = await shop.catalog.save_workflow(shown, "bob", overwrite=True)
    assert (definition.save, from_json(definition.findings)) == (2, [])
    assert (await shop.catalog.workflow("w"))["createdBy"] == "ann"


async def test_an_existing_version_is_not_overwritten_unawares(shop: Shop) -> None:
    await shop.catalog.save_workflow(workflow(), "ann")
    with pytest.raises(Conflict):
        await shop.catalog.save_workflow(workflow(), "ann")
    with pytest.raises(Conflict):
        await shop.catalog.save_workflows([workflow(version=2), workflow()], "ann", overwrite=False)
    assert len(await shop.catalog.workflows()) == 1


async def test_a_version_is_one_where_none_is_given_and_a_number_where_it_is_text(shop: Shop) -> None:
    await shop.catalog.save_workflow(workflow(version=None), "ann")
    await shop.catalog.save_workflow(workflow(version="12"), "ann")
    assert [each["version"] for each in await shop.catalog.workflows()] == [1, 12]
    assert shop.catalog.latest("w", None).version == 12


async def test_a_bad_document_stores_nothing_and_tells_everything(shop: Shop) -> None:
    bad = workflow(task("a", "INLINE", {"expression": "f("}), task("a", "NOPE"), timeoutPolicy="X")
    with pytest.raises(BadInput) as caught:
        await shop.catalog.save_workflows([workflow(), bad], "ann")
    assert {finding.path for finding in caught.value.findings} == {
        "[1].tasks[0].inputParameters.expression",
        "[1].tasks[1].type",
        "[1].tasks[1].taskReferenceName",
        "[1].timeoutPolicy",
    }
    assert shop.store.counter == 0


async def test_one_bad_expression_hides_nothing(shop: Shop) -> None:
    inputs = {
        "bad": "${x[} ${gone.output}",
        "open": "${env.x} ${oops",
        "key": "${workflow.secrets.K} ${workflow.env.E}",
    }
    bad = workflow(task("a", inputs={**inputs, "fine": "${a.output}"}), event(integration="shpo"), failureWorkflow="no")
    with pytest.raises(BadInput) as caught:
        await shop.catalog.save_workflow(bad, "ann")
    told = [(finding.path, finding.kind) for finding in caught.value.findings]
    place = "tasks[0].inputParameters"
    assert told == [
        (f"{place}.bad", "expression"),
        (f"{place}.open", "expression"),
        (place, "not_supported"),
        (place, "unknown_reference"),
        (place, "unknown_reference"),
        ("tasks[1].sink", "unknown_integration"),
        ("failureWorkflow", "unknown_workflow"),
    ]


async def test_a_bad_expression_is_not_blamed_twice(shop: Shop) -> None:
    """What was to be read from it is not there, and that is not a mistake of its own."""
    wait = workflow(task("a", "WAIT", {"duration": "${x[}"}))
    handler = handler_document(start(name="${x[}"), start(name=""), event="kafka:shop:orders")
    with pytest.raises(BadInput) as caught:
        await shop.catalog.save_workflow(wait, "ann")
    assert [finding.kind for finding in caught.value.findings] == ["expression"]
    with pytest.raises(BadInput) as caught:
        await shop.catalog.save_handler(handler, "ann")
    assert [finding.kind for finding in caught.value.findings] == ["expression", "missing"]


async def test_a_script_that_does_not_compile_is_found_with_line_and_column(shop: Shop) -> None:
    with pytest.raises(BadInput) as caught:
        await shop.catalog.save_handler(handler_document(condition="$.a > (1"), "ann")
    script, around = caught.value.findings
    assert (script.path, script.line, script.column) == ("condition", 1, 8)
    assert (around.path, around.kind) == ("actions[0].start_workflow.name", "unknown_workflow")


@pytest.mark.parametrize("document", [None, [], "x", 5])
async def test_documents_that_are_no_objects(shop: Shop, document: Any) -> None:
    for save in (shop.catalog.save_workflow, shop.catalog.save_handler):
        with pytest.raises(BadInput, match="must be an object"):
            await save(document, "ann")
    with pytest.raises(BadInput, match="must be"):
        await shop.catalog.save_tasks(document, "ann") if document != [] else await shop.catalog.save_tasks([1], "ann")


async def test_documents_that_are_too_deep(shop: Shop) -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(BadInput, match="nested deeper than 100"):
        await shop.catalog.save_workflow(workflow(variables={"x": deep}), "ann")


async def test_an_unknown_integration_makes_it_unavailable_until_it_is_there(shop: Shop) -> None:
    definition = await shop.catalog.save_workflow(workflow(event(integration="shpo")), "ann")
    (kept,) = from_json(definition.findings)
    message = "there is no integration 'shpo'; did you mean 'shop'?"
    assert (kept["path"], kept["message"], kept["level"]) == ("tasks[0].sink", message, "error")
    await shop.catalog.refresh()
    with pytest.raises(BadInput, match="there is no integration"):
        shop.catalog.latest("w", 1)
    shop.directory.infos["shpo"] = info("shpo")
    shop.store.counter += 1  # an integration is a definition too
    await shop.catalog.refresh()
    assert shop.catalog.latest("w", 1).name == "w"
    assert await shop.catalog.findings("workflow", "w", 1) == []


async def test_an_integration_that_is_off_is_a_warning(shop: Shop) -> None:
    shop.directory.infos["shop"] = info("shop", is_enabled=False)
    await shop.catalog.save_workflow(workflow(event()), "ann")
    ((path, message, level),) = told(await shop.catalog.findings("workflow", "w"))
    assert (path, level) == ("tasks[0].sink", "warning")
    assert message.startswith("the integration 'shop' is switched off")
    assert shop.catalog.latest("w", None)


async def test_a_task_type_that_is_not_built_yet_is_stored_shown_and_does_not_run(shop: Shop) -> None:
    await shop.catalog.save_workflow(workflow(task("a", "HTTP_POLL")), "ann")
    assert (await shop.catalog.workflow("w"))["tasks"][0]["type"] == "HTTP_POLL"
    with pytest.raises(BadInput, match="not yet supported: task type HTTP_POLL"):
        shop.catalog.latest("w", None)


async def test_latest_of_what_is_not_there(shop: Shop) -> None:
    await shop.catalog.save_workflow(workflow(), "ann")
    await shop.catalog.refresh()
    with pytest.raises(NotFound, match="no workflow 'v' is registered"):
        shop.catalog.latest("v", None)
    with pytest.raises(NotFound, match="the workflow 'w' has no version 7; the highest is 1"):
        shop.catalog.latest("w", 7)


async def test_executions_keep_the_save_that_they_run_by(shop: Shop) -> None:
    await shop.catalog.save_workflow(workflow(task("old")), "ann")
    await shop.catalog.save_workflow(workflow(task("new")), "ann", overwrite=True)
    await shop.catalog.refresh()
    assert list((await shop.catalog.at("w", 1, 1)).steps) == ["old"]
    assert list((await shop.catalog.at("w", 1, 2)).steps) == ["new"]
    assert await shop.catalog.at("w", 1, 1) is await shop.catalog.at("w", 1, 1)
    await shop.catalog.remove_workflow("w", 1, "ann")
    await shop.catalog.refresh()
    assert list((await shop.catalog.at("w", 1, 2)).steps) == ["new"]
    with pytest.raises(NotFound):
        await shop.catalog.at("w", 1, 3)
    with pytest.raises(NotFound):
        await shop.catalog.workflow("w")


async def test_a_definition_that_is_not_registered_is_compiled_once_per_revision(shop: Shop) -> None:
    await shop.catalog.save_tasks([{"name": "a_name", "retryCount": 5}], "ann")
    await shop.catalog.refresh()
    brought = workflow(task("a"), name="brought")
    plan = await shop.catalog.at("brought", 1, 0, brought)
    assert (plan.name, plan.save, plan.steps["a"].retry.count) == ("brought", 0, 5)
    assert shop.catalog.unregistered(workflow(task("a"), name="brought")) is plan
    await shop.catalog.save_tasks([{"name": "a_name", "retryCount": 6}], "ann")
    await shop.catalog.refresh()
    assert shop.catalog.unregistered(brought).steps["a"].retry.count == 6
    with pytest.raises(NotFound):
        shop.catalog.latest("brought", None)


async def test_a_definition_that_is_not_registered_and_cannot_run_says_why(shop: Shop) -> None:
    with pytest.raises(BadInput, match="taskReferenceName"):
        shop.catalog.unregistered({"name": "brought", "tasks": [{"name": "a"}]})
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"deeper": deep}
    with pytest.raises(BadInput, match="nested deeper than 100"):
        shop.catalog.unregistered({**workflow(task("a")), "metadata": deep})


async def test_nothing_is_read_or_compiled_again_unless_it_changed(shop: Shop) -> None:
    await shop.catalog.save_workflow(workflow(), "ann")
    await shop.catalog.save_workflow(workflow(version=2), "ann")
    await shop.catalog.refresh()
    reads, plan = shop.store.reads, shop.catalog.latest("w", 1)
    for _ in range(3):
        await shop.catalog.refresh()
    assert shop.store.reads == reads
    await shop.catalog.save_workflow(workflow(task("b"), version=2), "ann", overwrite=True)
    await shop.catalog.refresh()
    assert shop.catalog.latest("w", 1) is plan
    assert list(shop.catalog.latest("w", 2).steps) == ["b"]


async def test_a_task_definition_changes_the_plans_that_use_it(shop: Shop) -> None:
    await shop.catalog.save_workflow(workflow(task("a")), "ann")
    await shop.catalog.refresh()
    assert shop.catalog.latest("w", None).steps["a"].retry.count == 0
    await shop.catalog.save_tasks([{"name": "a_name", "retryCount": 7}], "ann")
    await shop.catalog.refresh()
    assert shop.catalog.latest("w", None).steps["a"].retry.count == 7
    await shop.catalog.remove_task("a_name", "ann")
    await shop.catalog.refresh()
    assert shop.catalog.latest("w", None).steps["a"].retry.count == 0


async def test_task_definitions(shop: Shop) -> None:
    await shop.catalog.save_tasks([{"name": "t", "inputSchema": {"name": "s"}, "zzz": 1}, {"name": "u"}], "ann")
    assert [each["name"] for each in await shop.catalog.tasks()] == ["t", "u"]
    assert (await shop.catalog.task("t"))["zzz"] == 1
    assert {finding.path for finding in await shop.catalog.findings("task", "t")} == {"enforceSchema", "zzz"}
    with pytest.raises(BadInput):
        await shop.catalog.save_tasks([{"name": "v"}, {}], "ann")
    with pytest.raises(NotFound):
        await shop.catalog.task("v")


async def test_event_handlers(shop: Shop) -> None:
    await shop.catalog.save_workflow(workflow(name="fulfil"), "ann")
    sample = handler_document(createdBy="devrel@orkes.io", zzz=1, active=False)
    await shop.catalog.save_handler(sample, "ann", "absent")
    shown = await shop.catalog.handler("orders")
    assert {key: shown[key] for key in sample} == sample
    with pytest.raises(Conflict):
        await shop.catalog.save_handler(sample, "ann", "absent")
    with pytest.raises(NotFound):
        await shop.catalog.save_handler({**sample, "name": "other"}, "ann", "present")
    assert await shop.catalog.handlers("kafka:shop:orders-in") == [shown]
    assert await shop.catalog.handlers("kafka:shop:orders-in", active_only=True) == []
    assert await shop.catalog.handlers("kafka:shop:other") == []
    await shop.catalog.save_handler({**sample, "active": True}, "bob", "present")
    assert len(await shop.catalog.handlers(active_only=True)) == 1
    assert len(await shop.catalog.saves("event_handler", "orders")) == 2
    await shop.catalog.remove_handler("orders", "ann")
    with pytest.raises(NotFound):
        await shop.catalog.handler("orders")
    with pytest.raises(NotFound):
        await shop.catalog.findings("event_handler", "orders")


async def test_a_handler_of_a_missing_workflow_or_integration_is_stored_with_its_findings(shop: Shop) -> None:
    document = handler_document(start(version=2), event="kafka:nope:t")
    await shop.catalog.save_handler(document, "ann")
    assert told(await shop.catalog.findings("event_handler", "orders")) == [
        ("event", "there is no integration 'nope'", "error"),
        ("actions[0].start_workflow.name", "no workflow 'fulfil' is registered", "warning"),
    ]
    await shop.catalog.save_workflow(workflow(name="fulfil"), "ann")
    messages = [finding.message for finding in await shop.catalog.findings("event_handler", "orders")]
    assert messages[1] == "the workflow 'fulfil' has no version 2; the highest is 1"


async def test_a_loop_is_told_by_whichever_definition_closes_it(shop: Shop) -> None:
    handler, back = handler_document(), workflow(event("orders-in"), name="fulfil")
    first = await shop.catalog.save_handler(handler, "ann")
    assert "loop" not in {finding["kind"] for finding in from_json(first.findings)}
    closing = await shop.catalog.save_workflow(back, "ann")
    (finding,) = from_json(closing.findings)
    assert finding["message"] == (
        "data loop: kafka:shop:orders-in → event handler orders → workflow fulfil version 1 → kafka:shop:orders-in"
    )
    assert finding["level"] == "warning"
    again = await shop.catalog.save_handler(handler, "ann")
    assert [each["kind"] for each in from_json(again.findings)] == ["loop"]
    assert [each.kind for each in await shop.catalog.findings("event_handler", "orders")] == ["loop"]


async def test_an_integration_that_cannot_be_used_is_there_all_the_same(shop: Shop) -> None:
    """A worker that cannot read its secrets must not take it for one that does not exist."""
    await shop.store.put("integration", "locked", 0, b"{}", b"[]", "ann", 1)
    await shop.catalog.refresh()
    assert [shop.catalog.has_integration(name) for name in ("shop", "locked", "other")] == [True, True, False]


@pytest.mark.parametrize("kind", ["schema", "integration"])
async def test_findings_of_a_handler_are_not_those_of_another_kind(shop: Shop, kind: Any) -> None:
    await shop.catalog.save_handler(handler_document(), "ann")
    assert await shop.catalog.findings("event_handler", handler_document()["name"])
    with pytest.raises(NotFound):
        await shop.catalog.findings(kind, handler_document()["name"])


async def test_a_definition_that_comes_along_with_a_start_names_no_secrets(shop: Shop) -> None:
    document = workflow(task("a", inputs={"x": "${workflow.secrets.X}"}))
    await shop.catalog.save_workflow(document, "ann")
    await shop.catalog.refresh()
    assert shop.catalog.latest("w", None).steps["a"].input.kept == {"workflow.secrets.X"}
    with pytest.raises(BadInput, match="saved definitions name secrets"):
        shop.catalog.unregistered(document)
