"""Background tasks that somebody watches: one that dies says so loudly and tells its owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Supervisor:
    """Owns background tasks. `on_death(name, error)` is called when one ends by an exception;
    a task that returns has simply finished."""

    def __init__(self, on_death: Callable[[str, BaseException], None] | None = None) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_death = on_death

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self, timeout_s: float = 10.0) -> list[str]:
        """Cancels what still runs and waits. Returns the names of those that did not end in time."""
        running = [task for task in self._tasks if not task.done()]
        for task in running:
            task.cancel()
        if not running:
            return []
        _, stuck = await asyncio.wait(running, timeout=timeout_s)
        return [task.get_name() for task in stuck]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("background task died", task=task.get_name(), exc_info=error)
            if self._on_death is not None:
                self._on_death(task.get_name(), error)
