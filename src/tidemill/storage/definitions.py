"""`core.definitions.DefinitionStore`: every save a row, the current one marked, one counter for all changes.

Saves take the counter's row first, so they happen one after another on both databases. A transaction that
verifies the revision reads it as committed: if a save commits after that read, the transaction simply came
before the save, as what it writes depends on the definitions and nothing of the save depends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, select, tuple_, update

from tidemill.core.definitions import Definition, Expect, Kind
from tidemill.core.errors import Conflict, NotFound
from tidemill.core.transaction import Transaction
from tidemill.storage import bulk
from tidemill.storage.database import Database
from tidemill.storage.inserts import insert_into
from tidemill.storage.session import Session, session_of
from tidemill.storage.tables import counters, definitions

_COUNTER = "definitions"
_REVISION = bulk.Query("SELECT value FROM counters WHERE name = ?1")
_IS_AT = bulk.Condition("counters", "SELECT 1 WHERE COALESCE((SELECT value FROM counters WHERE name = ?1), 0) = ?2")
_COLUMNS = (
    definitions.c.kind,
    definitions.c.name,
    definitions.c.version,
    definitions.c.save,
    definitions.c.document,
    definitions.c.findings,
    definitions.c.author,
    definitions.c.created_ms,
    definitions.c.updated_ms,
)
_OF_KIND = definitions.c.kind == bindparam("kind")
_OF_NAME = and_(_OF_KIND, definitions.c.name == bindparam("name"))
_OF_VERSION = and_(_OF_NAME, definitions.c.version == bindparam("version"))
_CURRENT = definitions.c.is_current.is_(True)

_ALL = select(*_COLUMNS).where(_OF_KIND, _CURRENT).order_by(definitions.c.name, definitions.c.version)
_HIGHEST = select(*_COLUMNS).where(_OF_NAME, _CURRENT).order_by(definitions.c.version.desc()).limit(1)
_ONE = select(*_COLUMNS).where(_OF_VERSION, _CURRENT)
_SAVES = select(*_COLUMNS).where(_OF_VERSION).order_by(definitions.c.save.desc())
_SAVE = select(*_COLUMNS).where(_OF_VERSION, definitions.c.save == bindparam("save"))
_PLACE_COLUMNS = (definitions.c.name, definitions.c.version, definitions.c.save)
_PLACE = tuple_(*_PLACE_COLUMNS)
_PAST = select(func.max(definitions.c.save), func.min(definitions.c.created_ms), func.count().filter(_CURRENT)).where(
    _OF_VERSION
)


class StoredDefinitions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def revision(self) -> int:
        async with self._database.read() as session:
            return await _revision(session)

    async def verify(self, tx: Transaction, revision: int) -> None:
        verify_revision(session_of(tx), revision)

    async def all(self, kind: Kind) -> Sequence[Definition]:
        return await self._select(_ALL, kind=kind)

    async def get(self, kind: Kind, name: str, version: int | None = None) -> Definition | None:
        if version is None:
            found = await self._select(_HIGHEST, kind=kind, name=name)
        else:
            found = await self._select(_ONE, kind=kind, name=name, version=version)
        return found[0] if found else None

    async def save_of(self, kind: Kind, name: str, version: int, save: int) -> Definition | None:
        found = await self._select(_SAVE, kind=kind, name=name, version=version, save=save)
        return found[0] if found else None

    async def saves(self, kind: Kind, name: str, version: int) -> Sequence[Definition]:
        return await self._select(_SAVES, kind=kind, name=name, version=version)

    async def saves_after(self, kind: Kind, last: Definition | None, limit: int) -> Sequence[Definition]:
        """All saves of a kind, also of what was removed, by name, version and save; after that one."""
        after = ("", 0, 0) if last is None else (last.name, last.version, last.save)
        statement = select(*_COLUMNS).where(_OF_KIND, tuple_(*after) < _PLACE).order_by(*_PLACE_COLUMNS).limit(limit)
        return await self._select(statement, kind=kind)

    async def rewrite(self, saves: Sequence[tuple[Definition, bytes]]) -> None:
        """Puts a document in the place of each one's own. A change, for those that keep what they have read."""
        async with self._database.begin() as session:
            await count_change(session)
            for save, document in saves:
                key = {"kind": save.kind, "name": save.name, "version": save.version, "save": save.save}
                await session.execute(update(definitions).where(_same(key)).values(document=document))

    async def put(
        self,
        kind: Kind,
        name: str,
        version: int,
        document: bytes,
        findings: bytes,
        author: str,
        now_ms: int,
        *,
        expect: Expect = "any",
    ) -> Definition:
        key = {"kind": kind, "name": name, "version": version}
        async with self._database.begin() as session:
            await count_change(session)
            last_save, created_ms, is_there = (await session.execute(_PAST, key)).one()
            if is_there and expect == "absent":
                raise Conflict(f"{_label(kind, name, version)} exists already")
            if not is_there and expect == "present":
                raise NotFound(f"{_label(kind, name, version)} does not exist")
            saved = Definition(
                kind, name, version, (last_save or 0) + 1, document, findings, author, created_ms or now_ms, now_ms
            )
            await session.execute(update(definitions).where(_same(key), _CURRENT).values(is_current=False))
            values = {column.name: getattr(saved, column.name) for column in _COLUMNS}
            await session.execute(insert(definitions).values(**values, is_current=True))
        return saved

    async def remove(self, kind: Kind, name: str, version: int, author: str, now_ms: int) -> None:
        key = {"kind": kind, "name": name, "version": version}
        gone = {"is_current": False, "removed_by": author, "removed_ms": now_ms}
        async with self._database.begin() as session:
            await count_change(session)
            result = await session.execute(update(definitions).where(_same(key), _CURRENT).values(gone))
            if result.rowcount == 0:
                raise NotFound(f"{_label(kind, name, version)} does not exist")

    async def _select(self, statement: Any, **key: Any) -> Sequence[Definition]:
        async with self._database.read() as session:
            return [Definition(*row) for row in await session.execute(statement, key)]


def verify_revision(session: Session, revision: int) -> None:
    """With the commit at the latest, which raises `StaleWrite` unless the definitions are at this revision."""
    _IS_AT.require(session, (_COUNTER, revision), f"the definitions are no longer at revision {revision}")


async def _revision(session: Session) -> int:
    rows = await _REVISION.run(session, _COUNTER)
    return int(rows[0][0]) if rows else 0


async def count_change(session: Session) -> None:
    """Counts one change of definitions, or of what they are built with, and lets no other in until this one is
    through."""
    first = insert_into(session, counters).values(name=_COUNTER, value=1)
    await session.execute(
        first.on_conflict_do_update(index_elements=[counters.c.name], set_={"value": counters.c.value + 1})
    )


def _same(key: dict[str, Any]) -> ColumnElement[bool]:
    return and_(*(definitions.c[name] == value for name, value in key.items()))


def _label(kind: Kind, name: str, version: int) -> str:
    title = f"{kind.replace('_', ' ')} {name!r}"
    return f"{title} version {version}" if kind in ("workflow", "schema") else title
