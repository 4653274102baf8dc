"""Processors by name: those that come along, those that a module registers, and those of entry points.

A processor is a function of an exchange. One that raises fails its own message only; one that returns False stops it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from tidemill.core.errors import Unavailable
from tidemill.rules.endpoints.builtin import BUILT_IN
from tidemill.rules.endpoints.exchange import Exchange
from tidemill.rules.plugged import Plugged

log = structlog.get_logger(__name__)

GROUP = "tidemill.processors"
CALLS_MAX = 100
"""Of an asynchronous processor, at once."""

Function = Callable[[Exchange], Any]
F = TypeVar("F", bound=Function)

PROCESSORS = Plugged("processor", GROUP, BUILT_IN)


def processor(name: str) -> Callable[[F], F]:
    """Registers a function of an `Exchange` as a processor, for `processors` in endpoints and their routers. A plain
    function runs on a thread and may block; an `async` one must not."""
    return PROCESSORS.register(name)


class Processor(msgspec.Struct, frozen=True):
    name: str
    function: Function
    is_built_in: bool = False

    async def run(self, exchanges: Sequence[Exchange]) -> None:
        """All of them; what became of each stands in it. Raises `Unavailable` where one of them does."""
        if self.is_built_in:
            self._run(exchanges)
        elif inspect.iscoroutinefunction(self.function):
            await self._run_async(exchanges)
        else:
            await asyncio.to_thread(self._run, exchanges)

    def _run(self, exchanges: Sequence[Exchange]) -> None:
        for exchange in exchanges:
            try:
                exchange.is_stopped = self.function(exchange) is False
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001  # a user's code fails its own message
                self._fail(exchange, error)

    async def _run_async(self, exchanges: Sequence[Exchange]) -> None:
        room = asyncio.Semaphore(CALLS_MAX)

        async def one(exchange: Exchange) -> None:
            call: Awaitable[Any] = self.function(exchange)
            try:
                async with room:
                    exchange.is_stopped = await call is False
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001  # a user's code fails its own message
                self._fail(exchange, error)

        for ended in await asyncio.gather(*map(one, exchanges), return_exceptions=True):
            if ended is not None:
                raise ended

    def _fail(self, exchange: Exchange, error: Exception) -> None:
        log.debug("processor raised", processor=self.name, exc_info=error)
        exchange.failure = f"the processor {self.name} raised {type(error).__name__}: {error}"


async def run_all(processors: Sequence[Processor], exchanges: Sequence[Exchange]) -> None:
    """One after the other, over all that still go on."""
    going = exchanges
    for each in processors:
        if not going:
            return
        await each.run(going)
        going = [exchange for exchange in going if exchange.goes_on]


class Processors:
    """Looks names up. `failed_plugins`: modules that could not be imported; one of them may have what is missing."""

    def __init__(self, failed_plugins: Sequence[str] = ()) -> None:
        self._plugged = PROCESSORS
        self._failed_plugins = failed_plugins

    def get(self, name: str) -> Processor | None:
        built_in = BUILT_IN.get(name)
        if built_in is not None:
            return Processor(name, built_in, is_built_in=True)
        function = self._plugged.get(name)
        return Processor(name, function) if function is not None else None

    def names(self) -> Sequence[str]:
        return list(dict.fromkeys([*BUILT_IN, *self._plugged.names()]))

    def trouble(self) -> str:
        """The tail of a message about a name that is not there."""
        return (
            f" (these plugins could not be loaded: {', '.join(self._failed_plugins)})" if self._failed_plugins else ""
        )
