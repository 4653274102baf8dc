"""`access.ports.GroupStore`: groups of users."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import Select, delete, select

from tidemill.access.ports import Group, User
from tidemill.core.codec import from_json, to_json
from tidemill.core.errors import NotFound
from tidemill.core.transaction import Transaction
from tidemill.storage.access_tables import group_members, user_groups, users
from tidemill.storage.database import Database
from tidemill.storage.inserts import insert_into
from tidemill.storage.session import session_of
from tidemill.storage.text import storable

_GROUP = tuple(user_groups.c[name] for name in Group.__struct_fields__)
_USER = tuple(users.c[name] for name in User.__struct_fields__)


class StoredGroups:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def group(self, group_id: str) -> Group | None:
        found = await self._groups(select(*_GROUP).where(user_groups.c.id == storable(group_id)))
        return found[0] if found else None

    async def groups(self) -> Sequence[Group]:
        return await self._groups(select(*_GROUP).order_by(user_groups.c.id))

    async def groups_of(self, user_id: str) -> Sequence[Group]:
        theirs = group_members.c.user_id == storable(user_id)
        return await self._groups(select(*_GROUP).join(group_members).where(theirs).order_by(user_groups.c.id))

    async def members(self, group_id: str) -> Sequence[User]:
        inside = group_members.c.group_id == storable(group_id)
        async with self._database.read() as session:
            rows = await session.execute(select(*_USER).join(group_members).where(inside).order_by(users.c.id))
            return [User(**_read(row._mapping)) for row in rows]

    async def put_group(self, tx: Transaction, group: Group) -> None:
        values = {name: storable(value) if isinstance(value, str) else value for name, value in _fields(group).items()}
        values |= {key: to_json(values[key]).decode() for key in ("roles", "default_access")}
        session = session_of(tx)
        insert = insert_into(session, user_groups).values(values)
        await session.execute(insert.on_conflict_do_update(index_elements=[user_groups.c.id], set_=values))

    async def remove_group(self, tx: Transaction, group_id: str) -> None:
        result = await session_of(tx).execute(delete(user_groups).where(user_groups.c.id == storable(group_id)))
        if result.rowcount != 1:
            raise NotFound(f"there is no group {group_id!r}")

    async def add_members(self, tx: Transaction, group_id: str, user_ids: Collection[str]) -> None:
        session = session_of(tx)
        group = select(user_groups.c.id).where(user_groups.c.id == storable(group_id)).with_for_update()
        if (await session.execute(group)).first() is None:
            raise NotFound(f"there is no group {group_id!r}")
        wanted = {storable(user_id) for user_id in user_ids}
        rows = await session.execute(select(users.c.id).where(users.c.id.in_(wanted)).with_for_update())
        missing = wanted.difference(row.id for row in rows)
        if missing:
            raise NotFound(f"there is no user {', '.join(map(repr, sorted(missing)))}")
        if wanted:
            values = [{"group_id": group_id, "user_id": user_id} for user_id in sorted(wanted)]
            insert = insert_into(session, group_members)
            await session.execute(insert.values(values).on_conflict_do_nothing())

    async def remove_members(self, tx: Transaction, group_id: str, user_ids: Collection[str]) -> None:
        wanted = [storable(user_id) for user_id in user_ids]
        theirs = (group_members.c.group_id == storable(group_id), group_members.c.user_id.in_(wanted))
        await session_of(tx).execute(delete(group_members).where(*theirs))

    async def _groups(self, statement: Select[Any]) -> Sequence[Group]:
        async with self._database.read() as session:
            return [_group(row._mapping) for row in await session.execute(statement)]


def _fields(group: Group) -> dict[str, Any]:
    return msgspec.structs.asdict(group)


def _group(values: Any) -> Group:
    default = {kind: tuple(rights) for kind, rights in from_json(values["default_access"]).items()}
    return Group(**{**_read(values), "default_access": default})


def _read(values: Any) -> dict[str, Any]:
    return {**values, "roles": tuple(from_json(values["roles"]))}
