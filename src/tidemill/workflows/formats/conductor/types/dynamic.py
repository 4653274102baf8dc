"""DYNAMIC: the task that the input names. How it is made is in `expansion`."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType


def _read(source: Source) -> Draft:
    param = source.fields.name("dynamicTaskNameParam")
    if param and source.raw(param) is None:
        source.fields.warn("dynamicTaskNameParam", f"no input parameter is named {param!r}: the task will fail")
    return Draft("dynamic", source.without())


DYNAMIC = TaskType(
    "DYNAMIC",
    "Runs the task that its input names, in its own place and with its own input.",
    _read,
    keys={
        "dynamicTaskNameParam": "the name of the input parameter that names the task; required",
        "cacheConfig": "of the task that is run",
    },
    inputs={
        "<dynamicTaskNameParam>": "the name of a worker's task, or a type such as `HTTP`",
        "*": "that task's input",
    },
    output={"*": "that task's output"},
)
