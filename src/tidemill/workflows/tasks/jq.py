"""jq: a jq query over the task's input."""

from __future__ import annotations

from tidemill.sandbox.script import Computed, Script
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Compute, Directive
from tidemill.workflows.tasks.kind import Context, Example, TaskKind
from tidemill.workflows.tasks.script import ScriptSettings, failure


class JqTask(TaskKind):
    """Output: `result` is the first value that the query gives (null where it gives none), `resultList` all."""

    name = "jq"
    summary = "Transforms the task's input by a jq query; the output has `result` and `resultList`."
    config = ScriptSettings
    is_cacheable = True
    example = Example(
        settings=ScriptSettings(Script("jq", ".items[].id", "query")),
        input={"items": [{"id": 1}, {"id": 2}]},
        directive=Compute(Script("jq", ".items[].id", "query"), bindings={"$": {"items": [{"id": 1}, {"id": 2}]}}),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        return Compute(step.settings.rendered(context), {"$": task.input})

    def computed(self, step: Step, task: Task, computed: Computed) -> Directive:
        failed = failure(computed)
        if failed is not None:
            return failed
        values = computed.value or []
        return Complete({"result": values[0] if values else None, "resultList": values})
