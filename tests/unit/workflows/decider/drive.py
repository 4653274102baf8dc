"""Drives the decider by hand: no database, no clock, no sandbox. The execution is always `x`."""

from __future__ import annotations

from typing import Any

from tidemill.workflows.decider import decider
from tidemill.workflows.effects import TaskPolled, TimerFired
from tidemill.workflows.flow.flow import release
from tidemill.workflows.flow.running import run
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.decision import Decision
from tidemill.workflows.state.rows import pack, unpack
from tidemill.workflows.state.state import Execution

T0 = 1_700_000_000_000


def started(of: Plan, given: Any = None, **fields: Any) -> Decision:
    fields = {"input": given or {}, "variables": of.variables, **fields}
    execution = Execution("x", of.name, of.version, of.save, "RUNNING", T0, **fields)
    decision = Decision(execution, of, T0)
    decider.start(decision)
    return decision


def later(decision: Decision, after_s: float = 0) -> Decision:
    """What the next event finds: the state as it was stored, and no commands."""
    return Decision(unpack(pack(decision.execution)), decision.plan, decision.now_ms + round(after_s * 1000))


def fire(decision: Decision, seq: int, purpose: str) -> None:
    timer_id = f"x.{seq}" if seq else "x"
    decider.timer_fired(decision, TimerFired(timer_id, "x", seq, purpose))


def resumed(decision: Decision) -> Decision:
    decision = later(decision)
    decision.execution.status = "RUNNING"
    release(decision)
    run(decision)
    return decision


def statuses(decision: Decision) -> list[tuple[str, str]]:
    return [(task.ref, task.status) for task in decision.execution.tasks]


def polled(of: Plan) -> Decision:
    decision = later(started(of))
    decider.task_polled(decision, TaskPolled("x.1", "w1"))
    return decision
