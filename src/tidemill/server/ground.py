"""What everything else stands on: the database, the secret key, the embedded broker, the sandbox. Opened first."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from tidemill.broker.process import BrokerProcess
from tidemill.core.cipher import Cipher
from tidemill.core.clock import Clock
from tidemill.core.settings import Settings
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.settings import SandboxSettings
from tidemill.server.secret_key import open_cipher
from tidemill.server.worker import WorkerName, worker_name
from tidemill.storage.database import Database
from tidemill.storage.meta import Meta


@dataclass(frozen=True, slots=True)
class Ground:
    settings: Settings
    clock: Clock
    worker: WorkerName
    database: Database
    installation_id: str
    cipher: Cipher
    sandbox: SandboxPool
    broker: BrokerProcess | None

    def embedded_address(self) -> str | None:
        return self.broker.address if self.broker else None


async def open_ground(settings: Settings, clock: Clock, stack: AsyncExitStack, broker: BrokerProcess | None) -> Ground:
    """`stack` closes it, last opened first. `broker` has been begun. Raises `TidemillError` where something cannot be
    had."""
    database = Database(settings.database_url, clock)
    await database.open()
    stack.push_async_callback(database.close)
    meta = Meta(database)
    sandbox = SandboxPool(_sandbox_settings(settings), clock)
    await sandbox.start()
    stack.push_async_callback(sandbox.close)
    ground = Ground(
        settings=settings,
        clock=clock,
        worker=worker_name(settings.data, clock.now_ms(), stack),
        database=database,
        installation_id=await meta.installation_id(),
        cipher=await open_cipher(settings, meta),
        sandbox=sandbox,
        broker=broker,
    )
    if broker is not None:
        await broker.start()
    return ground


def _sandbox_settings(settings: Settings) -> SandboxSettings:
    return SandboxSettings(time_limit_s=settings.script_timeout_s, memory_bytes=settings.script_memory_mb * 2**20)
