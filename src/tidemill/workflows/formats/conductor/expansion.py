"""The tasks that a dynamic task turns out to run: made from its input, which is known only when it begins.

Pure: the same input makes the same steps again. What is wrong is the problem of that one task, in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidemill.core.findings import Finding, errors
from tidemill.expressions.document import DEPTH_MAX, Fields, as_whole, depth
from tidemill.workflows.formats.conductor.compilation import Compilation
from tidemill.workflows.formats.conductor.references import references
from tidemill.workflows.formats.conductor.task_definition import TaskDefinition
from tidemill.workflows.formats.conductor.types import BY_NAME
from tidemill.workflows.formats.conductor.types.fork_join_dynamic import BRANCHES_MAX
from tidemill.workflows.plans.plan import Expand, Expansion, Step

_TOLD_MAX = 3
_OF_THE_TASK = ("sink", "asyncComplete", "subWorkflowParam", "evaluatorType", "expression")
"""Keys of a task that `forkTaskInputs` may have among the inputs, where they are not those of a worker's task."""

Made = tuple[dict[str, Any], Mapping[str, Any]]
"""A task as a definition would have it, and its inputs that are values already."""


class _Problem(Exception):
    """The input is none from which tasks can be made; says why."""


def expander(task_definitions: Mapping[str, TaskDefinition], refs: frozenset[str]) -> Expand:
    """`refs` are the reference names of the whole definition: what the new tasks can read."""

    def expand(step: Step, given: Any) -> Expansion:
        try:
            if step.source.get("type") == "DYNAMIC":
                return _one(task_definitions, refs, step, _dynamic(step, given))
            return _branches(task_definitions, refs, list(_forked(step, given)), (*step.within, False))
        except _Problem as problem:
            return Expansion(problem=str(problem))

    return expand


def _one(definitions: Mapping[str, TaskDefinition], refs: frozenset[str], step: Step, made: Made) -> Expansion:
    expansion = _branches(definitions, refs - {step.ref}, [made], step.within)
    return Expansion(expansion.steps, entry=step.ref, problem=expansion.problem)


def _branches(
    definitions: Mapping[str, TaskDefinition], refs: frozenset[str], made: list[Made], within: Sequence[bool]
) -> Expansion:
    if len(made) > BRANCHES_MAX:
        raise _Problem(f"{len(made):,} branches; {BRANCHES_MAX:,} is the limit")
    tasks = [task for task, _ in made]
    if depth(tasks) > DEPTH_MAX:
        raise _Problem(f"the tasks are nested deeper than {DEPTH_MAX} levels")
    findings: list[Finding] = []
    given = {str(task.get("taskReferenceName")): inputs for task, inputs in made}
    compilation = Compilation(findings, definitions, refs | set(references(tasks)), given, within)
    entries = tuple(
        compilation.sequence([Fields(task, f"[{index}]", findings)], None) or "" for index, task in enumerate(tasks)
    )
    wrong = errors(findings)
    if wrong:
        more = f"; and {len(wrong) - _TOLD_MAX} more" if len(wrong) > _TOLD_MAX else ""
        raise _Problem("the tasks cannot run: " + "; ".join(map(str, wrong[:_TOLD_MAX])) + more)
    return Expansion(compilation.steps, branches=entries)


# --- one task ----------------------------------------------------------------------------------------------


def _dynamic(step: Step, given: Any) -> Made:
    """The name may be that of a worker's task, or a type."""
    inputs = _object(given, "the input")
    param = step.source.get("dynamicTaskNameParam") or ""
    name = inputs.get(param)
    if not isinstance(name, str) or not name:
        raise _Problem(f"the input {param!r} is to name the task to run, and is {_short(name)}")
    kind = name if name in BY_NAME else "SIMPLE"
    written = {key: item for key, item in step.source.items() if key not in ("dynamicTaskNameParam", "inputParameters")}
    return {**written, "name": name, "type": kind}, inputs


# --- branches ----------------------------------------------------------------------------------------------


def _forked(step: Step, given: Any) -> Iterator[Made]:
    """The forms that the input can have. What is there in the plainest one goes first, as Conductor has it."""
    inputs = _object(given, "the input")
    if isinstance(inputs.get("forkTaskInputs"), list):
        return _alike(step, inputs)
    if step.source.get("dynamicForkTasksParam"):
        return _named(step.source, inputs)
    if step.source.get("dynamicForkJoinTasksParam"):
        return _listed(inputs.get(step.source["dynamicForkJoinTasksParam"]))
    raise _Problem(f"the input forkTaskInputs must be a list, not {_short(inputs.get('forkTaskInputs'))}")


def _alike(step: Step, inputs: Mapping[str, Any]) -> Iterator[Made]:
    """One task, or one workflow, per item of `forkTaskInputs`."""
    workflow, kind, name = (inputs.get(key) for key in ("forkTaskWorkflow", "forkTaskType", "forkTaskName"))
    kind = "SUB_WORKFLOW" if workflow else str(kind or (name if name in BY_NAME else "SIMPLE"))
    name = str(name or (kind if kind not in ("SIMPLE", "SUB_WORKFLOW") else step.ref))
    for index, item in enumerate(inputs["forkTaskInputs"]):
        task: dict[str, Any] = {"name": str(workflow or name), "taskReferenceName": f"_{name}_{index}", "type": kind}
        own = item if isinstance(item, dict) else {"input": item}
        if kind != "SIMPLE":
            task.update((key, own[key]) for key in _OF_THE_TASK if key in own)
        if workflow:
            version = as_whole(inputs.get("forkTaskWorkflowVersion"))
            task["subWorkflowParam"] = {
                "name": str(workflow),
                "version": version,
                "taskToDomain": own.get("taskToDomain"),
            }
        if step.is_optional:
            task["optional"] = True
        yield task, {**own, "__index": index}


def _named(source: Mapping[str, Any], inputs: Mapping[str, Any]) -> Iterator[Made]:
    """The tasks in one input, what each gets by its reference name in another."""
    tasks_param = source["dynamicForkTasksParam"]
    inputs_param = source.get("dynamicForkTasksInputParamName") or ""
    tasks = inputs.get(tasks_param)
    if not isinstance(tasks, list):
        raise _Problem(f"the input {tasks_param!r} must be a list of tasks, not {_short(tasks)}")
    by_ref = _object(inputs.get(inputs_param, {}), f"the input {inputs_param!r}")
    for index, task in enumerate(tasks):
        written = _object(task, f"{tasks_param}[{index}]")
        ref = str(written.get("taskReferenceName"))
        yield dict(written), _object(by_ref.get(ref) or {}, f"{inputs_param}.{ref}")


def _listed(value: Any) -> Iterator[Made]:
    """The oldest form: `dynamicTasks`, each with its input inside."""
    tasks = value.get("dynamicTasks") if isinstance(value, dict) else value
    if not isinstance(tasks, list):
        raise _Problem(f"dynamicTasks must be a list of tasks, not {_short(tasks)}")
    for index, task in enumerate(tasks):
        written = _object(task, f"dynamicTasks[{index}]")
        made = {"name": written.get("taskName"), "taskReferenceName": written.get("referenceName")}
        kind = written.get("type") or "SIMPLE"
        param = {"subWorkflowParam": {"name": written.get("workflowName")}} if kind == "SUB_WORKFLOW" else {}
        yield {**made, "type": kind, **param}, _object(written.get("input") or {}, f"dynamicTasks[{index}].input")


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Problem(f"{what} must be an object, not {_short(value)}")
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return "null" if value is None else text if len(text) <= 100 else f"{text[:100]}..."
