"""Workers: they poll for tasks, report results, leave logs. A waiting poll costs no thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from weakref import WeakValueDictionary

import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import NotFound, StaleWrite
from tidemill.core.transaction import Transactions
from tidemill.ingest.effect import EffectDoor, EffectGroup, Verdict, apply
from tidemill.workflows.effects import TaskPolled, UpdateTask
from tidemill.workflows.engine import Written
from tidemill.workflows.plan import Plan
from tidemill.workflows.ports import ExecutionStore, Plans, TaskLog, TaskLogs, TaskQueue
from tidemill.workflows.rows import execution_of_row
from tidemill.workflows.state import Execution, Task, execution_of

log = structlog.get_logger(__name__)

PolledTask = tuple[Execution, Task, Plan]

_HOLD_MS = 5_000
"""How long a claimed task is hidden while it is being handed out; if this process dies, it then comes back."""
_LOOK_AGAIN_S = 0.25
"""How often a waiting poll looks for what other processes have queued."""
_WAIT_MS_MAX = 60_000
_COUNT_MAX = 1_000


class Workers:
    """`committed` is to be called with what the engine has written: it wakes the polls that wait."""

    def __init__(
        self,
        door: EffectDoor,
        transactions: Transactions,
        store: ExecutionStore,
        queue: TaskQueue,
        logs: TaskLogs,
        plans: Plans,
        clock: Clock,
    ) -> None:
        self._door = door
        self._transactions = transactions
        self._store = store
        self._queue = queue
        self._logs = logs
        self._plans = plans
        self._clock = clock
        self._waiting: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        """By task name, for as long as a poll holds it."""

    def committed(self, written: Written) -> None:
        for name in written.task_names:
            woken = self._waiting.pop(name, None)
            if woken is not None:
                woken.set()

    async def poll(
        self, name: str, worker: str, domain: str | None = None, count: int = 1, wait_ms: int = 0
    ) -> list[PolledTask]:
        """At most `count` tasks, each handed to this worker alone. Waits at most `wait_ms` for the first."""
        until_s = self._clock.monotonic_s() + min(wait_ms, _WAIT_MS_MAX) / 1000
        while True:
            woken = self._waiting.setdefault(name, asyncio.Event())
            polled = await self._poll_once(name, worker, domain, min(max(count, 1), _COUNT_MAX))
            left_s = until_s - self._clock.monotonic_s()
            if polled or left_s <= 0:
                return polled
            await self._wait(woken, min(left_s, _LOOK_AGAIN_S))

    async def _wait(self, woken: asyncio.Event, wait_s: float) -> None:
        """Until a commit of this process queues such a task, or it is time to look for those of others."""
        try:
            async with asyncio.timeout(wait_s):
                await woken.wait()
        except TimeoutError:
            return

    async def _poll_once(self, name: str, worker: str, domain: str | None, count: int) -> list[PolledTask]:
        claimed = await self._queue.claim(name, domain, count, self._clock.now_ms(), _HOLD_MS)
        if not claimed:
            return []
        groups = [EffectGroup((TaskPolled(task_id, worker),), f"poll by {worker}") for task_id in claimed]
        prepared = await self._door.prepare(groups)
        try:
            async with self._transactions.begin() as tx:
                await prepared.write(tx)
        except StaleWrite:
            # Somebody changed one of the executions meanwhile. One by one, so that it costs no other task.
            handed = [task_id for group in groups if (task_id := await self._hand_out(group)) is not None]
        else:
            prepared.committed()
            handed = [
                task_id for task_id, verdict in zip(claimed, prepared.verdicts, strict=True) if _is_applied(verdict)
            ]
        return await self._tasks(handed)

    async def _hand_out(self, group: EffectGroup) -> str | None:
        """None where the task is no longer to be had."""
        for _ in range(10):
            prepared = await self._door.prepare([group])
            if not _is_applied(prepared.verdicts[0]):
                return None
            try:
                async with self._transactions.begin() as tx:
                    await prepared.write(tx)
            except StaleWrite:
                continue
            prepared.committed()
            return str(prepared.verdicts[0].results[0])
        log.info("task left in its queue: its execution is under heavy contention", cause=group.cause)
        return None

    async def _tasks(self, task_ids: Sequence[str]) -> list[PolledTask]:
        rows = await self._store.load(list({execution_of(task_id): None for task_id in task_ids}))
        executions = {row.id: execution_of_row(row) for row in rows.values()}
        polled = []
        for task_id in task_ids:
            execution = executions.get(execution_of(task_id))
            task = _task(execution, task_id) if execution is not None else None
            if execution is not None and task is not None:
                polled.append((execution, task, await self._plan(execution)))
        return polled

    async def update(self, update: UpdateTask) -> str:
        """The task's id. Raises what `UpdateTask` says."""
        return str((await apply(self._door, self._transactions, EffectGroup((update,), "worker")))[0])

    async def get(self, task_id: str) -> PolledTask:
        """Raises `NotFound`."""
        polled = await self._tasks([task_id])
        if not polled:
            raise NotFound(f"there is no task {task_id}")
        return polled[0]

    async def queue_sizes(self, names: Sequence[str] = ()) -> Mapping[str, int]:
        """How many tasks wait; of the names given each has an entry."""
        return {**dict.fromkeys(names, 0), **await self._queue.sizes(names)}

    async def add_log(self, task_id: str, text: str) -> None:
        """Raises `NotFound` for a task that there is not."""
        await self.get(task_id)
        await self.add_logs([TaskLog(task_id, self._clock.now_ms(), text)])

    async def add_logs(self, logs: Sequence[TaskLog]) -> None:
        """What a worker sent along with a result; the task is known to be there."""
        if logs:
            await self._logs.add(logs)

    async def logs(self, task_id: str) -> Sequence[TaskLog]:
        return await self._logs.of_task(task_id)

    async def _plan(self, execution: Execution) -> Plan:
        return await self._plans.at(execution.name, execution.version, execution.save)


def _is_applied(verdict: Verdict) -> bool:
    return verdict.error is None


def _task(execution: Execution, task_id: str) -> Task | None:
    return next((task for task in reversed(execution.tasks) if execution.task_id(task) == task_id), None)
