"""Retry later: a route that must wait holds up itself alone, keeps its order, and never gives up silently."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.fakes.broker_log import MemorySource
from tests.unit.ingest.world import KEY, P0, TOPIC, Told, World
from tidemill.core import metrics
from tidemill.core.errors import NotFound
from tidemill.ingest.effect import Effect, Verdict
from tidemill.ingest.record import Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.settings import PumpSettings
from tidemill.ingest.subscription import RetryPolicy

RETRY = Outcome("retry", reason="the registry is away")
NEVER = RetryPolicy(give_up_after_ms=10**12, parked_max=5)


def failing(route: Told, offset: int, times: int) -> Callable[[Record], Outcome]:
    """The record is to be tried again so many times, then it is done."""
    left = [times]

    def answer(record: Record) -> Outcome:
        if record.offset == offset and left[0]:
            left[0] -= 1
            return RETRY
        return route.done(record)

    return answer


def refusing(accept: Callable[[Effect], Verdict], offset: int, times: int) -> Callable[[Effect], Verdict]:
    left = [times]

    def judge(effect: Effect) -> Verdict:
        if effect[3] == offset and left[0]:
            left[0] -= 1
            return Verdict(error=NotFound("the task is not there yet"), is_retryable=True)
        return accept(effect)

    return judge


async def test_a_record_that_must_wait_is_parked_with_all_behind_it_and_keeps_its_order(world: World) -> None:
    route, other = Told("event_handler:a"), Told("event_handler:b")
    route.answer = failing(route, offset=1, times=3)
    world.subscribe(route, other)
    world.produce(4)
    world.start()
    await world.until(lambda: len(world.database.state.parked) == 3)
    assert world.offsets("event_handler:a") == [0]
    assert world.offsets("event_handler:b") == [0, 1, 2, 3]
    world.produce(2)
    await world.settle()
    assert world.offsets("event_handler:a") == [0, 1, 2, 3, 4, 5]
    assert world.offsets("event_handler:b") == [0, 1, 2, 3, 4, 5]
    assert [entry.outcome for entry in world.seen(1)] == ["retry", "retry", "retry", "done"]
    assert [(entry.outcome, entry.reason) for entry in world.seen(2)] == [
        ("retry", "waits behind an earlier record"),
        ("done", None),
    ]


async def test_a_blocked_route_blocks_its_partition_only(world: World) -> None:
    world.broker.create(TOPIC, partitions=2)
    route = Told()
    route.answer = lambda record: RETRY if record.partition == 0 else route.done(record)
    world.subscribe(route, retry=NEVER)
    world.produce(2)
    world.produce(3, partition=1)
    world.start()
    await world.until(lambda: world.offsets(partition=1) == [0, 1, 2])
    assert world.offsets() == []


async def test_a_route_that_is_away_as_a_whole_waits_as_a_whole(world: World) -> None:
    route = Told()
    route.away = 2
    world.subscribe(route)
    world.produce(3)
    world.start()
    await world.settle()
    assert world.offsets() == [0, 1, 2]
    assert [entry.reason for entry in world.seen(0)] == ["the sandbox is away", "the sandbox is away", None]


async def test_the_wait_doubles(world: World) -> None:
    route = Told()
    route.answer = failing(route, offset=0, times=4)
    world.subscribe(route, retry=RetryPolicy(first_delay_ms=1_000))
    world.produce(1)
    world.start()
    await world.settle()
    times = [entry.at_ms for entry in world.seen(0)]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(
        planned <= wait <= planned + 500 for planned, wait in zip([1_000, 2_000, 4_000, 8_000], waits, strict=True)
    )


async def test_effects_that_come_too_early_wait_and_so_do_those_behind_them(world: World) -> None:
    world.subscribe(Told("event_handler:a"))
    world.door.judge = refusing(world.door.judge, offset=1, times=2)
    world.produce(4)
    world.start()
    await world.until(lambda: bool(world.database.state.parked))
    # Those behind it had been decided with it; they must not be written before it.
    assert world.offsets() == [0]
    await world.settle()
    assert world.offsets() == [0, 1, 2, 3]
    assert world.seen(1)[0].reason == "the task is not there yet"


async def test_a_record_is_given_up_after_the_limit_and_those_behind_it_go_on(world: World) -> None:
    route = Told()
    route.answer = failing(route, offset=0, times=1_000)
    world.subscribe(route, retry=RetryPolicy(first_delay_ms=1_000, give_up_after_ms=7_000))
    records = world.produce(3)
    world.start()
    await world.settle()
    assert world.offsets() == [1, 2]
    (letter,) = world.database.state.letters.values()
    assert (letter.record, letter.reason) == (records[0], "gave up after 4 attempts: the registry is away")
    assert [entry.outcome for entry in world.seen(0)] == ["retry", "retry", "retry", "invalid"]


async def test_effects_that_never_come_right_are_given_up_too(world: World) -> None:
    world.subscribe(Told(), retry=RetryPolicy(first_delay_ms=1_000, give_up_after_ms=3_000))
    world.door.judge = refusing(world.door.judge, offset=0, times=1_000)
    world.produce(3)
    world.start()
    await world.settle()
    assert world.offsets() == [1, 2]
    assert world.reasons() == ["gave up after 3 attempts: the task is not there yet"]


async def test_no_patience_makes_a_dead_letter_at_once(world: World) -> None:
    route = Told()
    route.answer = failing(route, offset=0, times=1_000)
    world.subscribe(route, retry=RetryPolicy(give_up_after_ms=0))
    world.produce(2)
    world.start()
    await world.settle()
    assert world.offsets() == [1]
    assert world.reasons() == ["gave up after 1 attempts: the registry is away"]
    assert world.database.state.parked_ever == 0


@pytest.mark.parametrize("parked_max", [1, 5])
async def test_past_its_bound_the_partition_is_paused_and_let_go_later(parked_max: int) -> None:
    world = World(PumpSettings(batch_records_max=2))
    world.broker.create(TOPIC, partitions=2)
    route, is_away = Told(), [True]
    route.answer = lambda record: RETRY if is_away[0] and record.partition == 0 else route.done(record)
    world.subscribe(route, retry=RetryPolicy(parked_max=parked_max, give_up_after_ms=10**12))
    world.start()
    await world.until(lambda: bool(world.positions))
    world.produce(20)
    await world.until(lambda: P0 in world.source.paused)
    await world.run(500)
    # One batch may go past the bound; the one that was fetched meanwhile is not taken.
    assert parked_max <= len(world.database.state.parked) <= parked_max + 1
    world.produce(20, partition=1)
    await world.until(lambda: world.offsets(partition=1) == list(range(20)))
    is_away[0] = False
    await world.settle()
    assert world.offsets() == list(range(20))
    await world.stop()


async def test_a_held_partition_is_not_read_after_a_rebalance_either(world: World) -> None:
    route = Told()
    route.answer = lambda record: RETRY
    world.broker.create("payments")
    world.subscribe(route, topics=[TOPIC, "payments"], retry=NEVER)
    world.produce(6)
    world.start()
    await world.until(lambda: bool(world.broker.members.get(KEY)) and P0 in world.source.paused)
    world.broker.delete("payments")
    await world.until(lambda: world.source.assigned == {P0} and P0 not in world.source.offsets)
    await world.run(300)
    assert P0 not in world.source.offsets


async def test_a_new_worker_finds_what_is_parked_and_its_bound(world: World) -> None:
    route, is_away = Told(), [True]
    route.answer = lambda record: RETRY if is_away[0] else route.done(record)
    world.subscribe(route, retry=NEVER)
    world.produce(6)
    pump = world.start()
    await world.until(lambda: len(world.database.state.parked) == 6)
    await world.kill(pump)
    world.produce(6)
    world.start()
    await world.until(lambda: bool(world.broker.members[KEY]) and P0 in world.source.paused)
    await world.run(200)
    assert len(world.database.state.parked) == 6
    is_away[0] = False
    await world.settle()
    assert world.offsets() == list(range(12))


async def test_records_of_a_handler_that_is_gone_are_dead_letters(world: World) -> None:
    gone, stays = Told("event_handler:a"), Told("event_handler:b")
    gone.answer = lambda record: RETRY
    world.subscribe(gone, stays, retry=NEVER)
    world.produce(3)
    world.start()
    await world.until(lambda: len(world.database.state.parked) == 3)
    world.subscribe(stays)
    await world.settle()
    assert world.reasons() == ["event_handler:a no longer reads this topic"] * 3
    assert world.seen(2)[-1].outcome == "invalid"


async def test_two_workers_with_the_same_parked_records_apply_them_once(world: World) -> None:
    route, is_away = Told(), [True]
    route.answer = lambda record: RETRY if is_away[0] else route.done(record)
    world.subscribe(route, retry=RetryPolicy(give_up_after_ms=10**12))
    world.broker.create("payments")
    world.subscribe(route, topics=[TOPIC, "payments"])
    world.produce(4)
    world.start()
    await world.until(lambda: len(world.database.state.parked) == 4)
    sleeper: MemorySource = world.source
    world.start()
    await world.until(lambda: len(world.broker.members[KEY]) == 2)
    sleeper.sleep()
    await world.run(300)
    is_away[0] = False
    await world.settle()
    assert sorted(world.offsets()) == world.offsets() == [0, 1, 2, 3]


async def test_what_another_worker_settled_does_not_block_for_ever(world: World) -> None:
    route = Told()
    route.answer = lambda record: RETRY if record.offset < 6 else route.done(record)
    world.subscribe(route, retry=NEVER)
    world.produce(6)
    world.start()
    await world.until(lambda: bool(world.broker.members.get(KEY)) and P0 in world.source.paused)
    async with world.database.begin() as tx:
        await world.places.parking.remove(tx, list(world.database.state.parked))
    world.produce(2)
    await world.settle()
    assert world.offsets() == [6, 7]


async def test_the_gauge_counts_what_waits(world: World) -> None:
    route, is_away = Told("event_handler:gauge"), [True]
    route.answer = lambda record: RETRY if is_away[0] else route.done(record)
    world.subscribe(route, retry=NEVER)
    world.produce(3)
    world.start()
    gauge = metrics.parked_records.labels("event_handler:gauge")
    await world.until(lambda: gauge._value.get() == 3)
    is_away[0] = False
    await world.until(lambda: gauge._value.get() == 0)
