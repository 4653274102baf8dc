"""Schedules: each moment once, those that were missed once together, by one process, and what fails is not lost."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.database import MemoryDatabase, MemoryPlaces
from tests.fakes.rules import NoEngine
from tests.unit.rules.endpoints.kafka_room import BROKEN, OUT, KafkaRoom, chain_with
from tidemill.core.errors import StaleWrite
from tidemill.core.faults import Faults
from tidemill.ingest.batch import BatchWriter
from tidemill.ingest.doors import Doors
from tidemill.ingest.joined import JoinedSubscriptions
from tidemill.ingest.replay import Replayer
from tidemill.rules.endpoints.cron import Moments
from tidemill.rules.endpoints.schedules import LOOK_EVERY_S, Schedules

EVERY_TEN = "*/10 * * * * *"
PATH = "metadata.endpoints[0].routers[0].from.path"


def schedule(text: str = EVERY_TEN, params: Any = (), **configuration: Any) -> dict[str, Any]:
    router = {"id": "r", "params": list(params), "from": {"path": text}, "to": {"path": ""}}
    return {"id": "s", "type": "endpoint/schedule", "configuration": configuration, "routers": [router]}


class TimeRoom(KafkaRoom):
    """Processes that share a database."""

    def __init__(self) -> None:
        super().__init__()
        self.database = MemoryDatabase()
        self.places = MemoryPlaces(self.database)
        self.door = Doors(NoEngine(), self.parts.taker)
        self.joined = JoinedSubscriptions(self.parts.subscriptions)

    def process(self) -> Schedules:
        def writer(key: Any) -> BatchWriter:
            around = (self.joined, self.places, self.door, self.database, self.clock, Faults())
            return BatchWriter(key, *around, 16)

        return Schedules(self.parts.subscriptions, self.places, writer, self.clock)

    @property
    def values(self) -> list[bytes | None]:
        return [each.value for each in self.outbox.added]


async def test_each_moment_counts_once_from_now_on() -> None:
    room = TimeRoom()
    assert await room.put(chain_with(schedule(params=["tick"]))) == []
    process = room.process()
    await process.round()
    assert room.values == []
    for _ in range(25):
        room.clock.advance(1)
        await process.round()
    assert len(room.values) in (2, 3)
    first = len(room.values)
    room.clock.advance(10)
    await process.round()
    await process.round()
    assert room.values == [b"tick"] * (first + 1)


async def test_what_was_missed_counts_once() -> None:
    room = TimeRoom()
    await room.put(chain_with(schedule()))
    await room.process().round()
    room.clock.advance(3600)
    restarted = room.process()
    await restarted.round()
    await restarted.round()
    assert len(room.values) == 1


async def test_one_process_sends_a_moment() -> None:
    """The other one started from the same place, and finds it taken."""
    room = TimeRoom()
    await room.put(chain_with(schedule()))
    one, other = room.process(), room.process()
    await one.round()
    room.clock.advance(10)
    load = room.places.positions.load
    before = await load(("x", "y"))  # type: ignore[arg-type]
    assert not before
    stale = dict(await load(_key()))
    await one.round()

    async def late(key: Any) -> Any:
        return stale

    room.places.positions.load = late  # type: ignore[method-assign]
    with pytest.raises(StaleWrite):
        await other.round()
    room.places.positions.load = load  # type: ignore[method-assign]
    await other.round()
    assert len(room.values) == 1


async def test_the_message_is_what_the_router_says() -> None:
    room = TimeRoom()
    node = {"server": "shop", "topic": "out", "key": "${metadata.who}-${dataType}-${msgType}"}
    parts = [{"a": 1}, "text", {"who": "cron", "n": 1}]
    await room.put(chain_with(schedule("@every 10s", parts), nodes=[{**OUT, "configuration": node}]))
    process = room.process()
    await process.round()
    room.clock.advance(10)
    await process.round()
    (publication,) = room.outbox.added
    assert (publication.value, publication.key) == (b'{"a":1}', b"cron-TEXT-@every 10s")


async def test_a_moment_that_fails_is_a_dead_letter_and_can_be_replayed() -> None:
    room = TimeRoom()
    await room.put(chain_with(schedule(params=["tick"]), nodes=[BROKEN]))
    process = room.process()
    await process.round()
    room.clock.advance(10)
    await process.round()
    (letter,) = room.database.state.letters.values()
    assert letter.route == "endpoint:c:s:r"
    await room.put(chain_with(schedule(params=["tick"])))
    replayer = Replayer(room.joined, room.door, room.database, room.places, room.clock)
    assert (await replayer.replay(letter.id, "anna"))["state"] == "replayed"
    assert room.values == [b"tick"]


async def test_a_chain_that_cannot_run_is_waited_for() -> None:
    room = TimeRoom()
    document = chain_with(schedule(params=["tick"]))
    document["metadata"]["endpoints"][0]["routers"][0]["to"]["path"] = "other"
    await room.put(document)
    process = room.process()
    await process.round()
    for _ in range(2):
        room.clock.advance(10)
        await process.round()
    assert len(room.database.state.parked) == 2
    await room.put(chain_with(), "other")
    for _ in range(5):
        room.clock.advance(1)
        await process.round()
    assert not room.database.state.parked
    assert room.values == [b"tick"] * len(room.values)
    assert len(room.values) in (2, 3)


async def test_an_edited_schedule_begins_anew_and_a_disabled_one_rests() -> None:
    room = TimeRoom()
    await room.put(chain_with(schedule()))
    process = room.process()
    await process.round()
    room.clock.advance(3600)
    await room.put(chain_with(schedule("0 * * * * *")))
    await process.round()
    assert room.values == []
    await room.put(chain_with(schedule("0 * * * * *"), disabled=True))
    room.clock.advance(3600)
    assert await process.round() == LOOK_EVERY_S
    assert room.values == []


@pytest.mark.parametrize("text", ["nonsense", "61 * * * * *", "0 0 0 30 2 *", "@every", "@every 5 cows", "@every 10ms"])
async def test_what_is_no_schedule_is_found(text: str) -> None:
    room = TimeRoom()
    assert await room.put(chain_with(schedule(text))) == [(PATH, "invalid", "error")]


async def test_all_mistakes_come_together() -> None:
    room = TimeRoom()
    found = await room.put(chain_with(schedule(params=["x", "WORDS", 7], timezone="No/Where", every=1)))
    assert [path.removeprefix("metadata.endpoints[0].") for path, _, _ in found] == [
        "configuration.every",
        "routers[0].params[1]",
        "routers[0].params[2]",
    ]
    assert await room.put(chain_with(schedule(timezone="No/Where"))) == [(PATH, "invalid", "error")]


@pytest.mark.parametrize(
    ("text", "zone", "at_ms", "after_ms"),
    [
        (EVERY_TEN, "", 1_000_000_005_500, 1_000_000_010_000),
        (EVERY_TEN, "", 1_000_000_010_000, 1_000_000_020_000),
        ("0 0 3 * * ?", "", 0, 3 * 3_600_000),
        ("0 0 3 * * *", "Asia/Tokyo", 0, 18 * 3_600_000),
        ("@hourly", "", 1, 3_600_000),
        ("@midnight", "", 1, 86_400_000),
        ("@every 1h30m", "", 1, 5_400_000),
        ("*/5 * * * *", "", 1, 300_000),
    ],
)
def test_when_the_moments_are(text: str, zone: str, at_ms: int, after_ms: int) -> None:
    moments = Moments(text, zone)
    assert moments.after(at_ms) == after_ms
    assert moments.last_until(after_ms) == after_ms
    assert moments.last_until(after_ms - 1) < after_ms


def _key() -> Any:
    from tidemill.rules.endpoints.subscriptions import BY_TIME

    return BY_TIME
