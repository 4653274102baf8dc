"""SUB_WORKFLOW: another workflow inside this one."""

from __future__ import annotations

from typing import Any

from tidemill.expressions.document import Fields
from tidemill.expressions.template import Template
from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType, constant
from tidemill.workflows.tasks.starting import StartSettings

_PARAM = "subWorkflowParam"


def _read(source: Source) -> Draft:
    if source.fields.raw(_PARAM) is None:
        source.fields.add(_PARAM, "is missing: the workflow to start", "missing")
    param = source.fields.fields(_PARAM)

    def part(key: str) -> Template | None:
        value = param.raw(key)
        return None if value is None else source.template(value, f"{_PARAM}.{key}")

    definition = param.raw("workflowDefinition")
    if definition is None:
        param.name("name")
        _note_start(source, param)
    settings = StartSettings(
        name=part("name"),
        version=part("version"),
        definition=_definition(source, param, definition),
        task_to_domain=part("taskToDomain"),
        idempotency_key=part("idempotencyKey"),
        idempotency_strategy=part("idempotencyStrategy"),
        priority=part("priority"),
    )
    param.finish()
    return Draft("sub_workflow", source.without(), settings)


def _note_start(source: Source, param: Fields) -> None:
    name, version = param.value.get("name"), param.value.get("version")
    if isinstance(name, str) and "${" not in name:
        source.walk.start(name, version, param.at("name"))


def _definition(source: Source, param: Fields, definition: Any) -> Template | None:
    """One that stands in the document is no template of this workflow: what it reads are names of its own."""
    if not isinstance(definition, dict):
        if definition is not None and not (isinstance(definition, str) and "${" in definition):
            param.add("workflowDefinition", "must be a definition, or an expression that gives one", "type")
        return None if definition is None else source.template(definition, f"{_PARAM}.workflowDefinition")
    named = {key: param.value[key] for key in ("name", "version") if definition.get(key) is None and key in param.value}
    whole = {**definition, **named}
    source.walk.inner(Fields(whole, param.at("workflowDefinition"), param.findings))
    return constant(whole)


SUB_WORKFLOW = TaskType(
    "SUB_WORKFLOW",
    "Starts another workflow, waits for its end and has its output.",
    _read,
    keys={
        "subWorkflowParam.name": "the workflow; may be an expression; required without workflowDefinition",
        "subWorkflowParam.version": "its version; default the latest",
        "subWorkflowParam.workflowDefinition": "one that need not be registered, or an expression that gives one",
        "subWorkflowParam.taskToDomain": "the domains of its tasks; default those of this workflow",
        "subWorkflowParam.idempotencyKey": "and `idempotencyStrategy`: as for every start",
        "subWorkflowParam.priority": "default that of this workflow",
    },
    inputs={"*": "the input of the other workflow"},
    output={"subWorkflowId": "the execution that was started", "*": "at its end: its output"},
    notes="One that fails, is terminated or runs out of time fails the task; the next attempt starts another one. When "
    "this workflow ends, so does one that still runs. Workflows can be 32 deep in each other.",
)
