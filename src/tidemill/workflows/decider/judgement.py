"""The sandbox has said whether an input or an output is as it has to be: what becomes of its task or execution."""

from __future__ import annotations

from tidemill.sandbox.script import Computed
from tidemill.workflows.flow.flow import complete_judged, fail, refuse_output
from tidemill.workflows.flow.running import begin_judged
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.plans.shapes import Check, misfits, problem
from tidemill.workflows.state.decision import Computation, Decision
from tidemill.workflows.state.state import Task, TaskStatus


def task_judged(decision: Decision, step: Step, task: Task, computation: Computation, answer: Computed) -> None:
    """The task begins, or has its output. Where the input is wrong, another attempt has the same."""
    check = computation.compute
    assert isinstance(check, Check)
    findings = misfits(check, answer)
    if findings:
        is_for_good = check.side == "input" and (answer.error is None or not answer.error.is_passing)
        status: TaskStatus = "FAILED_WITH_TERMINAL_ERROR" if is_for_good else "FAILED"
        output = None if check.side == "input" else check.value
        fail(decision, step, task, status, problem(check, findings), output)
    elif check.side == "input":
        begin_judged(decision, step, task)
    else:
        complete_judged(decision, step, task, check.value, computation.outlet, computation.errors)


def execution_judged(decision: Decision, computation: Computation, answer: Computed) -> None:
    """The execution has completed, or fails at its very end."""
    check = computation.compute
    assert isinstance(check, Check)
    findings = misfits(check, answer)
    if findings:
        refuse_output(decision, problem(check, findings))
