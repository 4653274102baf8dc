"""FORK_JOIN_DYNAMIC: as many branches as the input asks for. How they are made is in `expansion`."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType
from tidemill.workflows.formats.conductor.types.fork_join import check_join_behind

BRANCHES_MAX = 10_000
_INPUTS = "forkTaskInputs"


def _read(source: Source) -> Draft:
    fields = source.fields
    check_join_behind(source)
    params = [fields.text("dynamicForkTasksParam"), fields.text("dynamicForkJoinTasksParam")]
    inputs_param = fields.text("dynamicForkTasksInputParamName")
    if source.raw(_INPUTS) is not None:
        value = source.raw(_INPUTS)
        if not isinstance(value, list) and not (isinstance(value, str) and "${" in value):
            fields.add(f"inputParameters.{_INPUTS}", "must be a list, or an expression that gives one", "type")
    elif not any(params):
        message = f"is missing, and so is the input {_INPUTS}: one of them says what the branches are"
        fields.add("dynamicForkTasksParam", message, "missing")
    else:
        _check_named(source, "dynamicForkTasksParam", params[0])
        _check_named(source, "dynamicForkJoinTasksParam", params[1])
        _check_named(source, "dynamicForkTasksInputParamName", inputs_param)
    return Draft("fork_dynamic", source.without())


def _check_named(source: Source, key: str, name: str) -> None:
    if name and source.raw(name) is None:
        source.fields.warn(key, f"no input parameter is named {name!r}: the task fails where nothing else gives it")


FORK_JOIN_DYNAMIC = TaskType(
    "FORK_JOIN_DYNAMIC",
    "Begins as many branches as its input asks for, of one task each; the JOIN after it waits for all of them.",
    _read,
    keys={
        "dynamicForkTasksParam": "names the input that is the list of tasks, each as in a definition",
        "dynamicForkTasksInputParamName": "names the input that has the inputs of each task, by its reference name",
        "dynamicForkJoinTasksParam": "the oldest form: names the input with `dynamicTasks`, each with `taskName`, "
        "`referenceName`, `type` and `input`",
    },
    inputs={
        "forkTaskInputs": "a list: a branch per item, which is its input (with `__index`). It goes before the keys",
        "forkTaskName": "with forkTaskInputs: the task, or a type such as `HTTP`; branches are `_<name>_<index>`",
        "forkTaskType": "with forkTaskInputs: the tasks' type; default `SIMPLE`",
        "forkTaskWorkflow": "with forkTaskInputs: the workflow that each branch runs",
        "forkTaskWorkflowVersion": "its version; default the latest",
    },
    notes=f"Up to {BRANCHES_MAX:,} branches. What is wrong in the tasks fails this one task, with the reason.",
)
