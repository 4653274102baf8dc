"""`ingest.outbox.Outbox`: publications that wait, in the order of their ids, and the batches that they go out in.

Publications that are written together share a row, a block (`storage.blocks`; decision 0020). A batch is a list of
their ids beside the blocks: numbering rewrites none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tidemill.core.codec import pack
from tidemill.core.errors import StaleWrite
from tidemill.core.transaction import Transaction
from tidemill.ingest.outbox import Lease, NumberedBatch, OutboxRow
from tidemill.ingest.publication import Publication
from tidemill.storage import blocks, bulk, leases
from tidemill.storage.database import Database
from tidemill.storage.session import Session, session_of
from tidemill.storage.tables import outbox_batches, outbox_blocks

BATCH_BYTES_MAX = 16_000_000
"""A batch ends with the publication that reaches it: the publisher holds one whole, and so does the Kafka client."""

_INSERT = bulk.insert(outbox_blocks, ("integration", "created_ms", "record_count", "publications"))
_LOAD = bulk.BulkSelect(outbox_blocks, ("id",), ("id", "publications"))
_DELETE = bulk.delete(outbox_blocks, ("id",))
_REWRITE = bulk.update(outbox_blocks, ("id",), ("record_count", "publications"))
# The oldest blocks, as many as fit whole, and the first in any case. Sizes are asked of them without reading them.
# The batches that are not finished come with them (as a rule there is none): one question instead of two.
_OLDEST = bulk.Query(
    "SELECT 0 AS is_batch, o.id, o.publications FROM (SELECT id, SUM(record_count) OVER (ORDER BY id) AS records,"
    " SUM(size) OVER (ORDER BY id) - size AS bytes_before, ROW_NUMBER() OVER (ORDER BY id) AS place"
    " FROM (SELECT id, record_count, LENGTH(publications) AS size FROM outbox_blocks WHERE integration = ?1"
    " ORDER BY id LIMIT ?2) AS first) AS w JOIN outbox_blocks AS o ON o.id = w.id"
    " WHERE w.place = 1 OR (w.records <= ?2 AND w.bytes_before < ?3)"
    " UNION ALL SELECT 1, number, row_ids FROM outbox_batches WHERE integration = ?1"
)
_BATCHES = bulk.Query("SELECT number, row_ids FROM outbox_batches WHERE integration = ?1 ORDER BY number")
_STORE = bulk.insert(outbox_batches, ("integration", "number", "row_ids"))
_FINISH = bulk.delete(outbox_batches, ("integration", "number"))
# One statement: between two of them the oldest row may go, and an integration that moves would look empty.
_DEPTHS = bulk.Query(
    "SELECT d.integration, d.depth, o.created_ms FROM (SELECT integration, CAST(SUM(record_count) AS BIGINT) AS depth,"
    " MIN(id) AS first_id FROM outbox_blocks GROUP BY integration) AS d JOIN outbox_blocks AS o ON o.id = d.first_id"
)

_decode_ids = msgspec.msgpack.Decoder(list[int]).decode


class StoredOutbox:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tx: Transaction, publications: Sequence[Publication]) -> None:
        add_publications(session_of(tx), publications)

    async def take_lease(self, integration: str, holder: str, now_ms: int, lease_ms: int) -> Lease | None:
        async with self._database.begin() as session:
            return await leases.take(session, integration, holder, now_ms, lease_ms)

    async def renew(self, lease: Lease, now_ms: int, lease_ms: int) -> bool:
        async with self._database.begin() as session:
            return await leases.renew(session, lease, now_ms, lease_ms)

    async def give_back(self, lease: Lease) -> None:
        async with self._database.begin() as session:
            await leases.give_back(session, lease)

    async def unfinished(self, lease: Lease) -> Sequence[NumberedBatch]:
        async with self._database.read() as session:
            batches = await _unfinished(session, lease.integration)
            return [NumberedBatch(number, await _rows(session, ids)) for number, ids in batches.items()]

    async def oldest(self, lease: Lease, rows_max: int, beside: int = 0) -> Sequence[OutboxRow]:
        async with self._database.read() as session:
            return await _oldest(session, lease.integration, rows_max, beside)

    async def number(self, tx: Transaction, lease: Lease, batch: NumberedBatch) -> None:
        session = session_of(tx)
        leases.lock(session, lease)
        _ = _store(session, lease, batch.number, batch.rows)

    async def number_rows(self, tx: Transaction, lease: Lease, number: int, ids: Sequence[int]) -> NumberedBatch:
        session = session_of(tx)
        leases.lock(session, lease)
        taken = {id_ for others in (await _unfinished(session, lease.integration)).values() for id_ in others}
        rows = await _rows(session, ids)
        if len(rows) != len(ids) or not taken.isdisjoint(ids):
            raise StaleWrite(f"publications of integration {lease.integration} are gone or in another batch")
        return _store(session, lease, number, rows)

    async def finish(self, tx: Transaction, lease: Lease, number: int, rows_gone: Sequence[int]) -> None:
        session = session_of(tx)
        leases.lock(session, lease)
        else_ = f"batch {number} of integration {lease.integration} is not there"
        _FINISH.write(session, [(lease.integration, number)], all_or=else_)
        whole, parts = blocks.by_block(rows_gone)
        if parts:
            whole += await _cut(session, parts)
        _DELETE.write(session, [(id_,) for id_ in sorted(whole)])

    async def backlog(self) -> Mapping[str, tuple[int, int]]:
        async with self._database.read() as session:
            depths = await _DEPTHS.run(session)
        return {integration: (depth, since_ms) for integration, depth, since_ms in depths}


def add_publications(session: Session, publications: Sequence[Publication]) -> None:
    """In order: their ids grow as they are given, those of each integration."""
    rows = []
    for block in blocks.cut(publications):
        first = block.publications[0]
        rows.append((first.integration, first.created_ms, len(block.publications), block.data))
    _INSERT.write(session, rows)


async def _oldest(session: Session, integration: str, rows_max: int, beside: int) -> list[OutboxRow]:
    """Those that no batch has."""
    answer = await _OLDEST.run(session, integration, rows_max + beside, BATCH_BYTES_MAX)
    taken = {id_ for is_batch, _, ids in answer if is_batch for id_ in _decode_ids(ids)}
    if len(taken) > beside:
        answer = await _OLDEST.run(session, integration, rows_max + len(taken), BATCH_BYTES_MAX)
    # Blocks of the batch that is under way, as a rule all that is taken: nobody needs to look into them.
    whole = set(blocks.by_block(sorted(taken))[0])
    oldest = sorted((id_, data) for is_batch, id_, data in answer if not is_batch and id_ not in whole)
    rows = [row for id_, data in oldest for row in blocks.rows(id_, data)]
    if taken:
        rows = [row for row in rows if row.id not in taken]
    del rows[rows_max:]
    if sum(len(data) for _, data in oldest) > BATCH_BYTES_MAX:
        del rows[blocks.fitting(rows, BATCH_BYTES_MAX) :]
    return rows


async def _unfinished(session: Session, integration: str) -> dict[int, list[int]]:
    return {number: _decode_ids(ids) for number, ids in await _BATCHES.run(session, integration)}


async def _rows(session: Session, ids: Sequence[int]) -> list[OutboxRow]:
    """Those that are there, in order."""
    wanted = set(ids)
    found = sorted(await _LOAD.run(session, [(block,) for block in {blocks.block_of(id_) for id_ in ids}]))
    return [row for block, data in found for row in blocks.rows(block, data) if row.id in wanted]


async def _cut(session: Session, parts: Mapping[int, set[int]]) -> list[int]:
    """Takes publications out of their blocks, and returns the blocks that have none left."""
    changed, empty = [], []
    for block, data in await _LOAD.run(session, [(block,) for block in parts]):
        left, rest = blocks.without(data, parts[block])
        if left:
            changed.append((block, left, rest))
        else:
            empty.append(block)
    _REWRITE.write(session, sorted(changed))
    return empty


def _store(session: Session, lease: Lease, number: int, rows: Sequence[OutboxRow]) -> NumberedBatch:
    leases.count_on(session, lease, number)
    _STORE.write(session, [(lease.integration, number, pack([row.id for row in rows]))])
    return NumberedBatch(number, rows)
