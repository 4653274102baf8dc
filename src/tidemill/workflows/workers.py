"""Workers: they poll for tasks, report results, leave logs. A waiting poll costs no thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from tidemill.core.clock import Clock
from tidemill.core.errors import Conflict, NotFound
from tidemill.expressions.template import Template
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.gate import Gate
from tidemill.workflows.effects import ReportedStatus, ResetCallbacks, TaskPolled, UpdateTask
from tidemill.workflows.engine.engine import Written
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.ports import ExecutionStore, LastPoll, Plans, SecretSource, TaskLog, TaskLogs, TaskQueue
from tidemill.workflows.runners.poll_data import PollData
from tidemill.workflows.runners.polling import Line, PolledTask
from tidemill.workflows.secrets import filled, input_template, names_in
from tidemill.workflows.state.deadlines import WAIT
from tidemill.workflows.state.rows import execution_of_row
from tidemill.workflows.state.state import Execution, Task, execution_of
from tidemill.workflows.state.whole import read_task

_HOLD_MS = 5_000
"""How long a claimed task is hidden while it is being handed out; if this process dies, it then comes back."""
_LIMITED_HOLD_MS = 30_000
"""The same where it counts for a limit meanwhile: one that comes back too soon would count twice."""
_WAIT_MS_MAX = 60_000
_COUNT_MAX = 1_000


class Workers:
    """`committed` is to be called with what the engine has written: it wakes the polls that wait."""

    def __init__(
        self,
        gate: Gate,
        store: ExecutionStore,
        queue: TaskQueue,
        logs: TaskLogs,
        plans: Plans,
        secrets: SecretSource,
        polls: PollData,
        clock: Clock,
    ) -> None:
        self._gate = gate
        self._store = store
        self._queue = queue
        self._logs = logs
        self._plans = plans
        self._secrets = secrets
        self._polls = polls
        self._clock = clock
        self._lines: dict[str, dict[str | None, Line]] = {}
        """By task name and domain, for as long as a poll waits there."""

    def committed(self, written: Written) -> None:
        for name in written.task_names:
            for line in self._lines.get(name, {}).values():
                line.ring()

    async def poll(
        self, name: str, worker: str, domain: str | None = None, count: int = 1, wait_ms: int = 0
    ) -> list[PolledTask]:
        """At most `count` tasks, each handed to this worker alone, their inputs with the secrets that they name.
        Waits at most `wait_ms` for the first."""
        line = self._lines.setdefault(name, {}).get(domain)
        if line is None:
            line = self._lines[name][domain] = self._line(name, domain)
        wait_ms = min(wait_ms, _WAIT_MS_MAX)
        self._polls.seen(name, domain, worker, wait_ms)
        return await line.poll(worker, min(max(count, 1), _COUNT_MAX), wait_ms / 1000)

    def _line(self, name: str, domain: str | None) -> Line:
        async def claim(count: int) -> Sequence[str]:
            limits = self._plans.limits(name)
            hold_ms = _LIMITED_HOLD_MS if limits.concurrent else _HOLD_MS
            return await self._queue.claim(name, domain, count, self._clock.now_ms(), hold_ms, limits)

        async def hand_out(wanted: Sequence[tuple[str, str]]) -> Sequence[PolledTask | None]:
            try:
                return await self._hand_out(wanted)
            finally:
                self._queue.settle(name, domain, [task_id for task_id, _ in wanted])

        def close() -> None:
            lines = self._lines[name]
            del lines[domain]
            if not lines:
                del self._lines[name]

        return Line(claim, hand_out, self._clock, close)

    async def _hand_out(self, wanted: Sequence[tuple[str, str]]) -> Sequence[PolledTask | None]:
        groups = [EffectGroup((TaskPolled(task_id, worker),), f"poll by {worker}") for task_id, worker in wanted]
        verdicts = await self._gate.apply_all(groups)
        return await self._with_secrets([verdict.results[0] if verdict.error is None else None for verdict in verdicts])

    async def _with_secrets(self, handed: Sequence[PolledTask | None]) -> Sequence[PolledTask | None]:
        """One read for all of them. A task whose secret is not there fails, and by its retries waits for it."""
        templates = [input_template(found[1], found[2]) if found is not None else None for found in handed]
        names = names_in([template for template in templates if template is not None])
        if not names:
            return handed
        secrets = await self._secrets.values(names)
        return [
            found if found is None or template is None else await self._filled(found, template, secrets)
            for found, template in zip(handed, templates, strict=True)
        ]

    async def _filled(self, found: PolledTask, template: Template, secrets: Mapping[str, str]) -> PolledTask | None:
        execution, task, plan = found
        try:
            return execution, msgspec.structs.replace(task, input=filled(template, task.input, secrets)), plan
        except NotFound as error:
            with suppress(Conflict, NotFound):  # the execution may have ended meanwhile
                await self.update(UpdateTask("FAILED", task_id=execution.task_id(task), reason=str(error)))
        return None

    async def update(self, update: UpdateTask) -> str:
        """The task's id. Raises what `UpdateTask` says."""
        return str((await self._gate.apply(EffectGroup((update,), "worker")))[0])

    async def signal(self, execution_id: str, status: ReportedStatus, output: Mapping[str, Any]) -> str:
        """Reports on the first task that waits for somebody outside, in the execution or a sub-workflow that it waits
        for; the task's id. Raises `NotFound` where there is no such execution, `Conflict` where nothing waits."""
        inner: str | None = execution_id
        while inner is not None:
            rows = await self._store.load([inner])
            if inner not in rows:
                raise NotFound(f"there is no execution {inner}")
            execution = execution_of_row(rows[inner])
            plan = await self._plan(execution)
            waiting = next((task for task in execution.tasks if _waits_for_people(task, plan)), None)
            if waiting is not None:
                return await self.update(UpdateTask(status, task_id=execution.task_id(waiting), output=dict(output)))
            inner = next((task.child for task in execution.tasks if task.is_open and task.child), None)
        raise Conflict(f"no task of execution {execution_id} waits for a signal")

    async def reset_callbacks(self, execution_id: str) -> None:
        """Tasks that a worker has put back for later are to be had now. Raises `NotFound`."""
        await self._gate.apply(EffectGroup((ResetCallbacks(execution_id),), "api"))

    async def get(self, task_id: str) -> PolledTask:
        """Raises `NotFound`."""
        rows = await self._store.load([execution_of(task_id)])
        seq = task_id.rpartition(".")[2]
        for row in rows.values():
            execution = execution_of_row(row)
            task = await read_task(self._store, execution, int(seq)) if seq.isascii() and seq.isdigit() else None
            if task is not None:
                return execution, task, await self._plan(execution)
        raise NotFound(f"there is no task {task_id}")

    async def last_polls(self, name: str | None = None) -> Sequence[LastPoll]:
        """Who asked last, and when; of all names if none is given."""
        return await self._polls.of(name)

    async def queue_sizes(self, names: Sequence[str] = ()) -> Mapping[str, int]:
        """How many tasks wait; of the names given each has an entry."""
        return {**dict.fromkeys(names, 0), **await self._queue.sizes(names)}

    async def add_log(self, task_id: str, text: str) -> None:
        """Raises `NotFound` for a task that there is not."""
        await self.get(task_id)
        await self._logs.add([TaskLog(task_id, self._clock.now_ms(), text)])

    async def logs(self, task_id: str) -> Sequence[TaskLog]:
        return await self._logs.of_task(task_id)

    async def _plan(self, execution: Execution) -> Plan:
        return await self._plans.at(execution.name, execution.version, execution.save, execution.definition)


def _waits_for_people(task: Task, plan: Plan) -> bool:
    step = plan.steps.get(task.ref)
    return task.status == "IN_PROGRESS" and step is not None and step.kind in ("wait", "human") and task.timer != WAIT
