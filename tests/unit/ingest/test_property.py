"""Whatever happens: every record counts once for every route, in order, and positions never go back."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.ingest.world import KEY, TOPIC, Told, World
from tidemill.core.codec import from_json, to_json
from tidemill.core.errors import Conflict, NotFound
from tidemill.ingest.effect import Effect, Verdict
from tidemill.ingest.record import Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.settings import PumpSettings
from tidemill.ingest.subscription import RetryPolicy

PARTITIONS = 2
ROUTES = ("event_handler:a", "event_handler:b")
FOREVER = RetryPolicy(give_up_after_ms=10**15, parked_max=4)
SETTINGS = PumpSettings(batch_records_max=3, batch_bytes_max=60)

Fate = Literal["done", "filtered", "invalid", "retry", "early", "refused"]
FATES: tuple[Fate, ...] = ("done", "done", "done", "filtered", "invalid", "retry", "early", "refused")


class Produce(msgspec.Struct, frozen=True):
    """Records with a fate for each route."""

    partition: int
    fates: tuple[tuple[Fate, Fate], ...]


class Happening(msgspec.Struct, frozen=True):
    kind: Literal["run", "start", "kill", "sleep", "wake", "stale", "save", "away", "unheard", "route_away", "lose"]
    count: int


KINDS = (
    "run",
    "run",
    "run",
    "start",
    "kill",
    "sleep",
    "wake",
    "stale",
    "save",
    "away",
    "unheard",
    "route_away",
    "lose",
)
produces = st.builds(
    Produce,
    partition=st.integers(0, PARTITIONS - 1),
    fates=st.lists(st.tuples(*[st.sampled_from(FATES)] * len(ROUTES)), min_size=1, max_size=6).map(tuple),
)
happenings = st.builds(Happening, kind=st.sampled_from(KINDS), count=st.integers(1, 40))
stories = st.lists(st.one_of(produces, happenings, happenings), min_size=4, max_size=40)


class Fates:
    """Lets each record meet its fate: one that must wait or comes too early does so twice."""

    def __init__(self) -> None:
        self._left: dict[Effect, int] = {}

    def of(self, record: Record, route: str) -> Fate:
        fate: Fate = from_json(record.value or b"")[ROUTES.index(route)]
        return fate

    def answer(self, route: Told, record: Record) -> Outcome:
        fate = self.of(record, route.name)
        if fate == "retry" and self._is_not_yet(route.effect(record)):
            return Outcome("retry", reason="away")
        if fate in ("filtered", "invalid"):
            return Outcome("filtered" if fate == "filtered" else "invalid", reason=fate)
        return Outcome("done", effects=[(*route.effect(record), fate)])

    def judge(self, effect: Effect) -> Verdict:
        if effect[-1] == "refused":
            return Verdict(error=Conflict("it has ended"))
        if effect[-1] == "early" and self._is_not_yet(effect):
            return Verdict(error=NotFound("not there yet"), is_retryable=True)
        return Verdict(results=("id",))

    def _is_not_yet(self, what: Effect) -> bool:
        self._left[what] = self._left.get(what, 3) - 1
        return self._left[what] > 0


class Story:
    def __init__(self) -> None:
        self.world = World(SETTINGS)
        self.fates = Fates()
        self.routes = [Told(name) for name in ROUTES]
        for route in self.routes:
            route.answer = lambda record, route=route: self.fates.answer(route, record)  # type: ignore[misc]
        self.routes[0].is_foreseeable = True
        self.world.door.judge = self.fates.judge
        self.world.broker.create(TOPIC, PARTITIONS)
        self.save()

    def save(self) -> None:
        self.world.subscribe(*self.routes, retry=FOREVER)

    async def tell(self, steps: list[Produce | Happening]) -> None:
        self.world.start()
        for step in steps:
            if isinstance(step, Produce):
                for fates in step.fates:
                    self.world.broker.produce(TOPIC, to_json(fates), step.partition)
            else:
                await self._happen(step)
        await self._come_to_rest()

    async def _happen(self, step: Happening) -> None:
        await self._replace_dead()
        pumps = list(self.world.pumps)
        match step.kind:
            case "run":
                await self.world.run(step.count)
            case "start" if len(pumps) < 3:
                self.world.start()
            case "kill" if pumps:
                await self.world.kill(pumps[step.count % len(pumps)])
            case "sleep" | "wake" | "lose":
                self._disturb_member(step)
            case _:
                self._disturb_rest(step)

    def _disturb_member(self, step: Happening) -> None:
        members = self.world.broker.members.get(KEY, [])
        for member in [members[step.count % len(members)]] if members else []:
            match step.kind:
                case "sleep":
                    member.sleep()
                case "wake":
                    member.wake()
                case "lose":
                    member.is_lost = True

    def _disturb_rest(self, step: Happening) -> None:
        match step.kind:
            case "stale":
                self.world.door.stale_writes = step.count % 5
            case "save":
                self.save()
            case "away":
                self.world.database.away = step.count
            case "unheard":
                self.world.database.commits_unheard = step.count % 3
            case "route_away":
                self.routes[step.count % len(self.routes)].away = 1

    async def _replace_dead(self) -> None:
        """What `Pumps` does when a consumer is lost."""
        for pump, task in list(self.world.pumps.items()):
            if task.done():
                await self.world.kill(pump)
                self.world.start()

    async def _come_to_rest(self) -> None:
        world = self.world
        world.door.stale_writes = world.database.away = world.database.commits_unheard = 0
        for member in list(world.broker.members.get(KEY, [])):
            member.is_lost = False
            member.wake()
        await world.run(200)
        await self._replace_dead()
        if not world.pumps:
            world.start()
        await world.settle()
        await world.stop()

    def check(self) -> None:
        state = self.world.database.state
        for route in ROUTES:
            for key, log in self.world.broker.logs.items():
                fates = {offset: self.fates.of(record, route) for offset, record in log.records.items()}
                applied = [effect[3] for effect in state.effects if (effect[0], effect[2]) == (route, key.partition)]
                assert applied == [offset for offset, fate in fates.items() if fate in ("done", "retry", "early")]
                runs = [run for run in state.runs if (run.route, run.partition) == (route, key)]
                final = [entry.offset for run in runs for entry in run.entries if entry.outcome != "retry"]
                assert final == list(fates)
        dead = Counter(
            (letter.route, letter.record.partition, letter.record.offset) for letter in state.letters.values()
        )
        assert dead == Counter(
            (route, record.partition, record.offset)
            for route in ROUTES
            for log in self.world.broker.logs.values()
            for record in log.records.values()
            if self.fates.of(record, route) in ("invalid", "refused")
        )
        assert all(
            move.from_ is None or move.from_.next_offset <= move.to.next_offset for move in self.world.database.moves
        )


@settings(max_examples=150, deadline=None)
@given(stories)
def test_every_record_counts_once_in_order_whatever_happens(steps: list[Produce | Happening]) -> None:
    async def run() -> None:
        story = Story()
        await story.tell(steps)
        story.check()

    asyncio.run(run())
