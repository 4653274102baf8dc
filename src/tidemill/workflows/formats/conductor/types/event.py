"""EVENT: a record on a topic."""

from __future__ import annotations

from collections.abc import Mapping

from tidemill.workflows.address import read_address
from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType
from tidemill.workflows.tasks.publish import PublishSettings

_BODY: Mapping[str, str] = {
    "workflowInstanceId": "${workflow.workflowId}",
    "workflowType": "${workflow.workflowType}",
    "workflowVersion": "${workflow.version}",
    "correlationId": "${workflow.correlationId}",
    "taskToDomain": "${workflow.taskToDomain}",
}
"""What Conductor puts into the body of every EVENT beside the inputs; it wins over inputs of these names."""


def _read(source: Source) -> Draft:
    """`_key` and `_headers` are ours: the record's key (default: the task's id) and headers, not in its body."""
    fields = source.fields
    sink = fields.name("sink")
    target = None
    if sink and "${" not in sink:
        integration, topic = read_address(fields, "sink", sink)
        target = (integration, topic) if integration else None
    is_async = fields.flag("asyncComplete")
    headers = source.raw("_headers")
    if headers is not None and not isinstance(headers, dict) and not (isinstance(headers, str) and "${" in headers):
        fields.add("inputParameters._headers", "must be an object", "type")
    settings = PublishSettings(
        sink=source.template(sink, "sink"),
        target=target,
        key=source.input("_key"),
        headers=source.input("_headers"),
        is_async_complete=is_async,
    )
    body = {**_BODY, "sink": sink, "asyncComplete": is_async, "event_produced": sink}
    sinks = [("sink", target)] if target else []
    return Draft("publish", source.without("_key", "_headers", also=body), settings, sinks=sinks)


EVENT = TaskType(
    "EVENT",
    "Publishes its input as a record, exactly once; completes when the broker has acknowledged it.",
    _read,
    keys={
        "sink": "`kafka:<integration>:<topic>`, may have `${...}`; required",
        "asyncComplete": "true: the acknowledgement leaves the task in progress, until somebody reports on it",
    },
    inputs={
        "*": "the record's body, beside `workflowInstanceId`, `workflowType`, `workflowVersion`, `correlationId`, "
        "`taskToDomain`, `sink`, `asyncComplete` and `event_produced`",
        "_key": "the record's key; without it the task's id, null for none",
        "_headers": "an object: the record's headers",
    },
    output={"*": "the body", "topic": "where the record is", "partition": "", "offset": ""},
)
