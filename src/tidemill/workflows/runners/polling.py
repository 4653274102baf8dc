"""Polls that wait: one line per queue, served in order, so that one task wakes one worker and an empty queue costs
one look for all who wait for it. Decides nothing, and knows neither the database nor HTTP.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from tidemill.core.clock import Clock
from tidemill.workflows.plans.plan import Plan
from tidemill.workflows.state.state import Execution, Task

PolledTask = tuple[Execution, Task, Plan]

LOOK_AGAIN_S = 0.25
"""How often a line looks for what other processes have queued, what has become due, and room under a limit."""
_TASKS_MAX = 1_000
"""How many tasks are claimed at once."""


class _Poll(msgspec.Struct, frozen=True):
    worker: str
    count: int
    until_s: float
    answer: asyncio.Future[list[PolledTask]]


Claim = Callable[[int], Awaitable[Sequence[str]]]
"""At most so many task ids, which nobody else then gets."""
HandOut = Callable[[Sequence[tuple[str, str]]], Awaitable[Sequence[PolledTask | None]]]
"""Gives each (task, worker) that task; None for one that is no longer to be had."""


class Line:
    """The polls of this process for one queue. `on_empty` is called when nobody waits any more."""

    def __init__(self, claim: Claim, hand_out: HandOut, clock: Clock, on_empty: Callable[[], None]) -> None:
        self._claim = claim
        self._hand_out = hand_out
        self._clock = clock
        self._on_empty = on_empty
        self._polls: deque[_Poll] = deque()
        self._rung = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None
        self._handing: set[asyncio.Task[None]] = set()

    def ring(self) -> None:
        """There may be something to be had."""
        self._rung.set()

    async def poll(self, worker: str, count: int, wait_s: float) -> list[PolledTask]:
        """At most `count` tasks. Looks at least once, and waits at most `wait_s` for the first."""
        answer: asyncio.Future[list[PolledTask]] = asyncio.get_running_loop().create_future()
        self._polls.append(_Poll(worker, count, self._clock.monotonic_s() + wait_s, answer))
        self._serve()
        return await answer

    def _serve(self) -> None:
        self._rung.set()
        if self._serving is None:
            self._serving = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._polls:
            self._rung.clear()
            polls, wanted = self._take()
            try:
                claimed = await self._claim(wanted) if polls else ()
            except Exception as error:  # noqa: BLE001
                # Whatever it is, those who wait are the ones to be told.
                _fail(polls, error)
                continue
            self._share(polls, claimed)
            if len(claimed) < wanted and self._polls:
                await self._rest()
        self._serving = None
        if not self._handing:
            self._on_empty()

    def _take(self) -> tuple[list[_Poll], int]:
        """The first ones, and how many tasks they want together."""
        polls: list[_Poll] = []
        wanted = 0
        while self._polls and wanted < _TASKS_MAX:
            poll = self._polls.popleft()
            if not poll.answer.done():
                polls.append(poll)
                wanted += poll.count
        return polls, wanted

    def _share(self, polls: Sequence[_Poll], claimed: Sequence[str]) -> None:
        """In the order in which they came. Who gets nothing waits on, at the head."""
        shares: list[tuple[_Poll, Sequence[str]]] = []
        at = 0
        for poll in polls:
            if at < len(claimed):
                shares.append((poll, claimed[at : at + poll.count]))
                at += poll.count
        if shares:
            handing = asyncio.create_task(self._give(shares))
            self._handing.add(handing)
            handing.add_done_callback(self._given)
        self._wait_on(polls[len(shares) :])

    def _wait_on(self, polls: Sequence[_Poll]) -> None:
        now_s = self._clock.monotonic_s()
        for poll in reversed(polls):
            if poll.until_s > now_s:
                self._polls.appendleft(poll)
            elif not poll.answer.done():
                poll.answer.set_result([])

    async def _give(self, shares: Sequence[tuple[_Poll, Sequence[str]]]) -> None:
        wanted = [(task_id, poll.worker) for poll, task_ids in shares for task_id in task_ids]
        try:
            handed = iter(await self._hand_out(wanted))
        except Exception as error:  # noqa: BLE001
            # As above. The tasks come back to their queue by themselves.
            _fail([poll for poll, _ in shares], error)
            return
        for poll, task_ids in shares:
            tasks = [task for _ in task_ids if (task := next(handed)) is not None]
            if not tasks:
                self._wait_on([poll])
                self._rung.set()
            elif not poll.answer.done():
                poll.answer.set_result(tasks)

    def _given(self, handing: asyncio.Task[None]) -> None:
        self._handing.discard(handing)
        if self._serving is None and self._polls:
            self._serve()
        elif self._serving is None and not self._handing:
            self._on_empty()

    async def _rest(self) -> None:
        until_s = min(poll.until_s for poll in self._polls)
        try:
            async with asyncio.timeout(min(max(until_s - self._clock.monotonic_s(), 0.0), LOOK_AGAIN_S)):
                await self._rung.wait()
        except TimeoutError:
            return


def _fail(polls: Sequence[_Poll], error: Exception) -> None:
    for poll in polls:
        if not poll.answer.done():
            poll.answer.set_exception(error)
