"""What an installation knows of itself: a few names with a value each."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from tidemill.core.ids import new_id
from tidemill.storage.database import Database
from tidemill.storage.inserts import insert_into
from tidemill.storage.session import Session
from tidemill.storage.tables import meta

_GET = select(meta.c.value).where(meta.c.name == bindparam("name"))
_INSTALLATION_ID = "installation_id"


class Meta:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, name: str) -> str | None:
        async with self._database.read() as session:
            return await _value(session, name)

    async def keep(self, name: str, value: str) -> str:
        """Stores the value unless there is one; returns what is stored. The first of several processes wins."""
        async with self._database.begin() as session:
            insert = insert_into(session, meta)
            await session.execute(insert.values(name=name, value=value).on_conflict_do_nothing())
            return await _value(session, name) or value

    async def put(self, name: str, value: str) -> None:
        """Stores the value, whatever there was."""
        async with self._database.begin() as session:
            stored = insert_into(session, meta).values(name=name, value=value)
            await session.execute(stored.on_conflict_do_update(index_elements=[meta.c.name], set_={"value": value}))

    async def installation_id(self) -> str:
        """Made once, the same ever after: names this installation towards Kafka."""
        stored = await self.get(_INSTALLATION_ID)
        return stored or await self.keep(_INSTALLATION_ID, new_id(self._database.clock.now_ms()))


async def _value(session: Session, name: str) -> str | None:
    found: str | None = (await session.execute(_GET, {"name": name})).scalar()
    return found
