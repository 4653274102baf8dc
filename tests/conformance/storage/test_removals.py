"""Publications of an integration that is removed are refused, each once, whoever else is at work on them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from cryptography.fernet import Fernet

from tests.fakes.kafka import Crash, ReceiptDoor, Receipts
from tidemill.core.cipher import Cipher
from tidemill.core.clock import HeldClock
from tidemill.core.codec import to_json
from tidemill.core.transaction import Transaction
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.outbox import NumberedBatch
from tidemill.ingest.publication import Publication, PublicationRefused
from tidemill.kafka import vault
from tidemill.kafka.integrations import Integrations
from tidemill.kafka.removals import Removals
from tidemill.kafka.term import REPEATS_MAX
from tidemill.storage.database import Database
from tidemill.storage.definitions import StoredDefinitions
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.outbox import StoredOutbox
from tidemill.workflows.ports import Changes

LEASE_MS = 1_000
REMOVED = "integration 'main' has been removed"
BODY = {"type": "kafka", "configuration": {"endpoint": "one:9092"}}


class InterruptedDoor(ReceiptDoor):
    """`meanwhile` happens once between what is decided and what is written; with `crashes` the writer dies then."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.crashes = False

    async def prepare(self, groups: Sequence[EffectGroup], verified: int | None = None) -> Receipts:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            _ = await meanwhile()
        return _Dying(self, groups) if self.crashes else await super().prepare(groups, verified)


class _Dying(Receipts):
    async def write(self, tx: Transaction) -> None:
        raise Crash


