"""The five actions of an event handler: how each is read from its JSON, and the effect that a record gives it.

Writes nothing and runs no user code; the one thing that can fail per record raises `BadAction`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, Protocol, cast, get_args

import msgspec

from tidemill.core.ids import derived_id
from tidemill.expressions.document import Fields, as_whole
from tidemill.expressions.template import Template, as_text
from tidemill.ingest.effect import Effect
from tidemill.workflows.effects import (
    IdempotencyStrategy,
    StartWorkflow,
    TerminateExecution,
    UpdateTask,
    UpdateVariables,
    unfit,
)
from tidemill.workflows.handlers.cause import BadAction, Cause, TextTemplate


class Action(Protocol):
    """One entry of a handler's `actions`."""

    @property
    def kind(self) -> str:
        """Its name, as users write it."""
        ...

    def effect(self, cause: Cause, index: int) -> Effect:
        """What the record is to do; `index` is the action's place in its handler. Raises `BadAction`."""
        ...


class StartAction(msgspec.Struct, frozen=True):
    """start_workflow. The execution's id comes from the record, so that a record read twice starts it once."""

    name: TextTemplate
    version: Template
    input: Template
    correlation_id: TextTemplate
    idempotency_key: TextTemplate
    idempotency_strategy: IdempotencyStrategy
    task_to_domain: Mapping[str, str]
    is_expanded: bool
    kind: ClassVar[str] = "start_workflow"

    def effect(self, cause: Cause, index: int) -> Effect:
        record = cause.record
        given = cause.render(self.input, self.is_expanded)
        return StartWorkflow(
            derived_id(
                record.timestamp_ms,
                record.integration,
                record.topic_id or record.topic,
                record.partition,
                record.offset,
                cause.handler,
                index,
            ),
            self.name.required(cause, self.is_expanded),
            self._version(cause),
            {**given, **_origin(cause)},
            self.correlation_id.optional(cause, self.is_expanded),
            self._domains(cause),
            self.idempotency_key.optional(cause, self.is_expanded) or None,
            self.idempotency_strategy,
            cause.event,
            f"event_handler:{cause.handler}",
        )

    def _version(self, cause: Cause) -> int | None:
        value = cause.render(self.version, self.is_expanded)
        if value is None:
            return None
        version = as_whole(value)
        if version is None or not 0 < version < 2**31:
            raise BadAction(f"start_workflow.version: {self.version.source!r} gave {value!r}, which is no version")
        return version

    def _domains(self, cause: Cause) -> dict[str, str]:
        """From the definition, else from the body, as Conductor has it."""
        if self.task_to_domain:
            return dict(self.task_to_domain)
        given = cause.body.get("taskToDomain") if isinstance(cause.body, dict) else None
        if not isinstance(given, dict):
            return {}
        return {task: domain for task, domain in given.items() if isinstance(domain, str)}


class TaskAction(msgspec.Struct, frozen=True):
    """complete_task and fail_task. The task is named by its id, or by execution and reference."""

    status: Literal["COMPLETED", "FAILED"]
    task_id: TextTemplate | None
    workflow_id: TextTemplate | None
    ref: TextTemplate | None
    reason: TextTemplate
    output: Template
    is_expanded: bool

    @property
    def kind(self) -> str:
        return "complete_task" if self.status == "COMPLETED" else "fail_task"

    def effect(self, cause: Cause, index: int) -> Effect:
        named = {
            key: template.required(cause, self.is_expanded)
            for key, template in (("taskId", self.task_id), ("workflowId", self.workflow_id), ("taskRefName", self.ref))
            if template is not None
        }
        reason = self.reason.optional(cause, self.is_expanded)
        if reason is not None:
            named["reasonForIncompletion"] = reason
        output = {**named, **cause.render(self.output, self.is_expanded), **_origin(cause)}
        if "taskId" in named:
            return UpdateTask(self.status, task_id=named["taskId"], output=output, reason=reason)
        workflow_id, ref = named["workflowId"], named["taskRefName"]
        return UpdateTask(self.status, execution_id=workflow_id, ref=ref, output=output, reason=reason)


class TerminateAction(msgspec.Struct, frozen=True):
    """terminate_workflow."""

    workflow_id: TextTemplate
    reason: TextTemplate
    is_expanded: bool
    kind: ClassVar[str] = "terminate_workflow"

    def effect(self, cause: Cause, index: int) -> Effect:
        workflow_id = self.workflow_id.required(cause, self.is_expanded)
        return TerminateExecution(workflow_id, self.reason.optional(cause, self.is_expanded))


