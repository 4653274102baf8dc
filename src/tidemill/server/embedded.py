"""The embedded broker of a server: its process begins first, and gets ready while the server is imported."""

from __future__ import annotations

from contextlib import AsyncExitStack

from tidemill.broker.process import BrokerProcess
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.core.clock import Clock
from tidemill.core.settings import Settings


async def begin_broker(settings: Settings, clock: Clock, stack: AsyncExitStack) -> BrokerProcess | None:
    """None where none is wanted. `stack` stops it. Whoever needs it waits for `start`, which tells what went wrong."""
    if not settings.is_embedded_broker_wanted:
        return None
    told = BrokerSettings(
        data=settings.data.absolute() / "broker", port=settings.broker_port, fsync=Fsync(settings.broker_fsync)
    )
    broker = BrokerProcess(told, clock, log_format=settings.log_format, log_level=settings.log_level)
    stack.push_async_callback(broker.stop)
    await broker.begin()
    return broker
