"""`ingest.ports.Positions`: the next offset of each partition, moved by compare-and-set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, select

from tidemill.core.transaction import Transaction
from tidemill.ingest.ports import Move, Position
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import GroupKey
from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.session import session_of
from tidemill.storage.tables import positions

_KEY = ("integration", "consumer_group", "topic", "partition")
_LOAD = select(positions.c.topic, positions.c.partition, positions.c.topic_id, positions.c.next_offset).where(
    positions.c.integration == bindparam("integration"), positions.c.consumer_group == bindparam("group")
)
_INSERT = bulk.insert(positions, (*_KEY, "topic_id", "next_offset"))
_UPDATE = bulk.update(positions, (*_KEY, "topic_id", "next_offset"), ("topic_id", "next_offset"))


class StoredPositions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, key: GroupKey) -> Mapping[PartitionKey, Position]:
        async with self._database.read() as session:
            rows = await session.execute(_LOAD, {"integration": key.integration, "group": key.group})
            return {PartitionKey(row.topic, row.partition): Position(row.topic_id, row.next_offset) for row in rows}

    async def move(self, tx: Transaction, key: GroupKey, moves: Sequence[Move]) -> None:
        session = session_of(tx)
        inserts, updates = [], []
        for move in moves:
            row = (key.integration, key.group, move.partition.topic, move.partition.partition)
            to = (move.to.topic_id, move.to.next_offset)
            if move.from_ is None:
                inserts.append((*row, *to))
            else:
                updates.append((*row, move.from_.topic_id, move.from_.next_offset, *to))
        _UPDATE.write(session, sorted(updates), all_or=f"positions of group {key.group} were moved by another worker")
        _INSERT.write(session, sorted(inserts))
