"""`access.ports.TagStore`: tags, by what they hang on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import delete, select, tuple_

from tidemill.access.ports import Tagged, TaggedKind
from tidemill.core.transaction import Transaction
from tidemill.storage.access_tables import tags
from tidemill.storage.database import Database
from tidemill.storage.inserts import insert_into
from tidemill.storage.session import session_of
from tidemill.storage.text import storable

_TAG = tuple(tags.c[name] for name in Tagged.__struct_fields__)


class StoredTags:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, kind: TaggedKind | None = None, name: str | None = None) -> Sequence[Tagged]:
        statement = select(*_TAG).order_by(*_TAG)
        if kind is not None:
            statement = statement.where(tags.c.kind == kind)
        if name is not None:
            statement = statement.where(tags.c.name == storable(name))
        async with self._database.read() as session:
            return [Tagged(*row) for row in await session.execute(statement)]

    async def having(self, tags_wanted: Collection[tuple[str, str]]) -> Sequence[Tagged]:
        if not tags_wanted:
            return []
        wanted = [(storable(key), storable(value)) for key, value in tags_wanted]
        statement = select(*_TAG).where(tuple_(tags.c.key, tags.c.value).in_(wanted)).order_by(*_TAG)
        async with self._database.read() as session:
            return [Tagged(*row) for row in await session.execute(statement)]

    async def add(self, tx: Transaction, tagged: Collection[Tagged]) -> None:
        if not tagged:
            return
        session = session_of(tx)
        insert = insert_into(session, tags)
        values = [msgspec.structs.asdict(tag) for tag in tagged]
        await session.execute(insert.values(values).on_conflict_do_nothing())

    async def remove(self, tx: Transaction, tagged: Collection[Tagged]) -> None:
        rows = [tuple(storable(str(text)) for text in msgspec.structs.astuple(tag)) for tag in tagged]
        await session_of(tx).execute(delete(tags).where(tuple_(*_TAG).in_(rows)))

    async def remove_all(self, tx: Transaction, kind: TaggedKind, name: str) -> None:
        await session_of(tx).execute(delete(tags).where(tags.c.kind == kind, tags.c.name == storable(name)))
