"""Makes the calls of HTTP tasks: takes them from their queue like a worker, and reports what came back.

Decides nothing. A call whose process dies is made again when its lease is over, so a service may see one twice: the
header `Idempotency-Key` is then the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import msgspec
import structlog

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import Conflict, NotFound, Unavailable
from tidemill.core.http import CallFailed, HttpCaller, HttpRequest
from tidemill.workflows.effects import UpdateTask
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.ports import TaskQueue
from tidemill.workflows.runners.polling import PolledTask
from tidemill.workflows.state.expansion import Expansions, step_of
from tidemill.workflows.state.state import Execution, Task
from tidemill.workflows.tasks.http import HTTP_QUEUE, HttpTask, answered, request_of, unanswered
from tidemill.workflows.workers import Workers

log = structlog.get_logger(__name__)

KEY_HEADER = "Idempotency-Key"
_RENEW_S = HttpTask.lease_ms / 3_000
_WAIT_MS = 1_000
"""How long one poll waits. A stop waits as long."""
_BATCH = 100
_BACK_OFF_S = 1.0


class CallBounds(msgspec.Struct, frozen=True):
    """Of one process: how many calls are on the wire, how many of them to one host, and how many tasks it holds: those
    and the ones that wait for a place."""

    calls_max: int = 200
    calls_per_host_max: int = 50
    held_max: int = 1_000


class CallRunner:
    """`run` ends when it is cancelled; `stop` before that lets the calls in hand end. `worker` is what tasks show."""

    def __init__(
        self,
        workers: Workers,
        queue: TaskQueue,
        caller: HttpCaller,
        clock: Clock,
        worker: str,
        bounds: CallBounds | None = None,
    ) -> None:
        self._workers = workers
        self._queue = queue
        self._caller = caller
        self._clock = clock
        self._worker = worker
        self._bounds = bounds or CallBounds()
        self._places = asyncio.Semaphore(self._bounds.calls_max)
        self._hosts: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        """By host, for as long as a call holds it."""
        self._held: dict[str, asyncio.Task[None]] = {}
        self._expansions = Expansions()
        self._is_stopping = False
        self._has_room = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew(), name="leases of calls")
            while not self._is_stopping:
                await self._take(group)
            await self._rest()
            renewing.cancel()

    async def stop(self, grace_s: float) -> None:
        """Takes nothing new, and waits for the calls in hand. What has not ended by then is called again."""
        self._is_stopping = True
        self._has_room.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._rest()

    async def _rest(self) -> None:
        while self._held:
            await asyncio.wait(list(self._held.values()))

    async def _take(self, group: asyncio.TaskGroup) -> None:
        room = min(self._bounds.held_max - len(self._held), _BATCH)
        if room <= 0:
            self._has_room.clear()
            await self._has_room.wait()
            return
        try:
            polled = await self._workers.poll(HTTP_QUEUE, self._worker, None, room, _WAIT_MS)
        except Unavailable as error:
            log.warning("calls wait: the world is away", error=str(error))
            await asyncio.sleep(_BACK_OFF_S)
            return
        for execution, task, plan in polled:
            task_id = execution.task_id(task)
            # One that is here already had a lease that ended while this process stood still: one call is enough.
            if task_id not in self._held:
                call = group.create_task(self._carry_out(task_id, (execution, task, plan)), name=task_id)
                self._held[task_id] = call
                call.add_done_callback(self._let_go)

    def _let_go(self, call: asyncio.Task[None]) -> None:
        del self._held[call.get_name()]
        self._has_room.set()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            if self._held:
                try:
                    await self._queue.hold(list(self._held), self._clock.now_ms() + HttpTask.lease_ms)
                except Unavailable as error:
                    log.warning("leases of calls could not be made longer", error=str(error), calls=len(self._held))

    async def _carry_out(self, task_id: str, polled: PolledTask) -> None:
        report = await self._report_of(task_id, polled)
        while True:
            try:
                await self._workers.update(report)
            except (Conflict, NotFound):
                return  # it has been cancelled, or another process was faster
            except Unavailable as error:
                log.warning("the outcome of a call waits: the world is away", task=task_id, error=str(error))
                await asyncio.sleep(_BACK_OFF_S)
            else:
                return

    async def _report_of(self, task_id: str, polled: PolledTask) -> UpdateTask:
        execution, task, plan = polled
        try:
            step = step_of(plan, execution.id, task, _finder(execution), self._expansions)
            return await self._outcome(task_id, task, step)
        except Exception as error:
            # A defect that one call shows must not take down all others.
            log.error("a call failed by a defect of ours", task=task_id, exc_info=error)
            return unanswered(task_id, CallFailed(f"the call could not be made: {type(error).__name__}"))

    async def _outcome(self, task_id: str, task: Task, step: Step) -> UpdateTask:
        try:
            request = _with_key(request_of(step.settings, task.input), task_id)
            return await self._call(task_id, request, step)
        except ValueError as error:
            return unanswered(task_id, _shown(CallFailed(str(error), is_terminal=True), step))
        except CallFailed as error:
            metrics.calls.labels("failed").inc()
            return unanswered(task_id, _shown(error, step))

    async def _call(self, task_id: str, request: HttpRequest, step: Step) -> UpdateTask:
        host = urlsplit(request.uri).netloc
        places_of_host = self._hosts.get(host) or asyncio.Semaphore(self._bounds.calls_per_host_max)
        self._hosts[host] = places_of_host
        # First the host's: what waits for a slow one takes no place from the others.
        async with places_of_host, self._places:
            with metrics.calls_in_flight.track_inprogress(), metrics.call_seconds.time():
                response = await self._caller.call(request)
        report = answered(step.settings, task_id, response)
        metrics.calls.labels("refused" if report.status == "FAILED" else "succeeded").inc()
        return report


def _shown(failure: CallFailed, step: Step) -> CallFailed:
    """What is wrong with a request quotes it; one that has secrets in it is not to be quoted."""
    if not failure.is_terminal or not step.input.kept:
        return failure
    return CallFailed("that cannot be called; why is not shown, as the request has secrets in it", is_terminal=True)


def _finder(execution: Execution) -> Callable[[int], Task | None]:
    return lambda seq: next((task for task in execution.tasks if task.seq == seq), None)


def _with_key(request: HttpRequest, task_id: str) -> HttpRequest:
    """Unless the task has one of its own. A retry is a task of its own, and so has another one."""
    if any(name.lower() == KEY_HEADER.lower() for name, _ in request.headers):
        return request
    return msgspec.structs.replace(request, headers=(*request.headers, (KEY_HEADER, task_id)))
