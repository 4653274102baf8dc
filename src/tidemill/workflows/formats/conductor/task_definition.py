"""Conductor's task definitions: retries, response timeout and default inputs of all tasks of a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from tidemill.core.findings import Finding
from tidemill.expressions.document import Fields, read_label
from tidemill.workflows.formats.conductor.keys import TASK_DEF_NOTED
from tidemill.workflows.formats.conductor.schema import placed, read_shapes
from tidemill.workflows.plans.plan import Limits, Retry
from tidemill.workflows.plans.shapes import Shape

_LOGIC: Mapping[str, Literal["fixed", "exponential", "linear"]] = {
    "FIXED": "fixed",
    "EXPONENTIAL_BACKOFF": "exponential",
    "LINEAR_BACKOFF": "linear",
}
_ON_TIMEOUT: Mapping[str, Literal["retry", "end", "alert"]] = {
    "RETRY": "retry",
    "TIME_OUT_WF": "end",
    "ALERT_ONLY": "alert",
}


class TaskDefinition(msgspec.Struct, frozen=True):
    """The defaults here are those of a task without definition: no retries, no response timeout."""

    name: str = ""
    retry: Retry = Retry()
    response_timeout_s: float = 0
    inputs: Mapping[str, Any] = {}
    source: Mapping[str, Any] | None = None
    limits: Limits = Limits()
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    shapes: Sequence[tuple[str, Shape]] = ()
    """Both, with their places."""


UNDEFINED = TaskDefinition()


def read_task_definition(document: Any) -> tuple[TaskDefinition, list[Finding]]:
    findings: list[Finding] = []
    definition = read_task_fields(Fields(document, "", findings), read_name=read_label)
    return definition, findings


def read_embedded(fields: Fields) -> TaskDefinition:
    """The `taskDefinition` inside a workflow's task, whose name may be left out."""
    return read_task_fields(fields, read_name=Fields.text)


def read_task_fields(fields: Fields, read_name: Any) -> TaskDefinition:
    """Conductor's defaults: three retries, a minute apart, and an hour to report."""
    name = read_name(fields, "name")
    retry = Retry(
        count=fields.whole("retryCount", 3),
        logic=_LOGIC[fields.choice("retryLogic", tuple(_LOGIC), "FIXED")],
        delay_s=fields.whole("retryDelaySeconds", 60),
        delay_s_max=fields.whole("maxRetryDelaySeconds"),
        backoff_scale=fields.whole("backoffScaleFactor", 1, at_least=1),
        jitter_ms=fields.whole("backoffJitterMs"),
    )
    response_timeout_s = fields.whole("responseTimeoutSeconds", 3600)
    inputs = fields.object("inputTemplate")
    limits = _read_limits(fields)
    shapes = read_shapes(fields, is_enforced=False)
    fields.finish(TASK_DEF_NOTED)
    return TaskDefinition(
        name, retry, response_timeout_s, inputs, fields.value, limits, *shapes, shapes=placed(fields, shapes)
    )


def _read_limits(fields: Fields) -> Limits:
    """The SDK always sends a frequency in seconds; without a number per frequency it limits nothing."""
    return Limits(
        poll_s=fields.whole("pollTimeoutSeconds"),
        run_s=fields.whole("timeoutSeconds"),
        total_s=fields.whole("totalTimeoutSeconds"),
        on_timeout=_ON_TIMEOUT[fields.choice("timeoutPolicy", tuple(_ON_TIMEOUT), "TIME_OUT_WF")],
        concurrent=fields.whole("concurrentExecLimit"),
        rate=fields.whole("rateLimitPerFrequency"),
        rate_s=fields.whole("rateLimitFrequencyInSeconds", 1) or 1,
    )


def warn_not_yet(fields: Fields, keys: tuple[str, ...]) -> None:
    """What the document asks for and Tidemill does not do yet. The definition runs without it."""
    for key in keys:
        if fields.raw(key):
            fields.warn(key, f"not yet supported, and without effect: {key}", "not_supported")
