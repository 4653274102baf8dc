"""One term of office of a publisher: from taking the lease to losing it, with one producer.

Finds a batch, numbers it in the database while Kafka takes its records, has Kafka commit what is numbered, and writes
the receipts with the number of the next one (decision 0027). What a crash or a lost answer left open is settled by the
cursor at the beginning of the next term.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.core.transaction import Transactions
from tidemill.ingest.effect import EffectDoor, EffectGroup
from tidemill.ingest.outbox import Lease, NumberedBatch, Outbox
from tidemill.ingest.publication import PublicationRefused, Published, hears_of_success
from tidemill.kafka.calls import Calls
from tidemill.kafka.integration import Integration
from tidemill.kafka.producer import BatchProducer, Sent
from tidemill.kafka.receipts import SEARCH_TIMEOUT_S, find_places

log = structlog.get_logger(__name__)

LEASE_MS = 10_000
REPEATS_MAX = 10
"""How often a receipt is written again because somebody else wrote first, before all is read anew."""

CURSOR_REFRESH_MS = 86_400_000
"""Kafka forgets the offsets of an idle group after 7 days."""

HELD_MAX_S = 1.0
"""How long a transaction is held open for a batch that may come."""

IDLE_REST_S = 5.0
"""A publisher is woken when there is something; this is for a ring that got lost."""


class LeaseLost(Exception):
    """Somebody else publishes for this integration now."""


class Term:
    """`kept` has the last batches that went out whole under an earlier term of this process and may not be finished:
    their places need not be searched for."""

    def __init__(
        self,
        integration: Integration,
        lease: Lease,
        producer: BatchProducer,
        outbox: Outbox,
        door: EffectDoor,
        transactions: Transactions,
        clock: Clock,
        *,
        rows_max: int,
        lease_ms: int,
        kept: dict[int, Sent],
    ) -> None:
        self.lease = lease
        self._integration = integration
        self._producer = producer
        self._calls = Calls(integration.name, producer, clock)
        self._outbox = outbox
        self._door = door
        self._transactions = transactions
        self._clock = clock
        self._rows_max = rows_max
        self._lease_ms = lease_ms
        self._kept = kept
        self._last_number = lease.last_number
        self._parts: deque[Sequence[int]] = deque()
        self._cursor_at_ms = clock.now_ms()

    async def begin(self) -> str | None:
        """Fences the predecessor and settles what it left. Returns what a user should know of it.

        Raises `LeaseLost` and `Unavailable`.
        """
        cursor = await self._open()
        batches = await self._outbox.unfinished(self.lease)
        notice = _notice(cursor, self._last_number, batches)
        if notice is not None:
            log.warning("cursor lost", integration=self._integration.name, notice=notice, cursor=cursor)
        for batch in batches:
            if cursor is not None and batch.number <= cursor:
                _ = await self._finish(batch, await self._places(batch), is_last=True)
            else:
                _ = await self._finish(batch, await self._publish(batch), is_last=True)
        if cursor is not None and cursor > self._last_number:
            # The database is a restored one. Its next numbers must not be taken for those that are out.
            await self._set_cursor()
        return notice

    async def run(self, rest: Callable[[float], Awaitable[None]], is_stopping: Callable[[], bool]) -> None:
        """Publishes until `is_stopping`; `rest` waits until there may be more, and no longer than it is told.

        Raises `LeaseLost` and `Unavailable`.
        """
        while not is_stopping():
            batch = await self._next_batch()
            if batch is None:
                await self._rest(rest)
                await self._refresh()
            while batch is not None:
                sent = await self._publish(batch)
                batch = await self._finish(batch, sent, is_last=is_stopping())

    async def keep(self) -> None:
        """Renews the lease until it is lost or the task is cancelled."""
        while await self._is_ours():
            await self._clock.sleep(self._lease_ms / 3000)

    async def end(self) -> None:
        """Closes the producer. One that is stuck is left alone, with its thread."""
        await self._calls.close()

    async def _rest(self, rest: Callable[[float], Awaitable[None]]) -> None:
        """Nothing is held open for long: a broker that is killed meanwhile has more to put in order."""
        begun_for_s = self._calls.begun_for_s
        if begun_for_s is not None and begun_for_s >= HELD_MAX_S:
            await self._calls.let_go()
        await rest(HELD_MAX_S if self._calls.begun_for_s is not None else IDLE_REST_S)

    async def _open(self) -> int | None:
        """The cursor. Raises `LeaseLost` and `Unavailable`."""
        cursor = await self._calls.open()
        # Only now: whoever took the lease while we were opening has been fenced by us, and not we by them.
        await self._verify()
        return cursor

    async def _publish(self, batch: NumberedBatch) -> Sent:
        sent = await self._calls.publish(batch)
        if not self._producer.is_open:
            _ = await self._open()
        if sent.out:
            self._cursor_at_ms = self._clock.now_ms()
        for number in [number for number in self._kept if number < batch.number - 1]:
            del self._kept[number]
        if _is_out(batch, sent):
            self._kept[batch.number] = sent
        else:
            # Whoever publishes it once more may get another answer.
            self._kept.pop(batch.number, None)
            self._put_back(batch, sent)
        return sent

    async def _finish(self, batch: NumberedBatch, sent: Sent, *, is_last: bool) -> NumberedBatch | None:
        """Receipts, rows and the next batch in one transaction. None if none was found, or if something of this one has
        to be tried again and goes before it."""
        is_ahead = not is_last and _is_out(batch, sent) and not self._parts
        if is_ahead:
            self._calls.begin(self._last_number + 1)
        gone = [row.id for index, row in enumerate(batch.rows) if index in sent.out or index in sent.refused]
        groups = list(_effects(batch, sent))
        following: NumberedBatch | None = None
        for attempt in range(REPEATS_MAX):
            prepared = await self._door.prepare(groups) if groups else None
            if is_ahead and attempt == 0:
                following = await self._find(len(batch.rows))
            try:
                async with self._transactions.begin() as tx:
                    if prepared is not None:
                        await prepared.write(tx)
                    await self._outbox.finish(tx, self.lease, batch.number, gone)
                    if following is not None:
                        await self._outbox.number(tx, self.lease, following)
            except StaleWrite:
                metrics.stale_writes.labels("publisher").inc()
                await self._verify()
                continue
            if prepared is not None:
                prepared.committed()
            self._count(following)
            self._kept.pop(batch.number, None)
            _report(self._integration.name, sent)
            return following
        # Among other things this is how a commit looks whose answer was lost: the batch is not there any more.
        raise Unavailable(f"batch {batch.number} of {self._integration.name} could not be finished")

    async def _next_batch(self) -> NumberedBatch | None:
        found = None if self._parts else await self._find(0)
        if found is None and not self._parts:
            return None
        for _ in range(REPEATS_MAX):
            try:
                async with self._transactions.begin() as tx:
                    if found is None:
                        ids = self._parts[0]
                        batch = await self._outbox.number_rows(tx, self.lease, self._last_number + 1, ids)
                    else:
                        batch = found
                        await self._outbox.number(tx, self.lease, found)
            except StaleWrite:
                await self._verify()
                continue
            self._count(batch)
            return batch
        raise Unavailable(f"no batch of {self._integration.name} could be numbered")

    async def _find(self, beside: int) -> NumberedBatch | None:
        """The next batch, not numbered yet: Kafka gets its records while the database does that, and commits after it.
        What comes while Kafka is busy with the last one is in it."""
        await self._calls.begun()
        rows = await self._outbox.oldest(self.lease, self._rows_max, beside)
        if not rows:
            return None
        batch = NumberedBatch(self._last_number + 1, rows)
        self._calls.send(batch)
        return batch

    def _count(self, batch: NumberedBatch | None) -> None:
        """After the transaction that numbered it has committed."""
        if batch is None:
            return
        self._last_number = batch.number
        if self._parts and [row.id for row in batch.rows] == list(self._parts[0]):
            self._parts.popleft()

    def _put_back(self, batch: NumberedBatch, sent: Sent) -> None:
        """What has to be tried again goes before other parts and before anything newer, so that the order per key
        stays: in halves where nobody knows who is guilty."""
        rest = [row.id for index, row in enumerate(batch.rows) if index not in sent.out and index not in sent.refused]
        middle = (len(rest) + 1) // 2
        if sent.is_ambiguous:
            self._parts.extendleft(part for part in (rest[middle:], rest[:middle]) if part)
        elif rest and self._parts:
            self._parts.appendleft(rest)

    async def _places(self, batch: NumberedBatch) -> Sent:
        kept = self._kept.get(batch.number)
        if kept is not None:
            return kept
        search = partial(find_places, self._integration, batch.rows, self._clock)
        found = await self._calls.run(search, SEARCH_TIMEOUT_S * 2)
        return Sent(out=found)

    async def _refresh(self) -> None:
        now_ms = self._clock.now_ms()
        if now_ms - self._cursor_at_ms < CURSOR_REFRESH_MS or self._last_number == 0:
            return
        await self._set_cursor()

    async def _set_cursor(self) -> None:
        await self._calls.run(partial(self._producer.refresh, self._last_number))
        self._cursor_at_ms = self._clock.now_ms()

    async def _verify(self) -> None:
        if not await self._outbox.renew(self.lease, self._clock.now_ms(), self._lease_ms):
            raise LeaseLost(f"another process publishes for {self._integration.name} now")

    async def _is_ours(self) -> bool:
        try:
            return await self._outbox.renew(self.lease, self._clock.now_ms(), self._lease_ms)
        except Unavailable:
            return True  # the next write will tell


def _notice(cursor: int | None, last_number: int, batches: Sequence[NumberedBatch]) -> str | None:
    """What a user should know of where the cursor is."""
    if cursor is not None and cursor > last_number:
        return (
            f"Kafka's cursor is at batch {cursor}, the database only at {last_number}: it is older than "
            "what was published, and publications may be seen again"
        )
    if cursor is None and any(batch.number > 1 for batch in batches):
        return (
            "Kafka has no cursor for this integration any more, and a batch waits of which nobody can say "
            "whether it is out: it goes out again"
        )
    return None


def _is_out(batch: NumberedBatch, sent: Sent) -> bool:
    """All of it, and the cursor says so."""
    return len(sent.out) == len(batch.rows)


def _report(integration: str, sent: Sent) -> None:
    metrics.published.labels(integration, "published").inc(len(sent.out))
    metrics.published.labels(integration, "refused").inc(len(sent.refused))
    for reason in sorted(set(sent.refused.values())):
        log.warning("publications refused", integration=integration, reason=reason)


def _effects(batch: NumberedBatch, sent: Sent) -> list[EffectGroup]:
    groups = []
    for index, row in enumerate(batch.rows):
        publication = row.publication
        if not publication.origin:
            continue
        effect: Published | PublicationRefused
        if index in sent.out and hears_of_success(publication):
            effect = Published(publication.origin, publication.topic, *sent.out[index])
        elif index in sent.refused:
            effect = PublicationRefused(publication.origin, publication.topic, sent.refused[index], publication)
        else:
            continue
        groups.append(EffectGroup([effect], cause=f"publication {publication.id}"))
    return groups
