"""`inputSchema`, `outputSchema` and `enforceSchema`: what becomes of them in a plan."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import compiled, plan_of, task, told, workflow
from tidemill.core.codec import from_json
from tidemill.workflows.formats.conductor.task_definition import read_task_definition
from tidemill.workflows.plans.shapes import Shape

ORDER = {"name": "order", "version": 2, "type": "JSON", "createdBy": "ann"}
INLINE = {"type": "JSON", "data": {"required": ["id"]}}


def test_a_workflow_names_schemas_or_brings_them_along() -> None:
    plan = plan_of(workflow(inputSchema=ORDER, outputSchema=INLINE))
    assert plan.input_shape == Shape("order", 2)
    assert plan.output_shape is not None and from_json(plan.output_shape.text) == {"required": ["id"]}
    assert plan_of(workflow(inputSchema={"name": "order"})).input_shape == Shape("order", 1)


def test_only_what_is_enforced_counts() -> None:
    plan = plan_of(workflow(inputSchema=ORDER, enforceSchema=False))
    assert plan.input_shape is None
    definition, findings = read_task_definition({"name": "a_name", "inputSchema": ORDER, "enforceSchema": False})
    assert (definition.input_shape, findings) == (None, [])


def test_a_task_has_those_of_its_definition_and_those_inside_it_win() -> None:
    document = {"name": "a_name", "inputSchema": ORDER, "outputSchema": INLINE, "enforceSchema": True}
    definition, _ = read_task_definition(document)
    found = compiled(workflow(task("a")), {"a_name": definition})
    step = found.plan.steps["a"]
    assert (step.input_shape, step.output_shape) == (definition.input_shape, definition.output_shape)
    assert [path for path, _ in found.shapes] == ["tasks[0].name"] * 2
    own = task("a", taskDefinition={"outputSchema": ORDER, "enforceSchema": True})
    found = compiled(workflow(own), {"a_name": definition})
    assert (found.plan.steps["a"].input_shape, found.plan.steps["a"].output_shape) == (None, Shape("order", 2))
    assert found.shapes == [("tasks[0].taskDefinition.outputSchema", Shape("order", 2))]


@pytest.mark.parametrize(
    ("schema", "finding"),
    [
        ({"version": 1}, ("inputSchema", "neither data nor the name of a schema: nothing to check by", "error")),
        ({"name": "o", "version": 0}, ("inputSchema.version", "must be from 1 to 2147483647, not 0", "error")),
        (
            {"name": "o", "typ": "JSON"},
            ("inputSchema.typ", "unknown key 'typ', kept and ignored; did you mean 'type'?", "warning"),
        ),
        (
            {"type": "AVRO", "data": {"type": "record"}},
            (
                "inputSchema",
                "not supported, and without effect: a schema of type AVRO; only JSON Schemas in data, or by name",
                "warning",
            ),
        ),
        (
            {"name": "o", "type": "PROTOBUF"},
            (
                "inputSchema",
                "not supported, and without effect: a schema of type PROTOBUF; only JSON Schemas in data, or by name",
                "warning",
            ),
        ),
        (
            {"name": "o", "externalRef": "https://x.y"},
            (
                "inputSchema",
                "not supported, and without effect: externalRef; only JSON Schemas in data, or by name",
                "warning",
            ),
        ),
    ],
)
def test_what_cannot_be_checked_by_is_said(schema: Any, finding: tuple[str, str, str]) -> None:
    assert told(compiled(workflow(inputSchema=schema)).findings) == [finding]
