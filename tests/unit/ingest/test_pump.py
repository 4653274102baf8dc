"""The pump's promises, sentence by sentence: each record counts once, whatever happens to its batch."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.ingest.world import KEY, P0, TOPIC, Told, World
from tidemill.core.errors import Conflict
from tidemill.ingest.effect import Verdict
from tidemill.ingest.ports import Position
from tidemill.ingest.record import Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.settings import PumpSettings


async def test_effects_positions_and_history_of_a_batch_are_stored_together(world: World) -> None:
    world.subscribe(Told())
    world.produce(3)
    world.start()
    await world.settle()
    assert world.offsets() == [0, 1, 2]
    assert world.positions[P0] == Position("topic-id-1", 3)
    assert [entry.outcome for entry in world.seen(1)] == ["done"]
    assert world.seen(1)[0].results == ("id-('event_handler:a', 'orders', 0, 1)",)
    assert world.door.wakes == 1
    assert len(world.database.state.runs) == 1


async def test_holes_in_a_log_are_no_hindrance(world: World) -> None:
    world.subscribe(Told())
    world.produce(5)
    for offset in (1, 2):
        del world.broker.logs[P0].records[offset]
    world.start()
    await world.settle()
    assert world.offsets() == [0, 3, 4]


async def test_a_record_goes_through_all_subscriptions_in_offset_order(world: World) -> None:
    world.subscribe(Told("event_handler:a"), Told("event_handler:b"))
    world.produce(2)
    world.start()
    await world.settle()
    assert [(effect[0][-1], effect[3]) for effect in world.database.state.effects] == [
        ("a", 0),
        ("b", 0),
        ("a", 1),
        ("b", 1),
    ]


async def test_only_records_of_its_topics_reach_a_route(world: World) -> None:
    one, other = Told("event_handler:a"), Told("event_handler:b")
    world.broker.create("payments")
    world.subscribe(one)
    orders = world.subscriptions.set.groups[KEY]
    world.subscribe(other, topics=["payments"])
    world.subscriptions.put(KEY, *orders, *world.subscriptions.set.groups[KEY])
    world.produce(2)
    world.produce(3, "payments")
    world.start()
    await world.settle()
    assert [record.topic for record in one.records] == [TOPIC] * 2
    assert [record.topic for record in other.records] == ["payments"] * 3


async def test_a_group_of_effects_knows_its_record(world: World) -> None:
    world.subscribe(Told())
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    world.broker.produce(TOPIC, b"1", headers=(("tidemill-hops", b"3"), ("traceparent", trace.encode())))
    world.start()
    await world.settle()
    (group,) = world.door.prepared[0]
    assert (group.cause, group.hops, group.traceparent) == ("kafka:orders-cluster:orders:0:0", 3, trace)


async def test_a_looping_record_reaches_no_route_and_is_a_dead_letter_of_each(world: World) -> None:
    routes = Told("event_handler:a"), Told("event_handler:b")
    world.subscribe(*routes)
    world.produce(1)
    world.broker.produce(TOPIC, b"round", headers=(("tidemill-hops", b"17"),))
    world.broker.produce(TOPIC, b"fine", headers=(("tidemill-hops", b"16"),))
    world.start()
    await world.settle()
    assert [record.offset for record in routes[0].records] == [0, 2]
    assert world.offsets("event_handler:b") == [0, 2]
    letters = world.database.state.letters.values()
    assert {(letter.route, letter.record.offset) for letter in letters} == {
        ("event_handler:a", 1),
        ("event_handler:b", 1),
    }
    assert "a loop: the record has been through Tidemill 17 times, the limit is 16" in world.reasons()


async def test_an_invalid_record_is_a_dead_letter_and_the_next_goes_on(world: World) -> None:
    route = Told()
    broken = Outcome("invalid", reason="not JSON", detail={"column": 7})
    route.answer = lambda record: broken if record.offset == 1 else route.done(record)
    world.subscribe(route)
    records = world.produce(3)
    world.start()
    await world.settle()
    assert world.offsets() == [0, 2]
    (letter,) = world.database.state.letters.values()
    assert (letter.record, letter.reason, letter.detail) == (records[1], "not JSON", {"column": 7})
    assert (letter.group, letter.route, letter.state) == ("tidemill", "event_handler:a", "open")
    assert world.seen(1)[0].outcome == "invalid"


async def test_a_filtered_record_leaves_nothing_but_history(world: World) -> None:
    route = Told(answer=lambda record: Outcome("filtered", detail={"condition": False}))
    world.subscribe(route)
    world.produce(2)
    world.start()
    await world.settle()
    assert world.door.prepared == []
    assert [(entry.outcome, entry.detail) for entry in world.seen(0)] == [("filtered", {"condition": False})]


async def test_a_refused_group_is_a_dead_letter_of_its_record_alone(world: World) -> None:
    world.subscribe(Told("event_handler:a"), Told("event_handler:b"))
    refused = Verdict(error=Conflict("it has ended"))
    accepted = world.door.judge
    world.door.judge = lambda effect: refused if effect[3] == 1 and effect[0].endswith("a") else accepted(effect)
    world.produce(3)
    world.start()
    await world.settle()
    assert world.offsets("event_handler:a") == [0, 2]
    assert world.offsets("event_handler:b") == [0, 1, 2]
    assert world.reasons() == ["it has ended"]


async def test_a_bug_in_a_route_stops_the_pump_and_keeps_the_offset(world: World) -> None:
    good, bad = Told("event_handler:a"), Told("event_handler:b")
    world.subscribe(good, bad)

    def stumble(record: Record) -> Outcome:
        raise KeyError("oops")

    bad.answer = stumble
    world.produce(2)
    pump = world.start()
    with pytest.raises(KeyError):
        await world.pumps[pump]
    assert world.positions[P0].next_offset == 0
    assert world.database.state.effects == []
    world.pumps.clear()
    bad.answer = bad.done
    world.start()
    await world.settle()
    assert world.offsets("event_handler:a") == world.offsets("event_handler:b") == [0, 1]


async def test_a_route_that_forgets_a_record_is_a_bug(world: World) -> None:
    class Forgetful(Told):
        async def handle(self, records: object) -> list[Outcome]:
            return []

    world.subscribe(Forgetful())
    world.produce(2)
    pump = world.start()
    with pytest.raises(RuntimeError, match="gave 0 outcomes for 2 records"):
        await world.pumps[pump]
    assert world.positions[P0].next_offset == 0
    world.pumps.clear()


async def test_a_batch_is_bounded_in_number_and_bytes() -> None:
    world = World(PumpSettings(batch_records_max=4, batch_bytes_max=100))
    world.broker.create(TOPIC)
    route = Told()
    world.subscribe(route)
    for size in (10, 10, 10, 10, 10, 60, 60, 500, 10):
        world.broker.produce(TOPIC, b"x" * size)
    world.start()
    await world.settle()
    assert route.calls == [[0, 1, 2, 3], [4, 5], [6], [7], [8]]
    await world.stop()


async def test_to_stop_is_to_finish_the_batch_in_hand(world: World) -> None:
    route = Told()
    world.subscribe(route)
    world.produce(3)
    pump = world.start()
    await world.until(lambda: bool(route.calls))
    assert world.offsets() == []
    pump.stop()
    await world.pumps.pop(pump)
    assert world.offsets() == [0, 1, 2]


async def test_to_stop_does_not_wait_for_a_database_that_is_away(world: World) -> None:
    world.subscribe(Told())
    pump = world.start()
    await world.until(lambda: bool(world.positions))
    world.produce(3)
    world.database.away = 1_000_000
    await world.until(lambda: pump.trouble is not None)
    pump.stop()
    await asyncio.wait_for(world.pumps.pop(pump), 5)
    world.database.away = 0
    assert world.offsets() == []


async def test_a_handler_that_joins_late_sees_the_records_from_then_on(world: World) -> None:
    first, second = Told("event_handler:a"), Told("event_handler:b")
    world.subscribe(first)
    world.produce(2)
    pump = world.start()
    await world.settle()
    world.subscribe(first, second)
    pump.notify()
    world.produce(2)
    await world.settle()
    assert world.offsets("event_handler:a") == [0, 1, 2, 3]
    assert world.offsets("event_handler:b") == [2, 3]


async def test_a_topic_that_nobody_reads_keeps_its_place_for_who_comes_back(world: World) -> None:
    route = Told("event_handler:a")
    world.broker.create("payments")
    world.subscribe(route, topics=[TOPIC, "payments"])

    def drop_payments(record: Record) -> Outcome:
        if record.topic == "payments" and record.offset == 0 and len(route.calls) == 1:
            world.subscribe(route)
        return route.done(record)

    route.answer = drop_payments
    world.produce(3)
    world.produce(3, "payments")
    world.start()
    await world.settle()
    assert world.offsets() == [0, 1, 2]
    assert world.offsets(topic="payments") == []
    world.subscribe(route, topics=[TOPIC, "payments"])
    world.produce(2, "payments")
    await world.settle()
    assert world.offsets(topic="payments") == [0, 1, 2, 3, 4]


async def test_a_topic_that_is_unwanted_for_a_moment_loses_nothing(world: World) -> None:
    route = Told("event_handler:a")
    world.broker.create("payments")
    world.subscribe(route, topics=[TOPIC, "payments"])

    def flicker(record: Record) -> Outcome:
        if len(route.calls) <= 2:
            world.subscribe(route, topics=[TOPIC] if len(route.calls) == 1 else [TOPIC, "payments"])
        return route.done(record)

    route.answer = flicker
    world.produce(3)
    world.produce(3, "payments")
    world.start()
    await world.until(lambda: len(route.calls) == 3)
    world.produce(2, "payments")
    await world.settle()
    assert world.offsets() == [0, 1, 2]
    assert world.offsets(topic="payments") == [0, 1, 2, 3, 4]


async def test_a_group_without_subscriptions_ends_its_pump_and_moves_nothing(world: World) -> None:
    world.subscribe(Told())
    world.produce(2)
    pump = world.start()
    await world.settle()
    world.subscribe()
    world.produce(2)
    await world.pumps.pop(pump)
    assert world.positions[P0].next_offset == 2


async def test_the_next_records_are_fetched_while_a_batch_is_committed(world: World) -> None:
    route = Told()
    world.subscribe(route)
    world.start()
    await world.until(lambda: bool(world.positions))
    world.produce(2)
    await world.until(lambda: bool(route.calls))
    world.produce(2)
    await world.until(lambda: world.source.offsets[P0] == 4)
    assert world.offsets() == []
    await world.settle()
    assert world.offsets() == [0, 1, 2, 3]
