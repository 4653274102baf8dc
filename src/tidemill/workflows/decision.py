"""One execution on its way from what was to what will be: its state, and the commands that come of it.

Knows no rules: those are in `flow` and `decider`. Reads no clock and no database, and changes nothing but
the execution that it was given.
"""

from __future__ import annotations

from collections import deque

import msgspec

from tidemill.ingest.publication import Publication
from tidemill.workflows.effects import StartWorkflow
from tidemill.workflows.plan import Plan, Step
from tidemill.workflows.ports import QueuedTask, TaskLog, Timer
from tidemill.workflows.rows import copy_of
from tidemill.workflows.scope import Scope
from tidemill.workflows.state import Execution, Task
from tidemill.workflows.tasks.directive import Compute


class Computation(msgspec.Struct, frozen=True):
    """A task that goes on when the sandbox has answered."""

    task: Task
    step: Step
    compute: Compute


class Decision:
    """The commands are rows of the transaction that stores the state. They are held by id, so that what
    one event asks for and the next one takes back is never written."""

    __slots__ = (
        "computations",
        "execution",
        "has_path_ended",
        "is_changed",
        "logs",
        "now_ms",
        "plan",
        "publications",
        "queued",
        "ready",
        "scope",
        "starts",
        "steps_begun",
        "timers",
        "timers_gone",
        "unqueued",
    )

    def __init__(self, execution: Execution, plan: Plan, now_ms: int) -> None:
        self.execution = execution
        self.plan = plan
        self.now_ms = now_ms
        self.scope = Scope(execution, plan)
        self.queued: dict[str, QueuedTask] = {}
        self.unqueued: dict[str, None] = {}
        self.timers: dict[str, Timer] = {}
        self.timers_gone: dict[str, None] = {}
        self.publications: list[Publication] = []
        self.logs: list[TaskLog] = []
        self.starts: list[StartWorkflow] = []
        self.computations: list[Computation] = []
        self.ready: deque[str | Task] = deque()
        """Refs to be scheduled and attempts to be begun, in order."""
        self.has_path_ended = False
        self.is_changed = False
        """The execution is no longer what is stored."""
        self.steps_begun = 0

    def copy(self) -> Decision:
        """One that can take this one's place after this one has gone wrong. Not while anything is pending."""
        copy = Decision(copy_of(self.execution), self.plan, self.now_ms)
        copy.queued = dict(self.queued)
        copy.unqueued = dict(self.unqueued)
        copy.timers = dict(self.timers)
        copy.timers_gone = dict(self.timers_gone)
        copy.publications = list(self.publications)
        copy.logs = list(self.logs)
        copy.starts = list(self.starts)
        copy.is_changed = self.is_changed
        copy.steps_begun = self.steps_begun
        return copy

    def task(self, seq: int) -> Task | None:
        """The task with that number. Looks from the end: what happens, happens to the newest."""
        for task in reversed(self.execution.tasks):
            if task.seq == seq:
                return task
        return None

    def add(self, step: Step) -> Task:
        tasks = self.execution.tasks
        task = Task(tasks[-1].seq + 1 if tasks else 1, step.ref, "SCHEDULED", self.now_ms, updated_ms=self.now_ms)
        tasks.append(task)
        self.scope.add(task)
        self.changed(task.ref)
        return task

    def changed(self, name: str) -> None:
        """Something has changed that templates see under this name; what they saw is no longer true."""
        self.is_changed = True
        self.scope.pop(name, None)

    def queue(self, task: Task, step: Step, due_ms: int) -> None:
        task_id = self.execution.task_id(task)
        self.queued[task_id] = QueuedTask(task_id, step.name, task.domain, due_ms, self.execution.priority)

    def unqueue(self, task: Task) -> None:
        task_id = self.execution.task_id(task)
        self.queued.pop(task_id, None)
        self.unqueued[task_id] = None

    def set_timer(self, task: Task, purpose: str, due_ms: int) -> None:
        """A task has one timer at most; setting another replaces it."""
        task.timer, task.timer_due_ms = purpose, due_ms
        self.is_changed = True
        timer_id = self.execution.task_id(task)
        self.timers[timer_id] = Timer(timer_id, due_ms, self.execution.id, task.seq, purpose)

    def clear_timer(self, task: Task) -> None:
        if task.timer:
            task.timer, task.timer_due_ms = "", 0
            self.is_changed = True
            self.remove_timer(self.execution.task_id(task))

    def start_timeout(self, due_ms: int) -> None:
        """The execution's own timer goes by the execution's id."""
        execution_id = self.execution.id
        self.timers[execution_id] = Timer(execution_id, due_ms, execution_id, 0, "workflow_timeout")

    def remove_timer(self, timer_id: str) -> None:
        self.timers.pop(timer_id, None)
        self.timers_gone[timer_id] = None
