"""`access.ports.SecretStore`: named secrets as ciphertext."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import delete, select

from tidemill.access.ports import KeptSecret
from tidemill.core.errors import NotFound
from tidemill.core.transaction import Transaction
from tidemill.storage.access_tables import secrets
from tidemill.storage.database import Database
from tidemill.storage.definitions import count_change
from tidemill.storage.inserts import insert_into
from tidemill.storage.session import session_of
from tidemill.storage.text import storable

_SECRET = tuple(secrets.c[name] for name in KeptSecret.__struct_fields__)


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
        await count_change(session)
        insert = insert_into(session, secrets).values(values)
        await session.execute(insert.on_conflict_do_update(index_elements=[secrets.c.name], set_=values))

    async def remove(self, tx: Transaction, name: str) -> None:
        session = session_of(tx)
        await count_change(session)
        result = await session.execute(delete(secrets).where(secrets.c.name == storable(name)))
        if result.rowcount != 1:
            raise NotFound(f"there is no secret {name!r}")
