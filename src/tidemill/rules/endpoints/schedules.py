"""Sends the messages of schedules: a schedule is like a topic whose records are moments, and its place among them is
committed with what the message causes. So each moment counts once, however many processes look.

Moments that passed while no process ran count as one. Decides nothing; the route does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog

from tidemill.core.clock import Clock
from tidemill.core.errors import StaleWrite, Unavailable
from tidemill.ingest.batch import Batch, BatchWriter
from tidemill.ingest.lane import Lane
from tidemill.ingest.ports import Move, Places, Position
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.subscription import GroupKey, Subscription
from tidemill.ingest.waiting import Waiting, parked_lanes
from tidemill.rules.endpoints.schedule import ScheduleRouter
from tidemill.rules.endpoints.subscriptions import BY_TIME, EndpointSubscriptions

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
"""How often definitions, and what other processes did, are looked at."""
BACK_OFF_S = 1.0
_RECORDS_MAX = 500


class Scheduled(msgspec.Struct, frozen=True):
    router: ScheduleRouter
    subscription: Subscription

    @property
    def partition(self) -> PartitionKey:
        return PartitionKey(self.router.router.name, 0)


class Schedules:
    what = "schedules"

    def __init__(
        self,
        subscriptions: EndpointSubscriptions,
        places: Places,
        writer: Callable[[GroupKey], BatchWriter],
        clock: Clock,
    ) -> None:
        self._subscriptions = subscriptions
        self._places = places
        self._writer = writer(BY_TIME)
        self._clock = clock
        self._waiting = Waiting(BY_TIME, places.parking, clock)

    async def run(self) -> None:
        """Never returns."""
        while True:
            try:
                delay_s = await self.round()
            except StaleWrite:
                delay_s = 0.01  # another process was first, or a chain has changed
            except Unavailable as error:
                log.warning("schedules wait: the world is away", error=str(error))
                delay_s = BACK_OFF_S
            await self._clock.sleep(delay_s)

    async def round(self) -> float:
        """Sends what is due; returns how long there is nothing to do. Raises `StaleWrite`, `Unavailable`."""
        current = await self._subscriptions.current()
        these = [
            Scheduled(router, subscription)
            for router, subscription in zip(self._subscriptions.schedules, current.by_time, strict=True)
        ]
        if not these:
            return LOOK_EVERY_S
        now_ms = self._clock.now_ms()
        positions = await self._places.positions.load(BY_TIME)
        await self._waiting.load()
        await self._retry_parked(these, current.revision)
        await self._send(these, positions, now_ms, current.revision)
        following = min(each.router.moments.after(now_ms) for each in these)
        return min(max((following - self._clock.now_ms()) / 1000, 0.0), LOOK_EVERY_S)

    async def _send(
        self, these: Sequence[Scheduled], positions: Mapping[PartitionKey, Position], now_ms: int, revision: int
    ) -> None:
        lanes: list[Lane] = []
        moves: list[Move] = []
        for each in these:
            stored = positions.get(each.partition)
            is_new = stored is None or stored.topic_id != each.router.text
            moment = now_ms if is_new else each.router.moments.last_until(now_ms)
            if stored is not None and not is_new and moment <= stored.next_offset:
                continue
            moves.append(Move(each.partition, stored, Position(each.router.text, moment)))
            if not is_new:
                is_blocked = self._waiting.is_blocked(each.router.router.name, each.partition)
                lanes.append(Lane(each.subscription, each.partition, [_record(each, moment)], is_blocked=is_blocked))
        if moves:
            self._waiting.note(await self._writer.commit(Batch(lanes, moves, revision)))

    async def _retry_parked(self, these: Sequence[Scheduled], revision: int) -> None:
        due = await self._waiting.due([each.partition for each in these], _RECORDS_MAX)
        lanes, _ = parked_lanes(due, {each.partition.topic: [each.subscription] for each in these})
        if lanes:
            self._waiting.note(await self._writer.commit(Batch(lanes, (), revision)))


def _record(each: Scheduled, moment_ms: int) -> Record:
    partition = each.partition
    return Record(
        BY_TIME.integration, partition.topic, each.router.text, 0, moment_ms, moment_ms, None, each.router.body
    )
