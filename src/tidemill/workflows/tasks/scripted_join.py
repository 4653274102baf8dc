"""scripted_join: a join whose script says when there is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidemill.sandbox.script import Computed, Script
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import OPEN, Task
from tidemill.workflows.tasks.directive import Compute, Directive, EndJoin, Fail, Join, WaitOn
from tidemill.workflows.tasks.kind import Context, Example, TaskKind
from tidemill.workflows.tasks.script import failure


class ScriptedJoinSettings(msgspec.Struct, frozen=True):
    """`refs` are the tasks that the script is told of; none means the first one of each branch."""

    script: Script
    refs: Sequence[str] = ()


class ScriptedJoinTask(TaskKind):
    """The script is asked when the join begins and each time one of the tasks has ended. It sees `$.joinOn` (the refs),
    `$.<ref>` (the task's output, with `status`, `outputData` and `reasonForIncompletion`) and the input. `true` ends
    the join; so does an object with a `status`, whose `outputData` is its output. Anything else: it waits on."""

    name = "scripted_join"
    is_join = True
    is_told_of_each = True
    is_asked = True
    summary = "Waits until a script says that enough of the tasks have ended."
    config = ScriptedJoinSettings
    example = Example(
        settings=ScriptedJoinSettings(Script("javascript", "$.pack.status === 'COMPLETED'", "expression"), ("pack",)),
        input={},
        directive=Join(("pack",), is_asked=True),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        return Join(self.awaits(step), is_asked=True)

    def awaits(self, step: Step) -> Sequence[str]:
        return tuple(step.settings.refs)

    def joined(self, step: Step, task: Task, tasks: Mapping[str, Task]) -> Directive:
        refs = list(self.awaits(step) or tasks)
        shown = {ref: _shown(each) for ref, each in tasks.items()}
        return Compute(step.settings.script, {"$": {**task.input, "joinOn": refs, **shown}})

    def computed(self, step: Step, task: Task, computed: Computed) -> Directive:
        failed = failure(computed)
        if failed is not None:
            return failed
        if computed.value is True:
            return EndJoin()
        return _said(computed.value) if isinstance(computed.value, dict) else WaitOn()


def _shown(task: Task) -> dict[str, Any]:
    output = task.output if isinstance(task.output, dict) else {}
    told = {"status": task.status, "outputData": output, "reasonForIncompletion": task.reason}
    return {**output, **told}


def _said(answer: Mapping[str, Any]) -> Directive:
    status, output = answer.get("status"), answer.get("outputData")
    reason = answer.get("reasonForIncompletion")
    if status in OPEN:
        return WaitOn(output)
    if status == "COMPLETED":
        return EndJoin(output)
    if status == "COMPLETED_WITH_ERRORS":
        return EndJoin(output, str(reason or "the join's script says so"))
    if status in ("FAILED", "FAILED_WITH_TERMINAL_ERROR"):
        is_terminal = status == "FAILED_WITH_TERMINAL_ERROR"
        return Fail(str(reason or "the join's script says so"), is_terminal=is_terminal, output=output)
    return Fail(f"the join's script gave the status {status!r}, which is none of a join", is_terminal=True)
