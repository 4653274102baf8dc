"""One pump per group, as the definitions change; a bug in one stops that one, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.unit.ingest.world import KEY, TOPIC, Told, World
from tidemill.core import metrics
from tidemill.ingest.pumps import Pumps, PumpState
from tidemill.ingest.record import Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.subscription import GroupKey, Subscription

OTHER = GroupKey(KEY.integration, "other")


@pytest.fixture
async def pumps(world: World) -> AsyncIterator[Pumps]:
    around = (world.places, world.door, world.database, world.clock, world.faults, world.settings)
    made = Pumps(world.broker, world.subscriptions, *around)
    task = asyncio.create_task(made.run())
    yield made
    await made.stop()
    await task


def stumble(record: Record) -> Outcome:
    raise KeyError("oops")


def is_up(key: GroupKey) -> float:
    return float(metrics.pump_up.labels(key.integration, key.group)._value.get())


async def test_pumps_come_and_go_with_their_groups(world: World, pumps: Pumps) -> None:
    await world.run(50)
    assert pumps.states() == {}
    world.subscribe(Told())
    world.produce(2)
    pumps.notify()
    await world.settle()
    assert pumps.states() == {KEY: PumpState("running")}
    assert is_up(KEY) == 1
    world.subscribe()
    await world.until(lambda: pumps.states() == {})
    assert world.broker.members[KEY] == []
    assert is_up(KEY) == 0
    world.produce(2)
    world.subscribe(Told())
    await world.settle()
    assert world.offsets() == [0, 1, 2, 3]


async def test_a_bug_stops_its_group_and_no_other(world: World, pumps: Pumps) -> None:
    bad, good = Told("event_handler:a", stumble), Told("event_handler:b")
    world.subscribe(bad)
    world.subscriptions.put(OTHER, Subscription(frozenset({TOPIC}), good))
    world.produce(2)
    await world.until(lambda: world.offsets("event_handler:b") == [0, 1])
    await world.until(lambda: KEY in pumps.states() and not pumps.states()[KEY].is_ok)
    assert pumps.states() == {KEY: PumpState("broken", "KeyError: 'oops'"), OTHER: PumpState("running")}
    assert (is_up(KEY), is_up(OTHER)) == (0, 1)
    # It stays stopped, whatever is saved, until its group has been gone once.
    opens = world.broker.opens
    world.subscribe(Told("event_handler:a"))
    await world.run(500)
    assert world.broker.opens == opens
    world.subscribe()
    await world.until(lambda: KEY not in pumps.states())
    world.subscribe(Told("event_handler:a"))
    await world.settle()
    assert world.offsets() == [0, 1]


async def test_a_consumer_that_is_lost_is_made_anew(world: World, pumps: Pumps) -> None:
    world.subscribe(Told())
    world.produce(2)
    await world.settle()
    lost = world.source
    lost.is_lost = True
    world.produce(2)
    await world.settle()
    assert world.offsets() == [0, 1, 2, 3]
    assert lost.is_closed
    assert pumps.states()[KEY].is_ok


async def test_an_integration_that_is_away_is_tried_again_and_meanwhile_seen(world: World, pumps: Pumps) -> None:
    world.broker.opens_refused = 5
    world.subscribe(Told())
    world.produce(2)
    await world.until(lambda: pumps.states().get(KEY) == PumpState("waiting", "the integration is switched off"))
    await world.settle()
    assert world.offsets() == [0, 1]


async def test_a_database_that_is_away_is_seen(world: World, pumps: Pumps) -> None:
    world.subscribe(Told())
    await world.until(lambda: bool(world.positions))
    world.produce(2)
    world.database.away = 100
    await world.until(lambda: pumps.states()[KEY] == PumpState("waiting", "the database is away"))
    await world.settle()
    assert pumps.states()[KEY] == PumpState("running")


async def test_to_stop_is_to_finish_the_batches_in_hand(world: World, pumps: Pumps) -> None:
    route = Told()
    world.subscribe(route)
    world.produce(3)
    await world.until(lambda: bool(route.calls))
    await pumps.stop()
    assert world.offsets() == [0, 1, 2]
    assert world.broker.members[KEY] == []
