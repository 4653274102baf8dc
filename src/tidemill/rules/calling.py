"""Calls of the world for a batch: many at once, as many as there are places, and each message's failure its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tidemill.core.errors import TidemillError
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS, Batch

CALLS_MAX = 100
"""How many calls of one node may be under way, whatever its configuration says."""
CALL_S_MAX = 600.0


class CallRefused(TidemillError):
    """The world answered, and said no. `message` is what goes out by `Failure`."""

    def __init__(self, reason: str, message: Message) -> None:
        self.message = message
        super().__init__(reason)


class Caller:
    """The calls of one node. Its places are shared by all batches that are at the node."""

    def __init__(self, calls_max: int = CALLS_MAX) -> None:
        self._places = asyncio.Semaphore(min(calls_max, CALLS_MAX) or CALLS_MAX)

    async def call_each(self, batch: Batch, call: Callable[[int], Awaitable[Sequence[Message]]]) -> None:
        """`call` is given the index of an item, and answers with the messages that go on by `Success`. What it raises
        on purpose is that item's failure. All are told when all have ended, in their order."""
        places = self._places

        async def one(index: int) -> Sequence[Message]:
            async with places:
                allowance = batch.allowances.get(index)
                return await (call(index) if allowance is None else allowance.spend(lambda: call(index)))

        answers = await asyncio.gather(*map(one, range(len(batch.items))), return_exceptions=True)
        bugs = []
        for index, answer in enumerate(answers):
            if isinstance(answer, TidemillError):
                batch.fail(index, str(answer), answer.message if isinstance(answer, CallRefused) else None)
            elif isinstance(answer, BaseException):
                bugs.append(answer)
            else:
                batch.take(index)
                for message in answer:
                    batch.tell(index, SUCCESS, message)
        if bugs:
            raise bugs[0]