class Room:
    """One installation; `removals` are those of a process."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.outbox = StoredOutbox(database)
        self.door = InterruptedDoor()
        self.clock = HeldClock()
        self._cipher = Cipher(Fernet.generate_key())
        self.integrations = self._directory()

    def removals(self, holder: str = "one", rows_max: int = 10) -> Removals:
        return Removals(
            self._directory(),
            self.outbox,
            self.door,
            self.database,
            self.clock,
            holder,
            lambda: ["main"],
            rows_max=rows_max,
            lease_ms=LEASE_MS,
        )

    def _directory(self) -> Integrations:
        return Integrations(StoredDefinitions(self.database), self._cipher, self.clock, lambda: None)

    async def looked_once(self, holder: str = "one", rows_max: int = 10) -> Removals:
        """One that has seen the publications stranded and refuses them at the next look."""
        removals = self.removals(holder, rows_max)
        assert await removals.settle() == 0
        return removals

    async def add(self, *ids: str) -> None:
        rows = [Publication(id_, "main", "out", 0, None, b"", (), 5, id_ if id_ != "nobodys" else "") for id_ in ids]
        async with self.database.begin() as tx:
            await StoredExecutions(self.database).write(tx, Changes(publications=rows))

    async def save(self, **changes: object) -> None:
        _ = await self.integrations.save("main", {**BODY, **changes}, "me")

    async def waiting(self) -> int:
        depth, _ = (await self.outbox.backlog()).get("main", (0, 0))
        return depth

    def refused(self) -> list[tuple[str, str]]:
        assert all(isinstance(effect, PublicationRefused) for effect in self.door.effects)
        return [(effect.origin, effect.reason) for effect in self.door.effects]


@pytest.fixture
def room(database: Database) -> Room:
    return Room(database)


async def test_refuses_what_is_stranded_at_two_looks(room: Room) -> None:
    ids = [f"p{number:02}" for number in range(25)]
    await room.save()
    await room.add(*ids, "nobodys")
    await room.integrations.remove("main", "me")

    removals = await room.looked_once()
    assert await room.waiting() == 26
    assert await removals.settle() == 26

    assert room.refused() == [(id_, REMOVED) for id_ in ids]
    assert await room.waiting() == 0
    lease = await room.outbox.take_lease("main", "another", room.clock.now_ms(), LEASE_MS)
    assert lease is not None and lease.last_number == 3, "given back, and its batches are counted"


async def test_what_was_on_its_way_is_refused_with_a_word_about_it(room: Room) -> None:
    """Its publisher died inside its Kafka transaction, and nobody can ask the cluster any more."""
    await room.add("on its way", "behind")
    lease = await room.outbox.take_lease("main", "dead", room.clock.now_ms(), LEASE_MS)
    assert lease is not None
    batch = NumberedBatch(1, await room.outbox.oldest(lease, 1))
    async with room.database.begin() as tx:
        await room.outbox.number(tx, lease, batch)
    removals = await room.looked_once()
    assert await removals.settle() == 0, "the dead one's time is not over"
    room.clock.advance(LEASE_MS / 1000)
    assert await removals.settle() == 2

    maybe_out = f"{REMOVED}; this may have been published before: its batch was on its way"
    assert room.refused() == [("on its way", maybe_out), ("behind", REMOVED)]


async def test_what_is_switched_off_or_cannot_be_read_waits(room: Room) -> None:
    await room.save(enabled=False)
    await room.add("a")
    removals = await room.looked_once()
    assert [await removals.settle() for _ in range(3)] == [0, 0, 0]

    document = {
        **BODY,
        "enabled": True,
        "configuration": vault.seal({"password": "x"}, {}, Cipher(Fernet.generate_key())),
    }
    _ = await StoredDefinitions(room.database).put("integration", "main", 0, to_json(document), b"[]", "me", 0)
    assert await room.integrations.integrations() == {}
    assert [await removals.settle() for _ in range(3)] == [0, 0, 0]
    assert await room.waiting() == 1


async def test_one_that_is_made_again_takes_them(room: Room) -> None:
    await room.add("a", "b")
    removals = await room.looked_once()
    await room.save()
    assert await removals.settle() == 0
    await room.integrations.remove("main", "me")
    assert await removals.settle() == 0, "it begins to wait anew"
    room.door.meanwhile = room.save
    assert await removals.settle() == 0, "made again when all was decided"

    assert room.refused() == []
    assert await room.waiting() == 2
    lease = await room.outbox.take_lease("main", "publisher", room.clock.now_ms(), LEASE_MS)
    assert lease is not None and lease.last_number == 0
    assert await room.outbox.unfinished(lease) == [], "nothing of which it could not say whether it is out"


async def test_of_two_processes_one_refuses_each(room: Room) -> None:
    ids = [f"p{number:03}" for number in range(100)]
    await room.add(*ids)
    both = [await room.looked_once(holder, 3) for holder in ("one", "two")]
    while await room.waiting():
        _ = await asyncio.gather(*(removals.settle() for removals in both))
    assert sorted(origin for origin, _ in room.refused()) == ids


async def test_nothing_while_a_publisher_is_at_work(room: Room) -> None:
    """Also one of this very process, which has its worker's name."""
    await room.add("a")
    lease = await room.outbox.take_lease("main", "one", room.clock.now_ms(), LEASE_MS)
    assert lease is not None
    removals = await room.looked_once("one")
    assert await removals.settle() == 0
    await room.outbox.give_back(lease)
    assert await removals.settle() == 1


async def test_one_that_slept_writes_nothing(room: Room) -> None:
    await room.add("a")
    removals = await room.looked_once()

    async def take_over() -> None:
        room.clock.advance(LEASE_MS / 1000)
        assert await room.outbox.take_lease("main", "successor", room.clock.now_ms(), LEASE_MS) is not None

    room.door.meanwhile = take_over
    assert await removals.settle() == 0
    assert (room.refused(), await room.waiting()) == ([], 1)


async def test_repeats_when_somebody_wrote_first(room: Room) -> None:
    await room.add("a")
    removals = await room.looked_once()
    room.door.stale_writes = 3
    assert await removals.settle() == 1
    assert room.refused() == [("a", REMOVED)]


async def test_what_cannot_be_written_now_waits_for_the_next_look(room: Room) -> None:
    await room.add("a")
    removals = await room.looked_once()
    room.door.stale_writes = REPEATS_MAX
    assert await removals.settle() == 0
    assert (room.refused(), await room.waiting()) == ([], 1)
    assert await removals.settle() == 1


async def test_a_crash_leaves_no_batch_behind(room: Room) -> None:
    await room.add("a")
    removals = await room.looked_once()
    room.door.crashes = True
    with pytest.raises(Crash):
        _ = await removals.settle()
    room.door.crashes = False
    assert await (await room.looked_once("two")).settle() == 1
    assert room.refused() == [("a", REMOVED)], "not said to be on its way"
