"""TERMINATE: the end of the execution."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType, constant
from tidemill.workflows.tasks.terminate import TerminateSettings

_STATUSES = ("COMPLETED", "FAILED", "TERMINATED")


def _read(source: Source) -> Draft:
    status = source.text("terminationStatus")
    if status and "${" not in status and status not in _STATUSES:
        source.fields.add("inputParameters.terminationStatus", f"must be one of {', '.join(_STATUSES)}, not {status!r}")
    settings = TerminateSettings(
        status=source.input("terminationStatus") or constant(status),
        reason=source.input("terminationReason"),
        output=source.input("workflowOutput"),
    )
    return Draft("terminate", source.without(), settings)


TERMINATE = TaskType(
    "TERMINATE",
    "Ends the whole execution.",
    _read,
    inputs={
        "terminationStatus": "`COMPLETED`, `FAILED` or `TERMINATED`; required",
        "terminationReason": "why, for people",
        "workflowOutput": "the execution's output; without it that of the definition",
    },
)
