"""Dead letters on their second way: once, by the route as it is now, or not at all with a reason."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.ingest.world import Told, World
from tidemill.core.errors import Conflict, NotFound
from tidemill.ingest.effect import Verdict
from tidemill.ingest.record import Record
from tidemill.ingest.replay import Replayer
from tidemill.ingest.route import Outcome

BROKEN = Outcome("invalid", reason="not JSON")


@pytest.fixture
def replayer(world: World) -> Replayer:
    return Replayer(world.subscriptions, world.door, world.database, world.places, world.clock)


async def dead_letter(world: World, route: Told) -> str:
    """One record that the route found invalid; from now on it takes everything."""
    route.answer = lambda record: BROKEN
    world.subscribe(route)
    world.produce(1)
    world.start()
    await world.settle()
    route.answer = route.done
    (letter_id,) = world.database.state.letters
    return letter_id


async def test_a_replay_applies_the_effects_and_settles_the_letter(world: World, replayer: Replayer) -> None:
    letter_id = await dead_letter(world, Told())
    answer = await replayer.replay(letter_id, "ada")
    assert answer == {
        "id": letter_id,
        "state": "replayed",
        "outcome": "done",
        "results": ["id-('event_handler:a', 'orders', 0, 0)"],
    }
    assert world.offsets() == [0]
    assert world.database.state.letters[letter_id].state == "replayed"
    assert [entry.outcome for entry in world.seen(0)] == ["invalid", "done"]
    assert world.seen(0)[-1].detail == {"replayedBy": "ada"}
    (group,) = world.door.prepared[-1]
    assert group.cause == "kafka:orders-cluster:orders:0:0"


async def test_a_letter_is_replayed_once(world: World, replayer: Replayer) -> None:
    letter_id = await dead_letter(world, Told())
    answers = await asyncio.gather(
        replayer.replay(letter_id, "ada"), replayer.replay(letter_id, "bob"), return_exceptions=True
    )
    assert sum(isinstance(answer, Conflict) for answer in answers) == 1
    with pytest.raises(Conflict, match="replayed already"):
        await replayer.replay(letter_id, "ada")
    with pytest.raises(Conflict, match="replayed already"):
        await replayer.discard(letter_id, "ada")
    assert world.offsets() == [0]


async def test_a_replay_that_fails_says_why_and_leaves_the_letter_open(world: World, replayer: Replayer) -> None:
    route = Told()
    letter_id = await dead_letter(world, route)
    route.answer = lambda record: Outcome("invalid", reason="still not JSON")
    answer = await replayer.replay(letter_id, "ada")
    assert (answer["state"], answer["outcome"], answer["reason"]) == ("open", "invalid", "still not JSON")
    route.answer = route.done
    accepted = world.door.judge
    world.door.judge = lambda effect: Verdict(error=NotFound("no such workflow"))
    answer = await replayer.replay(letter_id, "ada")
    assert (answer["state"], answer["outcome"], answer["reason"]) == ("open", "invalid", "no such workflow")
    assert world.offsets() == []
    world.door.judge = accepted
    assert (await replayer.replay(letter_id, "ada"))["state"] == "replayed"


async def test_a_replay_repeats_when_others_write_first(world: World, replayer: Replayer) -> None:
    letter_id = await dead_letter(world, Told())
    world.door.stale_writes = 2
    assert (await replayer.replay(letter_id, "ada"))["state"] == "replayed"
    assert world.offsets() == [0]


async def test_a_replay_with_definitions_that_change_meanwhile_uses_the_new_ones(
    world: World, replayer: Replayer
) -> None:
    route, changed = Told(), Told()
    letter_id = await dead_letter(world, route)

    def change(record: Record) -> Outcome:
        world.subscribe(changed)
        return Outcome("done", effects=[("old", "", 0, 0)])

    route.answer = change
    await world.stop()
    await replayer.replay(letter_id, "ada")
    assert world.database.state.effects == [("event_handler:a", "orders", 0, 0)]


async def test_a_route_that_is_switched_off_replays_nothing(world: World, replayer: Replayer) -> None:
    letter_id = await dead_letter(world, Told())
    world.subscribe(Told("event_handler:b"))
    with pytest.raises(Conflict, match="event_handler:a is not at work"):
        await replayer.replay(letter_id, "ada")


async def test_what_the_route_no_longer_wants_is_settled_without_effects(world: World, replayer: Replayer) -> None:
    route = Told()
    letter_id = await dead_letter(world, route)
    route.answer = lambda record: Outcome("filtered")
    assert (await replayer.replay(letter_id, "ada"))["outcome"] == "filtered"
    assert world.database.state.letters[letter_id].state == "replayed"


async def test_a_discarded_letter_stays_and_is_never_replayed(world: World, replayer: Replayer) -> None:
    letter_id = await dead_letter(world, Told())
    assert await replayer.discard(letter_id, "ada") == {"id": letter_id, "state": "discarded", "results": []}
    with pytest.raises(Conflict, match="discarded already"):
        await replayer.replay(letter_id, "ada")
    with pytest.raises(NotFound):
        await replayer.discard("nothing", "ada")


async def test_a_rule_chains_replay_names_topics_and_no_results_that_are_none(world: World, replayer: Replayer) -> None:
    route = Told()
    letter_id = await dead_letter(world, route)
    route.answer = lambda record: Outcome("done", ["a publication"], detail={"published": ["shop:out"]})
    world.door.judge = lambda effect: Verdict([None, None])
    answer = await replayer.replay(letter_id, "ada")
    assert (answer["outcome"], answer["results"], answer["published"]) == ("done", [], ["shop:out"])
