"""Stand-ins for the world and the cache where chains are only tried: nobody is called, and nothing was kept."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.core.http import CallFailed, HttpRequest, HttpResponse
from tidemill.core.transaction import Transaction
from tidemill.rules.ports import (
    CacheChanges,
    CacheEntry,
    CacheKey,
    Mail,
    MailServer,
    MqttServer,
    OutsideFailed,
    SqlAnswer,
    SqlDatabase,
    SqlStatement,
    World,
)

REFUSAL = "a trial calls nobody"


class NoWeb:
    async def call(self, request: HttpRequest) -> HttpResponse:
        raise CallFailed(REFUSAL, is_terminal=True)


class EmptyCache:
    """What a run keeps, the same run sees all the same."""

    async def read(
        self, keys: Sequence[CacheKey], prefixes: Sequence[CacheKey], now_ms: int, limit: int
    ) -> Sequence[CacheEntry]:
        return ()

    async def write(self, tx: Transaction, changes: CacheChanges) -> None:
        raise AssertionError("a trial has no transaction")


class NoDatabases:
    def refusal(self, database: SqlDatabase) -> tuple[str, str] | None:
        return None

    async def run(self, database: SqlDatabase, statement: SqlStatement, timeout_s: float) -> SqlAnswer:
        raise OutsideFailed(REFUSAL)


class NoMailer:
    async def send(self, server: MailServer, mail: Mail) -> Sequence[str]:
        raise OutsideFailed(REFUSAL)


class NoMqtt:
    async def publish(self, server: MqttServer, topic: str, payload: bytes, qos: int) -> None:
        raise OutsideFailed(REFUSAL)


class NothingPending:
    """A trial waits for nothing."""

    async def count(self, chain: str, node: str, at_most: int) -> int:
        return 0


NOWHERE = World(NoWeb(), NoDatabases(), NoMailer(), NoMqtt())
