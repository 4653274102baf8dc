"""One execution on its way from what was to what will be: its state, and the commands that come of it.

Knows no rules: those are in `flow` and `decider`. Reads no clock and no database, and changes nothing but
the execution that it was given.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from operator import attrgetter

import msgspec

from tidemill.ingest.publication import Publication
from tidemill.workflows.effects import StartWorkflow
from tidemill.workflows.plans.plan import NEXT, Expansion, Plan, Step
from tidemill.workflows.plans.shapes import Check
from tidemill.workflows.ports import HELD_MS, CachedOutput, QueuedTask, TaskLog, Timer, Turn
from tidemill.workflows.state.deadlines import earliest, has_limits
from tidemill.workflows.state.departed import Departed
from tidemill.workflows.state.expansion import DYNAMIC, Expansions, step_of
from tidemill.workflows.state.rows import pack, unpack
from tidemill.workflows.state.scope import Scope
from tidemill.workflows.state.state import Execution, Task, TaskStatus
from tidemill.workflows.tasks.directive import Compute


class Computation(msgspec.Struct, frozen=True):
    """A task that goes on when the sandbox has answered: about a script of its own, or about its input or output. `seq`
    0 is the execution itself, which has ended, and has its output judged."""

    seq: int
    compute: Compute | Check
    outlet: str = NEXT
    """Where a task goes on whose output is judged, and what has gone wrong that does not count."""
    errors: str | None = None


class Lookup(msgspec.Struct, frozen=True):
    """A task that begins, or has its output, when it is known if there is one for its (name, key)."""

    seq: int
    key: tuple[str, str]


class ChildStart(msgspec.Struct, frozen=True):
    """A task asks for the start of another execution. One without a parent goes its own way."""

    seq: int
    start: StartWorkflow


class Alarm(msgspec.Struct, frozen=True):
    """A deadline that has passed: whose, what for, what the policy makes of it. Said and counted once it is stored."""

    who: str
    workflow: str
    purpose: str
    policy: str
    reason: str


class Told(msgspec.Struct, frozen=True):
    """A change of a task's status that is to be published once it is stored; `value` is the record's."""

    seq: int
    status: TaskStatus
    target: tuple[str, str]
    value: bytes


IsPolled = Callable[[str, str], bool]
"""Whether a worker is there for the tasks of a name and domain: the one thing of the world that a decision is told."""


def nobody_polls(name: str, domain: str) -> bool:
    return False


_seq = attrgetter("seq")


class Joins(msgspec.Struct):
    """The joins that wait, by what they wait for."""

    by_ref: dict[str, list[Task]] = {}
    by_fork: dict[int, list[Task]] = {}

    def add(self, join: Task) -> None:
        for ref in join.awaited:
            self.by_ref.setdefault(ref, []).append(join)
        if join.fork:
            self.by_fork.setdefault(join.fork, []).append(join)


_KEPT = (
    "alarms", "asked", "cached", "children", "computations", "has_path_ended", "is_changed", "is_moved", "is_turn_over",
    "logs", "lookups", "publications", "queued", "returned", "starts", "steps_begun", "stored_status", "tells_parent",
    "timers", "timers_gone", "told", "turn", "unanswered", "unqueued",
)  # fmt: skip
"""What a copy of a decision has beside the execution: values, and collections of what does not change."""


class Decision:
    """The commands are rows of the transaction that stores the state. They are held by id, so that what
    one event asks for and the next one takes back is never written."""

    __slots__ = (
        "alarms",
        "asked",
        "cached",
        "children",
        "computations",
        "departed",
        "execution",
        "expansions",
        "has_path_ended",
        "is_changed",
        "is_moved",
        "is_polled",
        "is_turn_over",
        "joins",
        "logs",
        "lookups",
        "now_ms",
        "plan",
        "publications",
        "queued",
        "ready",
        "returned",
        "scope",
        "starts",
        "steps_begun",
        "stored_status",
        "tells_parent",
        "timers",
        "timers_gone",
        "told",
        "turn",
        "unanswered",
        "unqueued",
    )

    def __init__(
        self,
        execution: Execution,
        plan: Plan,
        now_ms: int,
        expansions: Expansions | None = None,
        is_polled: IsPolled = nobody_polls,
    ) -> None:
        self.is_polled = is_polled
        self.expansions = Expansions() if expansions is None else expansions
        self.execution = execution
        self.plan = plan
        self.now_ms = now_ms
        self.stored_status = execution.status
        """What it was before anything was decided."""
        self.departed = Departed()
        self.scope = Scope(execution, plan, self.departed)
        self.queued: dict[str, QueuedTask] = {}
        self.unqueued: dict[str, None] = {}
        self.timers: dict[str, Timer] = {}
        self.timers_gone: dict[str, None] = {}
        self.publications: list[Publication] = []
        self.told: list[Told] = []
        self.logs: list[TaskLog] = []
        self.alarms: list[Alarm] = []
        self.starts: list[StartWorkflow] = []
        self.children: list[ChildStart] = []
        self.computations: list[Computation] = []
        self.unanswered = 0
        """How many computations have been handed to the sandbox: their tasks wait, also where it does not show."""
        self.lookups: list[Lookup] = []
        self.cached: dict[tuple[str, str], CachedOutput] = {}
        """Outputs to be kept, by the names and keys of their tasks."""
        self.ready: deque[Task] = deque()
        """Tasks that are to begin, and loops whose iteration has ended, in order."""
        self.joins: Joins | None = None
        self.asked: dict[int, list[str]] = {}
        """Joins that are being asked if they have enough: by number, the refs that had not ended then."""
        self.has_path_ended = False
        self.is_changed = False
        """The execution is no longer what is stored."""
        self.is_moved = False
        """Nor is what else than its status it is found by: its version and its correlation id."""
        self.steps_begun = 0
        self.tells_parent = False
        """It has ended, and its parent may be in the same batch."""
        self.turn: Turn | None = None
        """The execution is to wait for its turn, or has it."""
        self.is_turn_over = False
        self.returned: list[int] = []
        """Finished tasks that had left the document and are in it again."""

    def copy(self) -> Decision:
        """One that can take this one's place after an event has gone wrong. Not while anything is ready."""
        return self.remember()()

    def remember(self) -> Callable[[], Decision]:
        """What makes such a copy when it is needed, of this decision as it is now. It seldom is, and reading a large
        document costs ten times what writing it does."""
        document, departed = pack(self.execution), self.departed.copy()
        kept = {name: copy(getattr(self, name)) for name in _KEPT}
        plan = self.plan

        def again() -> Decision:
            made = Decision(unpack(document), plan, self.now_ms, self.expansions, self.is_polled)
            made.departed = departed
            made.scope = Scope(made.execution, plan, departed)
            for name, value in kept.items():
                setattr(made, name, value)
            return made

        return again

    def task(self, seq: int) -> Task | None:
        """The task with that number. Raises `NotRead`."""
        tasks = self.execution.tasks
        at = bisect_left(tasks, seq, key=_seq)
        if at < len(tasks) and tasks[at].seq == seq:
            return tasks[at]
        is_gone = self.execution.tasks_left and 0 < seq <= self.execution.tasks_begun
        return self.departed.task(seq) if is_gone else None

    def step_of(self, task: Task) -> Step:
        """The step that the task runs, also one that was made while the execution ran."""
        step = self.plan.steps.get(task.ref)
        if step is not None and step.kind != DYNAMIC:
            return step
        return step_of(self.plan, self.execution.id, task, self.task, self.expansions)

    def expansion_of(self, step: Step, task: Task) -> Expansion:
        """What the task's step turns out to run, now that its input is known."""
        return self.expansions.of(self.plan, self.execution.id, step, task)

    def add(self, ref: str, path: str = "", previous: int = 0) -> Task:
        """A new task, which is yet to begin."""
        execution = self.execution
        tasks = execution.tasks
        # Executions of earlier releases have not counted.
        seq = (execution.tasks_begun or (tasks[-1].seq if tasks else 0)) + 1
        execution.tasks_begun = seq
        task = Task(seq, ref, "SCHEDULED", self.now_ms, updated_ms=self.now_ms, path=path, previous=previous)
        tasks.append(task)
        self.scope.add(task)
        self.changed(ref)
        return task

    def changed(self, name: str) -> None:
        """Something has changed that templates see under this name; what they saw is no longer true."""
        self.is_changed = True
        self.scope.pop(name, None)

    def queue(self, task: Task, step: Step, due_ms: int, *, is_held: bool = False) -> None:
        task_id, name = self.execution.task_id(task), task.name or step.name
        self.queued[task_id] = QueuedTask(task_id, name, task.domain, due_ms, self.execution.priority, is_held)

    def hand_over(self, task: Task, step: Step, lease_until_ms: int = 0) -> None:
        """A worker has the task. Its row stays where the lease is to end, and where its name has a limit: to be counted
        until the task is closed."""
        self.unqueue(task)
        is_held = step.limits.concurrent > 0
        if is_held or lease_until_ms:
            self.queue(task, step, lease_until_ms or HELD_MS, is_held=is_held)

    def unqueue(self, task: Task) -> None:
        task_id = self.execution.task_id(task)
        self.queued.pop(task_id, None)
        self.unqueued[task_id] = None

    def set_timer(self, task: Task, purpose: str, due_ms: int) -> None:
        """What the task itself waits for; setting another replaces it."""
        task.timer, task.timer_due_ms = purpose, due_ms
        self.set_row(task, self.step_of(task))

    def clear_timer(self, task: Task) -> None:
        if task.timer:
            task.timer, task.timer_due_ms = "", 0
            self.set_row(task, self.step_of(task))

    def watch(self, task: Task, step: Step) -> None:
        """The task's state has changed: its limits may have begun to count, or no longer do."""
        if has_limits(step):
            self.set_row(task, step)

    def set_row(self, task: Task, step: Step) -> None:
        """A task has one row at most: for what comes first."""
        self.is_changed = True
        timer_id = self.execution.task_id(task)
        deadline = earliest(task, step)
        if deadline is None:
            self.remove_timer(timer_id)
        else:
            self.timers[timer_id] = Timer(timer_id, deadline.due_ms, self.execution.id, task.seq, deadline.purpose)

    def forget_deadlines(self, task: Task, step: Step) -> None:
        """The task is about to end."""
        if earliest(task, step) is not None:
            task.timer, task.timer_due_ms = "", 0
            self.remove_timer(self.execution.task_id(task))

    def take_back(self, tasks: Sequence[Task]) -> None:
        """All finished tasks that had left the document."""
        execution = self.execution
        execution.tasks = sorted((*tasks, *execution.tasks), key=_seq)
        execution.tasks_left = 0
        self.returned = [task.seq for task in tasks]
        self.look_again()

    def go_by(self, plan: Plan) -> None:
        """Another plan is the execution's from now on."""
        if plan is not self.plan:
            self.execution.definition = None
        self.plan = plan
        self.is_moved = self.is_moved or plan.version != self.execution.version
        self.execution.version, self.execution.save = plan.version, plan.save
        self.look_again()

    def look_again(self) -> None:
        """Tasks are gone, or the plan is another: forgets what was found by looking at them."""
        self.scope = Scope(self.execution, self.plan, self.departed)
        self.joins = None
        self.is_changed = True

    def remove_timer(self, timer_id: str) -> None:
        self.timers.pop(timer_id, None)
        self.timers_gone[timer_id] = None
