"""One holder publishes at a time; batches keep the order of the rows and never share one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from sqlalchemy import text

from tidemill.core.errors import StaleWrite
from tidemill.ingest.outbox import Lease, NumberedBatch, OutboxRow
from tidemill.ingest.publication import Publication
from tidemill.storage import blocks
from tidemill.storage import outbox as outbox_store
from tidemill.storage.database import Database
from tidemill.storage.executions import StoredExecutions
from tidemill.storage.outbox import StoredOutbox
from tidemill.workflows.ports import Changes


def publication(id_: str, integration: str = "main", created_ms: int = 5) -> Publication:
    return Publication(id_, integration, "out", 2, b"k", None, (("h", b"\xff"),), created_ms, "task")


async def publish(database: Database, *ids: str, integration: str = "main", created_ms: int = 5) -> None:
    async with database.begin() as tx:
        changes = Changes(publications=[publication(id_, integration, created_ms) for id_ in ids])
        await StoredExecutions(database).write(tx, changes)


async def lease_of(database: Database, holder: str = "me", now_ms: int = 0) -> Lease:
    lease = await StoredOutbox(database).take_lease("main", holder, now_ms, 1_000)
    assert lease is not None
    return lease


async def number(database: Database, lease: Lease, number: int, rows_max: int = 10) -> NumberedBatch | None:
    outbox = StoredOutbox(database)
    batch = NumberedBatch(number, await outbox.oldest(lease, rows_max))
    if not batch.rows:
        return None
    async with database.begin() as tx:
        await outbox.number(tx, lease, batch)
    return batch


async def finish(database: Database, lease: Lease, number: int, rows_gone: Sequence[int]) -> None:
    async with database.begin() as tx:
        await StoredOutbox(database).finish(tx, lease, number, rows_gone)


async def record_counts(database: Database) -> list[int]:
    """Of each row, in order."""
    async with database.read() as session:
        rows = await session.execute(text("SELECT record_count FROM outbox_blocks ORDER BY id"))
    return [int(count) for (count,) in rows]


def ids(batch: NumberedBatch | None) -> list[str]:
    assert batch is not None
    return [row.publication.id for row in batch.rows]


async def test_a_lease_is_one_holders_until_its_time_is_over(database: Database) -> None:
    outbox = StoredOutbox(database)
    first = await lease_of(database, "a", 0)

    assert (first.epoch, first.last_number) == (1, 0)
    assert await outbox.take_lease("main", "b", 999, 1_000) is None
    assert await outbox.take_lease("main", "a", 999, 1_000) == first
    assert await outbox.take_lease("main", "b", 1_000, 1_000) is None
    assert await outbox.take_lease("other", "b", 0, 1_000) is not None
    second = await outbox.take_lease("main", "b", 1_999, 1_000)
    assert second is not None and second.epoch == 2
    assert not await outbox.renew(first, 2_000, 1_000)
    assert await outbox.renew(second, 2_500, 1_000)
    assert await outbox.take_lease("main", "a", 3_000, 1_000) is None
    await outbox.give_back(first)
    assert await outbox.take_lease("main", "a", 3_000, 1_000) is None
    await outbox.give_back(second)
    third = await outbox.take_lease("main", "b", 3_000, 1_000)
    assert third is not None and third.epoch == 3


async def test_of_many_takers_one_gets_it(database: Database) -> None:
    outbox = StoredOutbox(database)

    taken = await asyncio.gather(*(outbox.take_lease("main", f"h{each}", 0, 1_000) for each in range(8)))

    assert len([lease for lease in taken if lease is not None]) == 1


async def test_batches_take_the_oldest_rows_in_order(database: Database) -> None:
    await publish(database, "z", "a", "m")
    await publish(database, "other", integration="other")
    await publish(database, "b")
    lease = await lease_of(database)

    one = await number(database, lease, 1, 3)
    assert one is not None and one.rows[0].publication == publication("z")
    assert ids(one) == ["z", "a", "m"]
    assert ids(await number(database, lease, 2, 3)) == ["b"]
    assert await number(database, lease, 3) is None
    assert [(batch.number, ids(batch)) for batch in await StoredOutbox(database).unfinished(lease)] == [
        (1, ["z", "a", "m"]),
        (2, ["b"]),
    ]


async def test_the_oldest_are_those_that_would_be_numbered(database: Database) -> None:
    await publish(database, "z", "a", "m")
    outbox, lease = StoredOutbox(database), await lease_of(database)
    assert [row.publication.id for row in await outbox.oldest(lease, 2)] == ["z", "a"]
    _ = await number(database, lease, 1, 1)
    rows = await outbox.oldest(lease, 10)
    assert [row.publication.id for row in rows] == ["a", "m"]

    async with database.begin() as tx:
        await outbox.number_rows(tx, lease, 2, [row.id for row in rows])
        await outbox.finish(tx, lease, 2, [row.id for row in rows])
    assert await outbox.oldest(lease, 10) == []
    assert [batch.number for batch in await outbox.unfinished(lease)] == [1]


async def test_large_publications_go_in_small_batches(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is held in memory as a whole: a thousand publications of 5 MB must not be."""
    monkeypatch.setattr(outbox_store, "BATCH_BYTES_MAX", 2_000)
    values = {"a": 10, "b": 10, "c": 1_990, "d": 10, "e": 5_000, "f": 5_000}
    publications = [msgspec.structs.replace(publication(id_), value=b"x" * size) for id_, size in values.items()]
    async with database.begin() as tx:
        await StoredExecutions(database).write(tx, Changes(publications=publications))
    lease = await lease_of(database)

    for each, expected in enumerate((["a", "b", "c"], ["d", "e"], ["f"]), start=1):
        batch = await number(database, lease, each)
        assert batch is not None and ids(batch) == expected
        await finish(database, lease, each, [row.id for row in batch.rows])


