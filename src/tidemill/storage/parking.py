"""`ingest.ports.Parking`: records that wait for their route, in order per route and partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, func, select

from tidemill.core.transaction import Transaction
from tidemill.ingest.ports import Parked, ParkedQueue
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.subscription import GroupKey
from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.session import Session, session_of
from tidemill.storage.tables import parked
from tidemill.storage.text import storable

DUE_BYTES_MAX = 8_000_000
"""Of records that are given out at once; they are in memory together, and in one transaction."""

_OF_GROUP = and_(
    parked.c.integration == bindparam("integration"), parked.c.consumer_group == bindparam("consumer_group")
)
_QUEUE = (parked.c.route, parked.c.topic, parked.c.partition)
_COUNTS = select(*_QUEUE, func.count().label("waiting")).where(_OF_GROUP).group_by(*_QUEUE)
_QUEUES = select(parked.c.integration, parked.c.consumer_group, *_QUEUE).distinct()
_FIRSTS = select(func.min(parked.c.id).label("id")).where(_OF_GROUP).group_by(*_QUEUE).subquery()
_DUE_HEADS = (
    select(*_QUEUE)
    .join(_FIRSTS, parked.c.id == _FIRSTS.c.id)
    .where(parked.c.due_ms <= bindparam("now_ms"))
    .order_by(parked.c.due_ms, parked.c.id)
)
_COLUMNS = ("id", "route", "record", "attempts", "first_at_ms", "due_ms", "reason")
_SIZES = (
    select(parked.c.id, func.length(parked.c.record).label("size"))
    .where(_OF_GROUP, *(column == bindparam(column.name) for column in _QUEUE))
    .order_by(parked.c.id)
    .limit(bindparam("count"))
    .subquery()
)
_RUNNING = select(_SIZES, func.sum(_SIZES.c.size).over(order_by=_SIZES.c.id).label("total")).subquery()
_FIRST_OF_QUEUE = (
    select(*(parked.c[name] for name in _COLUMNS), _RUNNING.c.size)
    .join(_RUNNING, parked.c.id == _RUNNING.c.id)
    .where(_RUNNING.c.total - _RUNNING.c.size < bindparam("bytes"))
    .order_by(parked.c.id)
)
_WHERE = ("integration", "consumer_group", "route", "topic", "partition")
_INSERT = bulk.insert(parked, (*_WHERE, "attempts", "first_at_ms", "due_ms", "reason", "record"))
_DELETE = bulk.delete(parked, ("id",))
_POSTPONE = bulk.update(parked, ("id",), ("attempts", "due_ms", "reason"))

_TAKEN = "parked records have been taken by another worker"

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Record).decode


class StoredParking:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def blocked(self, key: GroupKey) -> Mapping[tuple[str, PartitionKey], int]:
        async with self._database.read() as session:
            rows = await session.execute(_COUNTS, _group(key))
            return {(row.route, PartitionKey(row.topic, row.partition)): row.waiting for row in rows}

    async def queues(self) -> Sequence[ParkedQueue]:
        async with self._database.read() as session:
            return [
                ParkedQueue(
                    GroupKey(row.integration, row.consumer_group), row.route, PartitionKey(row.topic, row.partition)
                )
                for row in await session.execute(_QUEUES)
            ]

    async def due(
        self, key: GroupKey, partitions: frozenset[PartitionKey], now_ms: int, limit: int
    ) -> Sequence[Parked]:
        """The limits are shared among the heads, so that one long queue does not keep the others waiting."""
        async with self._database.read() as session:
            rows = await session.execute(_DUE_HEADS, {**_group(key), "now_ms": now_ms})
            heads = [row for row in rows if PartitionKey(row.topic, row.partition) in partitions][:limit]
            found: list[Parked] = []
            bytes_left = DUE_BYTES_MAX
            for index, head in enumerate(heads):
                if bytes_left <= 0:
                    break
                share = {"count": (limit - len(found)) // (len(heads) - index), "bytes": bytes_left}
                firsts, size = await _firsts(session, {**_group(key), **head._mapping, **share})
                found += firsts
                bytes_left -= size
            return found

    async def add(self, tx: Transaction, key: GroupKey, parked: Sequence[Parked]) -> None:
        _INSERT.write(session_of(tx), [_row(key, each) for each in parked])

    async def remove(self, tx: Transaction, ids: Sequence[int]) -> None:
        _DELETE.write(session_of(tx), [(id_,) for id_ in sorted(ids)], all_or=_TAKEN)

    async def postpone(self, tx: Transaction, parked: Parked) -> None:
        row = (parked.id, parked.attempts, parked.due_ms, storable(parked.reason))
        _POSTPONE.write(session_of(tx), [row], all_or=_TAKEN)


async def _firsts(session: Session, values: Mapping[str, Any]) -> tuple[list[Parked], int]:
    """And their size."""
    rows = (await session.execute(_FIRST_OF_QUEUE, values)).all()
    firsts = [
        Parked(row.id, row.route, _decode(row.record), row.attempts, row.first_at_ms, row.due_ms, row.reason)
        for row in rows
    ]
    return firsts, sum(row.size for row in rows)


def _group(key: GroupKey) -> dict[str, Any]:
    return {"integration": key.integration, "consumer_group": key.group}


def _row(key: GroupKey, parked: Parked) -> bulk.Row:
    record = parked.record
    where = (key.integration, key.group, parked.route, record.topic, record.partition)
    return (*where, parked.attempts, parked.first_at_ms, parked.due_ms, storable(parked.reason), _encode(record))
