"""Processors by name: those that come along, those that a module registers, and those of entry points.

A processor is a function of an exchange. One that raises fails its own message only; one that returns False stops it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, TypeVar

import msgspec
import structlog

from tidemill.core.errors import Unavailable
from tidemill.rules.endpoints.builtin import BUILT_IN
from tidemill.rules.endpoints.exchange import Exchange

log = structlog.get_logger(__name__)

GROUP = "tidemill.processors"
CALLS_MAX = 100
"""Of an asynchronous processor, at once."""

Function = Callable[[Exchange], Any]
F = TypeVar("F", bound=Function)

_registered: dict[str, Function] = {}


def processor(name: str) -> Callable[[F], F]:
    """Registers a function of an `Exchange` as a processor, for `processors` in endpoints and their routers. A plain
    function runs on a thread and may block; an `async` one must not."""
    if not isinstance(name, str) or not name:
        raise TypeError('a processor has a name: @tidemill.processor("name")')

    def register(function: F) -> F:
        known = _registered.get(name)
        if name in BUILT_IN or (known is not None and _place(known) != _place(function)):
            raise ValueError(f"there is a processor {name!r} already")
        _registered[name] = function
        return function

    return register


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
    """Looks names up. Entry points are loaded when a name is asked for that nobody else has."""

    def __init__(self, group: str = GROUP, failed_plugins: Sequence[str] = ()) -> None:
        """`failed_plugins`: modules that could not be imported, and that may have had the one that is missing."""
        self._group = group
        self._failed_plugins = failed_plugins
        self._foreign: Mapping[str, Function] | None = None

    def get(self, name: str) -> Processor | None:
        built_in = BUILT_IN.get(name)
        if built_in is not None:
            return Processor(name, built_in, is_built_in=True)
        function = _registered.get(name) or self._from_outside().get(name) or _registered.get(name)
        return Processor(name, function) if function is not None else None

    def names(self) -> Sequence[str]:
        return list(dict.fromkeys([*BUILT_IN, *_registered, *self._from_outside()]))

    def trouble(self) -> str:
        """The tail of a message about a name that is not there."""
        return (
            f" (these plugins could not be loaded: {', '.join(self._failed_plugins)})" if self._failed_plugins else ""
        )

    def _from_outside(self) -> Mapping[str, Function]:
        """One that cannot be loaded is told of, and is not there."""
        if self._foreign is None:
            found: dict[str, Function] = {}
            for point in entry_points(group=self._group):
                try:
                    found[point.name] = point.load()
                except Exception:  # somebody else's code
                    log.exception("processor not loaded", entry_point=point.value)
            self._foreign = found
        return self._foreign


def _place(function: Function) -> tuple[Any, Any]:
    """The same function may be imported twice, as a module is reloaded."""
    return getattr(function, "__module__", None), getattr(function, "__qualname__", None)
