"""Lines of waiting polls: in order, one task to one worker, and one look for all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest

from tests.fakes.plans import plan
from tidemill.core.clock import SystemClock
from tidemill.core.errors import Unavailable
from tidemill.workflows.runners import polling
from tidemill.workflows.runners.polling import Line, PolledTask
from tidemill.workflows.state.state import Execution, Task

PLAN = plan()


class Queue:
    """Task ids in order; those in `gone` are claimed and then not to be had."""

    def __init__(self, *task_ids: str) -> None:
        self.waiting = deque(task_ids)
        self.gone: set[str] = set()
        self.error: Exception | None = None
        self.claims: list[int] = []
        self.handed: list[Sequence[tuple[str, str]]] = []
        self.closed = 0
        self.line = Line(self.claim, self.hand_out, SystemClock(), self.close)

    def put(self, *task_ids: str) -> None:
        self.waiting.extend(task_ids)
        self.line.ring()

    async def claim(self, count: int) -> Sequence[str]:
        self.claims.append(count)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return [self.waiting.popleft() for _ in range(min(count, len(self.waiting)))]

    async def hand_out(self, wanted: Sequence[tuple[str, str]]) -> Sequence[PolledTask | None]:
        self.handed.append(wanted)
        await asyncio.sleep(0)
        return [None if task_id in self.gone else _task(task_id, worker) for task_id, worker in wanted]

    def close(self) -> None:
        self.closed += 1


def _task(task_id: str, worker: str) -> PolledTask:
    execution = cast("Any", Execution)(task_id, "wf", 1, 1, "RUNNING", 1)
    return execution, Task(1, "a", "IN_PROGRESS", 1, worker=worker), PLAN


def _ids(polled: Iterable[PolledTask]) -> list[str]:
    return [execution.id for execution, _, _ in polled]


@pytest.fixture(autouse=True)
def no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "LOOK_AGAIN_S", 600.0)


async def _settled(queue: Queue, claims: int) -> None:
    """The loop has gone round often enough for all that needs no wait."""
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(queue.claims) >= claims


async def test_polls_share_what_there_is_in_their_order() -> None:
    queue = Queue("a", "b", "c", "d")
    polls = [queue.line.poll(f"w{number}", 2, 0) for number in range(3)]
    assert [_ids(polled) for polled in await asyncio.gather(*polls)] == [["a", "b"], ["c", "d"], []]
    assert queue.claims == [6]
    assert queue.closed == 1


async def test_one_task_wakes_one_of_many() -> None:
    queue = Queue()
    polls = [asyncio.create_task(queue.line.poll(f"w{number}", 1, 600)) for number in range(100)]
    await _settled(queue, 1)
    looks = len(queue.claims)
    queue.put("a")
    assert _ids(await polls[0]) == ["a"]
    await _settled(queue, looks + 1)
    assert not any(poll.done() for poll in polls[1:])
    assert len(queue.claims) == looks + 1, "one look for all who wait"
    queue.put(*map(str, range(99)))
    await asyncio.gather(*polls)
    assert queue.closed == 1


async def test_who_got_nothing_keeps_its_place() -> None:
    queue = Queue("gone")
    queue.gone.add("gone")
    first = asyncio.create_task(queue.line.poll("first", 1, 600))
    await _settled(queue, 1)
    second = asyncio.create_task(queue.line.poll("second", 1, 600))
    await _settled(queue, 2)
    queue.put("a", "b")
    assert (_ids(await first), _ids(await second)) == (["a"], ["b"])


async def test_a_look_that_fails_is_told_to_those_who_wait_and_the_line_goes_on() -> None:
    queue = Queue("a")
    queue.error = Unavailable("away")
    answers = await asyncio.gather(*(queue.line.poll("w", 1, 600) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    queue.error = None
    assert _ids(await queue.line.poll("w", 1, 0)) == ["a"]


async def test_a_poll_whose_caller_has_gone_gets_no_task() -> None:
    queue = Queue()
    gone = asyncio.create_task(queue.line.poll("gone", 1, 600))
    await _settled(queue, 1)
    stays = asyncio.create_task(queue.line.poll("stays", 1, 600))
    await _settled(queue, 2)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    queue.put("a")
    assert _ids(await stays) == ["a"]