async def test_what_is_written_together_is_one_row(database: Database) -> None:
    await publish(database, *(f"p{each:04}" for each in range(blocks.RECORDS_MAX + 1)))
    await publish(database, "z")

    assert await record_counts(database) == [blocks.RECORDS_MAX, 1, 1]
    lease = await lease_of(database)
    for each, expected in enumerate((["p0000"], [f"p{each:04}" for each in range(1, blocks.RECORDS_MAX)]), start=1):
        assert ids(await number(database, lease, each, len(expected))) == expected
    assert ids(await number(database, lease, 3)) == [f"p{blocks.RECORDS_MAX:04}", "z"]


async def test_a_row_has_few_bytes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Headers too: the publisher reads whole rows."""
    monkeypatch.setattr(blocks, "BYTES_MAX", 1_000)
    large = [msgspec.structs.replace(publication(id_), headers=(("h", b"x" * 400),)) for id_ in "abcd"]
    async with database.begin() as tx:
        await StoredOutbox(database).add(tx, [*large, msgspec.structs.replace(large[0], id="e", value=b"x" * 2_000)])

    assert await record_counts(database) == [2, 1, 1, 1]
    assert ids(await number(database, await lease_of(database), 1)) == ["a", "b", "c", "d", "e"]


async def test_a_row_goes_with_the_last_of_its_publications(database: Database) -> None:
    await publish(database, "a", "b", "c", "d")
    lease = await lease_of(database)
    batch = await number(database, lease, 1)
    assert batch is not None
    a, b, c, d = (row.id for row in batch.rows)

    await finish(database, lease, 1, [b])
    assert await record_counts(database) == [3]
    assert (await StoredOutbox(database).backlog())["main"] == (3, 5)
    batch = await number(database, lease, 2)
    assert batch is not None and [row.id for row in batch.rows] == [a, c, d]
    await finish(database, lease, 2, [a, d])
    assert ids(await number(database, lease, 3)) == ["c"]
    await finish(database, lease, 3, [c])
    assert await record_counts(database) == []


async def test_finishing_deletes_what_is_gone_and_leaves_the_rest_waiting(database: Database) -> None:
    await publish(database, "a", "b", "c")
    lease = await lease_of(database)
    batch = await number(database, lease, 1)
    assert batch is not None

    await finish(database, lease, 1, [row.id for row in batch.rows if row.publication.id != "b"])

    assert await StoredOutbox(database).unfinished(lease) == []
    assert ids(await number(database, lease, 2)) == ["b"]
    with pytest.raises(StaleWrite):
        await finish(database, lease, 1, [])
    assert (await lease_of(database)).last_number == 2


async def test_a_batch_is_taken_apart(database: Database) -> None:
    await publish(database, "a", "b", "c")
    outbox, lease = StoredOutbox(database), await lease_of(database)
    whole = await number(database, lease, 1)
    assert whole is not None
    rows = [row.id for row in whole.rows]
    with pytest.raises(StaleWrite):
        async with database.begin() as tx:
            await outbox.number_rows(tx, lease, 2, rows[:1])

    async with database.begin() as tx:
        await outbox.finish(tx, lease, 1, [])
        part = await outbox.number_rows(tx, lease, 2, [rows[2], rows[0]])

    assert (part.number, ids(part)) == (2, ["a", "c"])
    await finish(database, lease, 2, [rows[0], rows[2]])
    assert ids(await number(database, lease, 3)) == ["b"]
    with pytest.raises(StaleWrite):
        async with database.begin() as tx:
            await outbox.number_rows(tx, lease, 4, [rows[0]])


async def test_numbers_have_no_holes_and_no_doubles(database: Database) -> None:
    await publish(database, "a")
    lease = await lease_of(database)

    for wrong in (0, 2):
        with pytest.raises(StaleWrite):
            await number(database, lease, wrong)
    await number(database, lease, 1)
    await publish(database, "b")
    with pytest.raises(StaleWrite):
        await number(database, lease, 1)


async def test_who_lost_the_lease_writes_nothing(database: Database) -> None:
    await publish(database, "a", "b")
    outbox, old = StoredOutbox(database), await lease_of(database, "a", 0)
    batch = await number(database, old, 1, 1)
    assert batch is not None
    new = await lease_of(database, "b", 5_000)
    assert (new.epoch, new.last_number) == (2, 1)

    with pytest.raises(StaleWrite):
        await finish(database, old, 1, [batch.rows[0].id])
    with pytest.raises(StaleWrite):
        await number(database, old, 2)
    with pytest.raises(StaleWrite):
        async with database.begin() as tx:
            await outbox.number_rows(tx, old, 2, [batch.rows[0].id + 1])

    assert [ids(each) for each in await outbox.unfinished(new)] == [["a"]]
    await finish(database, new, 1, [batch.rows[0].id])


async def test_a_take_over_waits_for_the_write_before_it(database: Database) -> None:
    await publish(database, "a")
    outbox, old = StoredOutbox(database), await lease_of(database, "a", 0)
    batch = NumberedBatch(1, await outbox.oldest(old, 10))
    async with database.begin() as tx:
        await outbox.number(tx, old, batch)
        await tx.flush()
        taking = asyncio.create_task(outbox.take_lease("main", "b", 5_000, 1_000))
        await asyncio.sleep(0.05)
        assert not taking.done()

    new = await taking
    assert new is not None and (new.epoch, new.last_number) == (2, 1)


async def test_what_is_rolled_back_is_not_numbered(database: Database) -> None:
    await publish(database, "a")
    outbox, lease = StoredOutbox(database), await lease_of(database)
    batch = NumberedBatch(1, await outbox.oldest(lease, 10))
    with pytest.raises(LookupError):
        async with database.begin() as tx:
            await outbox.number(tx, lease, batch)
            await tx.flush()
            raise LookupError

    assert await outbox.unfinished(lease) == []
    assert ids(await number(database, lease, 1)) == ["a"]


async def test_backlog(database: Database) -> None:
    outbox = StoredOutbox(database)
    assert await outbox.backlog() == {}
    await publish(database, "a", created_ms=7)
    await publish(database, "b", created_ms=9)
    await publish(database, "c", integration="other", created_ms=11)

    assert await outbox.backlog() == {"main": (2, 7), "other": (1, 11)}


async def test_a_backlog_that_shrinks_is_never_empty_before_its_end(database: Database) -> None:
    outbox, lease = StoredOutbox(database), await lease_of(database)
    await publish(database, *(f"p{each:03}" for each in range(150)))

    async def drain() -> None:
        for batch_number in range(1, 150):
            batch = await number(database, lease, batch_number, rows_max=1)
            await finish(database, lease, batch_number, [row.id for row in batch.rows] if batch else [])

    async with asyncio.TaskGroup() as tasks:
        draining = tasks.create_task(drain())
        while not draining.done():
            assert (await outbox.backlog())["main"][0] > 0
    assert await outbox.backlog() == {"main": (1, 5)}


async def test_nobody_looks_into_the_blocks_of_the_batch_that_is_under_way(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked for beside it, for each batch that goes out."""
    lease = await lease_of(database)
    for first in ("a", "b", "c", "d"):
        await publish(database, f"{first}1", f"{first}2")
    batch = await number(database, lease, 1, rows_max=4)
    assert ids(batch) == ["a1", "a2", "b1", "b2"]

    decoded: list[int] = []
    rows = blocks.rows

    def counted(block: int, data: bytes) -> list[OutboxRow]:
        decoded.append(block)
        return rows(block, data)

    monkeypatch.setattr(blocks, "rows", counted)
    following = await StoredOutbox(database).oldest(lease, 4, beside=4)
    assert [row.publication.id for row in following] == ["c1", "c2", "d1", "d2"]
    assert len(decoded) == 2
