"""The one way to call something that blocks: a thread of its own for each thing that may be used by one thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class BlockingThread:
    """Runs calls one after another on one named thread, so that a client handle never meets two threads."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: call(*args, **kwargs))

    def close(self) -> None:
        """Takes nothing new and does not wait: a stuck client call must not hold up the stop."""
        self._executor.shutdown(wait=False, cancel_futures=True)
