"""The audit log's writing side: every change of a definition, grant or credential, and every refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import structlog

from tidemill.access.ports import AuditEntry, AuditLog
from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.core.ids import new_id
from tidemill.core.transaction import Transaction, Transactions

log = structlog.get_logger(__name__)

REPEAT_WINDOW_MS = 60_000
"""The same refusal is written once a minute with a count, or a broken client would fill the disk."""
KNOWN_REFUSALS_MAX = 10_000


class Audit:
    def __init__(self, entries: AuditLog, transactions: Transactions, clock: Clock) -> None:
        self._entries = entries
        self._transactions = transactions
        self._clock = clock
        self._refused: dict[tuple[str, str, str], tuple[int, int]] = {}

    async def changed(
        self, principal: str, action: str, resource: str, detail: Mapping[str, str] | None = None
    ) -> None:
        """For changes that have a transaction of their own elsewhere."""
        async with self._transactions.begin() as tx:
            await self.changed_in(tx, principal, action, resource, detail)

    async def changed_in(
        self, tx: Transaction, principal: str, action: str, resource: str, detail: Mapping[str, str] | None = None
    ) -> None:
        """In the transaction of the change itself: both or neither."""
        await self._entries.add(tx, [self._entry(principal, action, resource, "done", detail or {})])

    async def refused(self, principal: str, action: str, resource: str, reason: str) -> None:
        """Never raises `Unavailable`: the refusal itself must stand when the database is away."""
        repeats = self._count(principal, action, resource)
        if repeats is None:
            return
        log.warning("refused", principal=principal, action=action, resource=resource, reason=reason, repeats=repeats)
        detail = {"reason": reason} | ({"repeats": str(repeats)} if repeats else {})
        try:
            async with self._transactions.begin() as tx:
                await self._entries.add(tx, [self._entry(principal, action, resource, "refused", detail)])
        except Unavailable as error:
            log.error("refusal not in the audit log", principal=principal, action=action, error=str(error))

    async def find(self, *, principal: str | None, limit: int, before_id: str | None) -> Sequence[AuditEntry]:
        return await self._entries.find(principal=principal, limit=limit, before_id=before_id)

    def _entry(
        self, principal: str, action: str, resource: str, outcome: Literal["done", "refused"], detail: Mapping[str, str]
    ) -> AuditEntry:
        now_ms = self._clock.now_ms()
        return AuditEntry(
            id=new_id(now_ms),
            at_ms=now_ms,
            principal=principal,
            action=action,
            resource=resource,
            outcome=outcome,
            detail=detail,
        )

    def _count(self, principal: str, action: str, resource: str) -> int | None:
        """How many like it were left out since the last one written; None if this one is left out too."""
        now_ms = self._clock.now_ms()
        kind = (principal, action, resource)
        written_ms, left_out = self._refused.get(kind, (-REPEAT_WINDOW_MS, 0))
        if now_ms - written_ms < REPEAT_WINDOW_MS:
            self._refused[kind] = (written_ms, left_out + 1)
            return None
        if len(self._refused) >= KNOWN_REFUSALS_MAX:
            self._refused.clear()
        self._refused[kind] = (now_ms, 0)
        return left_out
