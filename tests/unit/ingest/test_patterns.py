"""Subscriptions by pattern: topics that come later are read too, from their first record; others are left alone."""

from __future__ import annotations

import pytest

from tests.unit.ingest.world import KEY, Told, World
from tidemill.ingest.patterns import is_meant, pattern_error
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import Subscription


def subscribe(world: World, route: Told, *patterns: str, topics: frozenset[str] = frozenset()) -> None:
    world.subscriptions.put(KEY, Subscription(topics, route, patterns=frozenset(patterns)))


async def test_topics_that_match_are_read_and_others_not(world: World) -> None:
    for topic in ("reading-a", "reading-b", "other-reading"):
        world.broker.create(topic)
        world.produce(2, topic)
    subscribe(world, Told(), "^reading-")
    world.start()
    await world.until(lambda: len(world.database.state.effects) == 4)
    assert world.offsets(topic="reading-a") == world.offsets(topic="reading-b") == [0, 1]
    assert PartitionKey("other-reading", 0) not in world.positions


async def test_a_topic_that_comes_later_is_read_from_its_first_record(world: World) -> None:
    subscribe(world, Told(), "^reading-")
    world.start()
    await world.run(50)
    world.broker.create("reading-new")
    world.produce(3, "reading-new")
    await world.until(lambda: world.offsets(topic="reading-new") == [0, 1, 2])


async def test_names_and_patterns_of_one_subscription_do_not_count_twice(world: World) -> None:
    world.produce(2)
    subscribe(world, Told(), "^ord", "^orders$", topics=frozenset({"orders"}))
    world.start()
    await world.until(lambda: len(world.database.state.effects) >= 2)
    await world.run(50)
    assert world.offsets() == [0, 1]


async def test_a_broker_that_is_away_at_first_is_asked_again(world: World) -> None:
    world.produce(1)
    world.broker.away = True
    subscribe(world, Told(), "^ord")
    world.start()
    await world.run(100)
    assert not world.database.state.effects
    world.broker.away = False
    await world.until(lambda: world.offsets() == [0])


async def test_what_is_parked_of_a_topic_by_pattern_is_no_orphan(world: World) -> None:
    assert Subscription(frozenset(), Told(), patterns=frozenset({"^a"})).reads("abc")
    assert not Subscription(frozenset({"abc"}), Told(), patterns=frozenset({"^z"})).reads("ab")


@pytest.mark.parametrize(
    ("pattern", "topic", "is_found"),
    [
        ("^orders", "orders-2", True),
        ("^orders$", "orders-2", False),
        ("^.*", "__consumer_offsets", False),
        (r"^shop\.\d{1,2}$", "shop.12", True),
    ],
)
def test_what_a_pattern_means(pattern: str, topic: str, is_found: bool) -> None:
    assert is_meant(pattern, topic) is is_found


def test_a_pattern_that_is_none_is_told() -> None:
    assert pattern_error("^orders") is None
    assert "missing" in (pattern_error("^(orders") or "")


def test_no_pattern_holds_up_the_server() -> None:
    """With one that tries all ways, this would not end before the test's time does."""
    assert not is_meant("^(a+)+$", "a" * 248 + "b")
