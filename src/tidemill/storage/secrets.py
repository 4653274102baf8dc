"""`access.ports.SecretStore` and `TagStore`: named secrets as ciphertext, and tags."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from tidemill.access.ports import KeptSecret, Tagged, TaggedKind
from tidemill.core.errors import NotFound
from tidemill.core.transaction import Transaction
from tidemill.storage.database import Database
from tidemill.storage.session import session_of
from tidemill.storage.tables import secrets, tags
from tidemill.storage.text import storable

_SECRET = tuple(secrets.c[name] for name in KeptSecret.__struct_fields__)
_TAG = tuple(tags.c[name] for name in Tagged.__struct_fields__)


class StoredSecrets:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def names(self) -> Sequence[str]:
        async with self._database.read() as session:
            return [row.name for row in await session.execute(select(secrets.c.name).order_by(secrets.c.name))]

    async def load(self, names: Collection[str]) -> Sequence[KeptSecret]:
        wanted = secrets.c.name.in_([storable(name) for name in names])
        async with self._database.read() as session:
            rows = await session.execute(select(*_SECRET).where(wanted).order_by(secrets.c.name))
            return [KeptSecret(*row) for row in rows]

    async def put(self, tx: Transaction, secret: KeptSecret) -> None:
        values = msgspec.structs.asdict(secret)
        session = session_of(tx)
        insert = (postgresql.insert(secrets) if session.is_postgres else sqlite.insert(secrets)).values(values)
        await session.execute(insert.on_conflict_do_update(index_elements=[secrets.c.name], set_=values))

    async def remove(self, tx: Transaction, name: str) -> None:
        result = await session_of(tx).execute(delete(secrets).where(secrets.c.name == storable(name)))
        if result.rowcount != 1:
            raise NotFound(f"there is no secret {name!r}")


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

    async def add(self, tx: Transaction, tagged: Collection[Tagged]) -> None:
        if not tagged:
            return
        session = session_of(tx)
        insert = postgresql.insert(tags) if session.is_postgres else sqlite.insert(tags)
        values = [msgspec.structs.asdict(tag) for tag in tagged]
        await session.execute(insert.values(values).on_conflict_do_nothing())

    async def remove(self, tx: Transaction, tagged: Collection[Tagged]) -> None:
        rows = [tuple(storable(str(text)) for text in msgspec.structs.astuple(tag)) for tag in tagged]
        await session_of(tx).execute(delete(tags).where(tuple_(*_TAG).in_(rows)))

    async def remove_all(self, tx: Transaction, kind: TaggedKind, name: str) -> None:
        await session_of(tx).execute(delete(tags).where(tags.c.kind == kind, tags.c.name == storable(name)))
