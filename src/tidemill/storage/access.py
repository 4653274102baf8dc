"""`access.ports.PrincipalStore` and `AuditLog`: users, applications with their keys, and who did what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, RowMapping, Table, delete, insert, select, update

from tidemill.access.ports import AccessKey, Application, AuditEntry, User
from tidemill.core.codec import from_json, to_json
from tidemill.core.errors import Conflict, NotFound
from tidemill.core.transaction import Transaction
from tidemill.storage import bulk
from tidemill.storage.access_tables import access_keys, applications, audit, users
from tidemill.storage.database import Database
from tidemill.storage.session import Session, session_of
from tidemill.storage.text import storable

S = TypeVar("S", User, Application, AccessKey)

_ADD_AUDIT = bulk.insert(audit, AuditEntry.__struct_fields__)
_AUDIT = select(*(audit.c[name] for name in AuditEntry.__struct_fields__)).order_by(audit.c.id.desc())


class StoredPrincipals:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def user(self, user_id: str) -> User | None:
        return _first(await self._select(User, users, users.c.id == storable(user_id)))

    async def users(self) -> Sequence[User]:
        return await self._select(User, users)

    async def add_user(self, tx: Transaction, user: User) -> None:
        await _add(session_of(tx), users, user)

    async def replace_user(self, tx: Transaction, user: User) -> None:
        await _replace(session_of(tx), users, user)

    async def remove_user(self, tx: Transaction, user_id: str) -> None:
        await _remove(session_of(tx), users, user_id)

    async def application(self, application_id: str) -> Application | None:
        return _first(await self._select(Application, applications, applications.c.id == storable(application_id)))

    async def applications(self) -> Sequence[Application]:
        return await self._select(Application, applications)

    async def add_application(self, tx: Transaction, application: Application) -> None:
        await _add(session_of(tx), applications, application)

    async def replace_application(self, tx: Transaction, application: Application) -> None:
        await _replace(session_of(tx), applications, application)

    async def remove_application(self, tx: Transaction, application_id: str) -> None:
        await _remove(session_of(tx), applications, application_id)

    async def key(self, key_id: str) -> AccessKey | None:
        return _first(await self._select(AccessKey, access_keys, access_keys.c.id == storable(key_id)))

    async def keys(self, application_id: str) -> Sequence[AccessKey]:
        return await self._select(AccessKey, access_keys, access_keys.c.application_id == storable(application_id))

    async def add_key(self, tx: Transaction, key: AccessKey) -> None:
        session = session_of(tx)
        await _lock(session, applications, key.application_id)
        await _add(session, access_keys, key)

    async def replace_key(self, tx: Transaction, key: AccessKey) -> None:
        await _replace(session_of(tx), access_keys, key)

    async def remove_key(self, tx: Transaction, key_id: str) -> None:
        await _remove(session_of(tx), access_keys, key_id)

    async def _select(self, kind: type[S], table: Table, *conditions: ColumnElement[bool]) -> Sequence[S]:
        async with self._database.read() as session:
            rows = await session.execute(select(table).where(*conditions).order_by(table.c.id))
            return [_decoded(kind, row._mapping) for row in rows]


class StoredAuditLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, tx: Transaction, entries: Sequence[AuditEntry]) -> None:
        _ADD_AUDIT.write(session_of(tx), sorted(map(_audited, entries)))

    async def find(self, *, principal: str | None, limit: int, before_id: str | None) -> Sequence[AuditEntry]:
        statement = _AUDIT.limit(limit)
        if principal is not None:
            statement = statement.where(audit.c.principal == storable(principal))
        if before_id is not None:
            statement = statement.where(audit.c.id < storable(before_id))
        async with self._database.read() as session:
            return [
                AuditEntry(**{**row._mapping, "detail": from_json(row.detail)})
                for row in await session.execute(statement)
            ]


async def _add(session: Session, table: Table, entry: User | Application | AccessKey) -> None:
    values = _encoded(entry)
    # Asked first, as PostgreSQL takes nothing more in a transaction that met a duplicate.
    if (await session.execute(select(table.c.id).where(table.c.id == values["id"]))).first() is not None:
        raise Conflict(f"{_noun(table)} {entry.id!r} exists already")
    await session.execute(insert(table).values(values))


async def _replace(session: Session, table: Table, entry: User | Application | AccessKey) -> None:
    values = _encoded(entry)
    result = await session.execute(update(table).where(table.c.id == values.pop("id")).values(values))
    if result.rowcount != 1:
        raise NotFound(f"{_noun(table)} {entry.id!r} does not exist")


async def _remove(session: Session, table: Table, entry_id: str) -> None:
    result = await session.execute(delete(table).where(table.c.id == storable(entry_id)))
    if result.rowcount != 1:
        raise NotFound(f"{_noun(table)} {entry_id!r} does not exist")


async def _lock(session: Session, table: Table, entry_id: str) -> None:
    """Nobody removes it before this transaction has ended."""
    found = await session.execute(select(table.c.id).where(table.c.id == storable(entry_id)).with_for_update())
    if found.first() is None:
        raise NotFound(f"{_noun(table)} {entry_id!r} does not exist")


def _noun(table: Table) -> str:
    return table.name.removesuffix("s").replace("_", " ")


def _encoded(entry: User | Application | AccessKey) -> dict[str, Any]:
    values = {name: storable(value) if isinstance(value, str) else value for name, value in _fields(entry)}
    if "roles" in values:
        values["roles"] = to_json(values["roles"]).decode()
    return values


def _fields(entry: User | Application | AccessKey) -> list[tuple[str, Any]]:
    return [(name, getattr(entry, name)) for name in entry.__struct_fields__]


def _decoded(kind: type[S], values: RowMapping) -> S:
    fields = dict(values)
    if "roles" in fields:
        fields["roles"] = tuple(from_json(fields["roles"]))
    return kind(**fields)


def _audited(entry: AuditEntry) -> bulk.Row:
    head = (entry.id, entry.at_ms, storable(entry.principal), entry.action, storable(entry.resource), entry.outcome)
    return (*head, storable(to_json(entry.detail).decode()))


def _first(entries: Sequence[S]) -> S | None:
    return entries[0] if entries else None
