"""A group's pumps between a memory broker and a memory database, with routes that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from tests.fakes.broker_log import INTEGRATION, MemoryBroker, MemorySource
from tests.fakes.database import MemoryDatabase, MemoryDoor, MemoryPlaces, MemorySubscriptions
from tidemill.core.clock import HeldClock
from tidemill.core.errors import Unavailable
from tidemill.core.faults import Faults
from tidemill.ingest.ports import Position, Seen
from tidemill.ingest.pump import Pump
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.settings import PumpSettings
from tidemill.ingest.subscription import GroupKey, RetryPolicy, StartAt, Subscription

KEY = GroupKey(INTEGRATION, "tidemill")
TOPIC = "orders"
P0 = PartitionKey(TOPIC, 0)


class Told:
    """A route. `answer` says what comes of a record; by default it is done, its value the effect."""

    def __init__(self, name: str = "event_handler:a", answer: Callable[[Record], Outcome] | None = None) -> None:
        self.name = name
        self.is_foreseeable = False
        self.answer = answer or self.done
        self.away = 0
        self.calls: list[list[int]] = []
        self.records: list[Record] = []

    def done(self, record: Record) -> Outcome:
        return Outcome("done", effects=[self.effect(record)])

    def effect(self, record: Record) -> tuple[str, str, int, int]:
        return self.name, record.topic, record.partition, record.offset

    async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
        await asyncio.sleep(0)
        self.calls.append([record.offset for record in records])
        self.records += records
        if self.away:
            self.away -= 1
            raise Unavailable("the sandbox is away")
        return [self.answer(record) for record in records]


class World:
    """Everything around the pumps. `start` makes a worker; `settle` lets all of them work until nothing is left."""

    def __init__(self, settings: PumpSettings | None = None) -> None:
        self.clock = HeldClock()
        self.broker = MemoryBroker(self.clock)
        self.database = MemoryDatabase()
        self.places = MemoryPlaces(self.database)
        self.door = MemoryDoor(self.database)
        self.subscriptions = MemorySubscriptions(self.database)
        self.faults = Faults()
        self.settings = settings or PumpSettings()
        self.pumps: dict[Pump, asyncio.Task[None]] = {}

    def subscribe(
        self,
        *routes: Told,
        topics: Sequence[str] = (TOPIC,),
        retry: RetryPolicy | None = None,
        start: StartAt | None = None,
    ) -> None:
        these = [Subscription(frozenset(topics), route, start or StartAt(), retry or RetryPolicy()) for route in routes]
        self.subscriptions.put(KEY, *these)

    def pump(self) -> Pump:
        around = (self.subscriptions, self.places, self.door, self.database, self.clock, self.faults, self.settings)
        return Pump(KEY, self.broker, *around)

    def start(self) -> Pump:
        pump = self.pump()
        self.pumps[pump] = asyncio.create_task(pump.run())
        return pump

    async def kill(self, pump: Pump) -> None:
        """As if the process had died: in the middle of whatever it does."""
        task = self.pumps.pop(pump)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def stop(self) -> None:
        for pump in self.pumps:
            pump.stop()
        tasks = list(self.pumps.values())
        self.pumps.clear()
        await asyncio.gather(*tasks)

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)

    async def until(self, holds: Callable[[], bool], steps: int = 20_000) -> None:
        for _ in range(steps):
            if holds():
                return
            self._raise_failures()
            await asyncio.sleep(0)
        raise AssertionError(f"it did not come about in {steps} steps")

    async def settle(self) -> None:
        await self.until(self.is_settled)
        # Long enough for what is wrongly left in somebody's hands to show.
        await self.run(50)

    def is_settled(self) -> bool:
        return not self.database.state.parked and self.is_read()

    def is_read(self) -> bool:
        """Whether all records of the topics have been committed, parked ones included."""
        topics = {topic for each in self.subscriptions.set.groups.get(KEY, ()) for topic in each.topics}
        logs = {key: log for key, log in self.broker.logs.items() if key.topic in topics}
        return all(
            (at := self.positions.get(key)) is not None
            and at.topic_id == log.topic_id
            and at.next_offset > max(log.records, default=-1)
            for key, log in logs.items()
        )

    @property
    def positions(self) -> dict[PartitionKey, Position]:
        return self.database.state.positions.get(KEY, {})

    @property
    def source(self) -> MemorySource:
        return self.broker.members[KEY][0]

    def produce(self, count: int, topic: str = TOPIC, partition: int = 0) -> list[Record]:
        return [self.broker.produce(topic, b"%d" % number, partition) for number in range(count)]

    def offsets(self, route: str = "event_handler:a", topic: str = TOPIC, partition: int = 0) -> list[int]:
        """Of the effects that were applied, in that order."""
        return [effect[3] for effect in self.database.state.effects if effect[:3] == (route, topic, partition)]

    def seen(self, offset: int, route: str = "event_handler:a") -> list[Seen]:
        runs = [run for run in self.database.state.runs if run.route == route]
        return [entry for run in runs for entry in run.entries if entry.offset == offset]

    def reasons(self) -> list[str]:
        return [letter.reason for letter in self.database.state.letters.values()]

    def _raise_failures(self) -> None:
        for task in self.pumps.values():
            if task.done() and task.exception() is not None:
                task.result()
