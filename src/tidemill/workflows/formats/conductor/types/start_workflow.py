"""START_WORKFLOW: another workflow that goes its own way."""

from __future__ import annotations

from typing import Any

from tidemill.expressions.template import Template
from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType, constant
from tidemill.workflows.tasks.starting import StartSettings

_REQUEST = "startWorkflow"


def _read(source: Source) -> Draft:
    """The request may be one expression: then its parts are found by going on inside it."""
    request = source.raw(_REQUEST)
    is_open = isinstance(request, str) and request.startswith("${") and request.endswith("}")
    at = f"inputParameters.{_REQUEST}"
    if request is None:
        source.fields.add(at, "is missing: the workflow to start", "missing")
    elif not isinstance(request, dict) and not is_open:
        source.fields.add(at, "must be an object, or an expression that gives one", "type")
    elif isinstance(request, dict) and request.get("workflowDef") is None and not request.get("name"):
        source.fields.add(f"{at}.name", "is missing", "missing")

    def part(key: str) -> Template | None:
        if is_open:
            return source.template(f"{request[:-1]}.{key}}}", at)
        value = request.get(key) if isinstance(request, dict) else None
        if value is None:
            return None
        return constant(value) if _REQUEST in source.given else source.template(value, f"{at}.{key}")

    if isinstance(request, dict):
        _note_start(source, request, f"{at}.name")
    settings = StartSettings(
        name=part("name"),
        version=part("version"),
        definition=part("workflowDef"),
        input=part("input") or constant({}),
        correlation_id=part("correlationId"),
        task_to_domain=part("taskToDomain"),
        idempotency_key=part("idempotencyKey"),
        idempotency_strategy=part("idempotencyStrategy"),
        priority=part("priority"),
    )
    return Draft("start_workflow", source.without(), settings)


def _note_start(source: Source, request: dict[str, Any], key: str) -> None:
    name = request.get("name")
    if request.get("workflowDef") is None and isinstance(name, str) and "${" not in name:
        source.walk.start(name, request.get("version"), source.fields.at(key))


START_WORKFLOW = TaskType(
    "START_WORKFLOW",
    "Starts another workflow and goes on; what becomes of it is its own affair.",
    _read,
    inputs={
        "startWorkflow.name": "the workflow; required without workflowDef",
        "startWorkflow.version": "its version; default the latest",
        "startWorkflow.input": "its input",
        "startWorkflow.correlationId": "default that of this workflow",
        "startWorkflow.workflowDef": "a definition that need not be registered",
        "startWorkflow.taskToDomain": "the domains of its tasks",
        "startWorkflow.idempotencyKey": "and `idempotencyStrategy`: as for every start",
        "startWorkflow.priority": "default that of this workflow",
    },
    output={"workflowId": "the execution that was started"},
    notes="A start that is refused fails the task with the reason.",
)