class VariablesAction(msgspec.Struct, frozen=True):
    """update_workflow_variables."""

    workflow_id: TextTemplate
    variables: Template
    appends: bool
    is_expanded: bool
    kind: ClassVar[str] = "update_workflow_variables"

    def effect(self, cause: Cause, index: int) -> Effect:
        workflow_id = self.workflow_id.required(cause, self.is_expanded)
        return UpdateVariables(workflow_id, cause.render(self.variables, self.is_expanded), self.appends)


def _origin(cause: Cause) -> dict[str, Any]:
    return {"conductor.event.messageId": cause.message_id, "conductor.event.name": cause.event}


def _text(fields: Fields, key: str) -> TextTemplate:
    value = fields.raw(key)
    if isinstance(value, dict | list):
        fields.add(key, "must be text", "type")
        value = None
    template = fields.compiled(value, fields.at(key))
    rendered = template.render(None) if template.is_constant else None
    constant = None if rendered is None else as_text(rendered)
    problem = unfit(constant) if constant else None
    if problem:
        fields.add(key, problem)
    return TextTemplate(template, fields.at(key), constant)


def _needed(fields: Fields, key: str) -> TextTemplate:
    fields.name(key)
    return _text(fields, key)


def _start(fields: Fields, is_expanded: bool) -> Action:
    version = fields.raw("version")
    if not (isinstance(version, str) and "${" in version):
        version = fields.whole("version", at_least=1) or None
    strategy = fields.choice("idempotencyStrategy", get_args(IdempotencyStrategy), "RETURN_EXISTING")
    return StartAction(
        name=_needed(fields, "name"),
        version=fields.compiled(version, fields.at("version")),
        input=fields.compiled(fields.object("input"), fields.at("input")),
        correlation_id=_text(fields, "correlationId"),
        idempotency_key=_text(fields, "idempotencyKey"),
        idempotency_strategy=cast(IdempotencyStrategy, strategy),
        task_to_domain=fields.texts("taskToDomain"),
        is_expanded=is_expanded,
    )


def _task(status: Literal["COMPLETED", "FAILED"]) -> Callable[[Fields, bool], Action]:
    def read(fields: Fields, is_expanded: bool) -> Action:
        by_id = fields.raw("taskId") is not None
        by_ref = fields.raw("workflowId") is not None or fields.raw("taskRefName") is not None
        if not by_id and not by_ref:
            fields.add("", "names no task: give workflowId and taskRefName, or taskId", "missing")
        return TaskAction(
            status=status,
            task_id=_needed(fields, "taskId") if by_id else None,
            workflow_id=_needed(fields, "workflowId") if by_ref and not by_id else None,
            ref=_needed(fields, "taskRefName") if by_ref and not by_id else None,
            reason=_text(fields, "reasonForIncompletion"),
            output=fields.compiled(fields.object("output"), fields.at("output")),
            is_expanded=is_expanded,
        )

    return read


def _terminate(fields: Fields, is_expanded: bool) -> Action:
    return TerminateAction(_needed(fields, "workflowId"), _text(fields, "terminationReason"), is_expanded)


def _variables(fields: Fields, is_expanded: bool) -> Action:
    workflow_id = _needed(fields, "workflowId")
    if not fields.object("variables"):
        fields.add("variables", "names no variable", "missing")
    variables = fields.compiled(fields.object("variables"), fields.at("variables"))
    return VariablesAction(workflow_id, variables, fields.flag("appendArray"), is_expanded)


_READERS: Mapping[str, Callable[[Fields, bool], Action]] = {
    "start_workflow": _start,
    "complete_task": _task("COMPLETED"),
    "fail_task": _task("FAILED"),
    "terminate_workflow": _terminate,
    "update_workflow_variables": _variables,
}
ACTIONS: tuple[str, ...] = tuple(_READERS)
NOT_YET = frozenset({"start_agent"})


def read_action(fields: Fields) -> Action | None:
    """One entry of `actions`; None where its kind is missing or not known."""
    is_expanded = fields.flag("expandInlineJSON")
    name = fields.name("action")
    for other in (*ACTIONS, *NOT_YET):
        if fields.raw(other) is not None and other != name and name in _READERS:
            fields.warn(other, f"ignored: the action is {name}", "unknown_key")
    if name in NOT_YET:
        fields.add("action", f"not yet supported: action {name}", "not_supported")
    elif name and name not in _READERS:
        fields.choice("action", ACTIONS, "")
    fields.finish()
    if name not in _READERS:
        return None
    if fields.raw(name) is None:
        fields.add(name, f"is missing: the parameters of {name}", "missing")
        return None
    inner = fields.fields(name)
    action = _READERS[name](inner, is_expanded)
    inner.finish()
    return action
