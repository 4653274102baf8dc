"""`access.ports.GrantStore` and `RoleStore`: rights on single things, and roles of the users' own making."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, delete, or_, select, tuple_

from tidemill.access.ports import CustomRole, Grant, GrantKind, Subject
from tidemill.core.codec import from_json, to_json
from tidemill.core.errors import NotFound
from tidemill.core.transaction import Transaction
from tidemill.storage.access_tables import grants, roles
from tidemill.storage.database import Database
from tidemill.storage.inserts import insert_into
from tidemill.storage.session import session_of
from tidemill.storage.text import storable

_C = grants.c
_GRANT = (_C.subject_kind, _C.subject, _C.kind, _C.name, _C.access)
_ROLE = tuple(roles.c[name] for name in CustomRole.__struct_fields__)


class StoredGrants:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, subjects: Collection[Subject]) -> Sequence[Grant]:
        by_kind: dict[str, set[str]] = {}
        for kind, name in subjects:
            by_kind.setdefault(kind, set()).add(storable(name))
        if not by_kind:
            return []
        theirs = or_(*(((_C.subject_kind == kind) & _C.subject.in_(names)) for kind, names in by_kind.items()))
        order = (_C.kind, _C.name, _C.access, _C.subject_kind, _C.subject)
        return await self._select(select(*_GRANT).where(theirs).order_by(*order))

    async def on(self, kind: GrantKind, name: str) -> Sequence[Grant]:
        found = select(*_GRANT).where(_C.kind == kind, _C.name == storable(name))
        return await self._select(found.order_by(_C.access, _C.subject_kind, _C.subject))

    async def add(self, tx: Transaction, grants_given: Collection[Grant]) -> None:
        if not grants_given:
            return
        session = session_of(tx)
        insert = insert_into(session, grants)
        values = [dict(zip((column.name for column in _GRANT), row, strict=True)) for row in _rows(grants_given)]
        await session.execute(insert.values(values).on_conflict_do_nothing())

    async def remove(self, tx: Transaction, grants_taken: Collection[Grant]) -> None:
        await session_of(tx).execute(delete(grants).where(tuple_(*_GRANT).in_(_rows(grants_taken))))

    async def remove_subject(self, tx: Transaction, subject: Subject) -> None:
        theirs = (_C.subject_kind == subject[0], _C.subject == storable(subject[1]))
        await session_of(tx).execute(delete(grants).where(*theirs))

    async def remove_thing(self, tx: Transaction, kind: GrantKind, name: str) -> None:
        await session_of(tx).execute(delete(grants).where(_C.kind == kind, _C.name == storable(name)))

    async def _select(self, statement: Select[Any]) -> Sequence[Grant]:
        async with self._database.read() as session:
            return [Grant(*row) for row in await session.execute(statement)]


class StoredRoles:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def roles(self) -> Sequence[CustomRole]:
        return await self._select(select(*_ROLE).order_by(roles.c.name))

    async def load(self, names: Collection[str]) -> Sequence[CustomRole]:
        if not names:
            return []
        wanted = roles.c.name.in_(list(map(storable, names)))
        return await self._select(select(*_ROLE).where(wanted).order_by(roles.c.name))

    async def put(self, tx: Transaction, role: CustomRole) -> None:
        values = msgspec.structs.asdict(role)
        values |= {key: to_json(values[key]).decode() for key in ("permissions", "actions")}
        session = session_of(tx)
        insert = insert_into(session, roles).values(values)
        await session.execute(insert.on_conflict_do_update(index_elements=[roles.c.name], set_=values))

    async def remove(self, tx: Transaction, name: str) -> None:
        result = await session_of(tx).execute(delete(roles).where(roles.c.name == storable(name)))
        if result.rowcount != 1:
            raise NotFound(f"there is no role {name!r}")

    async def _select(self, statement: Select[Any]) -> Sequence[CustomRole]:
        async with self._database.read() as session:
            return [
                CustomRole(row.name, _texts(row.permissions), _texts(row.actions), row.created_ms, row.updated_ms)
                for row in await session.execute(statement)
            ]


def _rows(given: Collection[Grant]) -> list[tuple[str, ...]]:
    return [tuple(storable(str(text)) for text in msgspec.structs.astuple(grant)) for grant in given]


def _texts(stored: str) -> tuple[str, ...]:
    return tuple(from_json(stored))
