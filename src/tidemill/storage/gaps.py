"""`ingest.ports.Gaps`: offsets that were gone before they could be read."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from tidemill.core.transaction import Transaction
from tidemill.ingest.ports import Gap
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import GroupKey
from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.session import session_of
from tidemill.storage.tables import gaps

_INSERT = bulk.insert(
    gaps,
    ("integration", "consumer_group", "topic", "partition", "first_offset", "last_offset", "reason", "at_ms"),
)
_NEWEST_FIRST = select(gaps).order_by(gaps.c.id.desc())


class StoredGaps:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tx: Transaction, key: GroupKey, gaps: Sequence[Gap]) -> None:
        _INSERT.write(session_of(tx), [_row(key, gap) for gap in gaps])

    async def find(self, integration: str | None, limit: int) -> Sequence[tuple[GroupKey, Gap]]:
        """Newest first."""
        statement = _NEWEST_FIRST.limit(limit)
        if integration is not None:
            statement = statement.where(gaps.c.integration == integration)
        async with self._database.read() as session:
            return [
                (
                    GroupKey(row.integration, row.consumer_group),
                    Gap(
                        PartitionKey(row.topic, row.partition), row.first_offset, row.last_offset, row.reason, row.at_ms
                    ),
                )
                for row in await session.execute(statement)
            ]


def _row(key: GroupKey, gap: Gap) -> bulk.Row:
    where = (key.integration, key.group, gap.partition.topic, gap.partition.partition)
    return (*where, gap.first, gap.last, gap.reason, gap.at_ms)
