"""Rights on single things, and roles of the users' own making, in memory, with the promises of `access.ports`."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from tidemill.access.ports import CustomRole, Grant, GrantKind, Subject
from tidemill.core.errors import NotFound
from tidemill.core.transaction import Transaction


class MemoryGrants:
    """`access.ports.GrantStore`."""

    def __init__(self) -> None:
        self.rows: set[Grant] = set()

    async def of(self, subjects: Collection[Subject]) -> Sequence[Grant]:
        found = [row for row in self.rows if (row.subject_kind, row.subject) in subjects]
        return sorted(found, key=lambda row: (row.kind, row.name, row.right, row.subject_kind, row.subject))

    async def on(self, kind: GrantKind, name: str) -> Sequence[Grant]:
        found = [row for row in self.rows if (row.kind, row.name) == (kind, name)]
        return sorted(found, key=lambda row: (row.right, row.subject_kind, row.subject))

    async def add(self, tx: Transaction, grants: Collection[Grant]) -> None:
        self.rows |= set(grants)

    async def remove(self, tx: Transaction, grants: Collection[Grant]) -> None:
        self.rows -= set(grants)

    async def remove_subject(self, tx: Transaction, subject: Subject) -> None:
        self.rows = {row for row in self.rows if (row.subject_kind, row.subject) != subject}

    async def remove_thing(self, tx: Transaction, kind: GrantKind, name: str) -> None:
        self.rows = {row for row in self.rows if (row.kind, row.name) != (kind, name)}


class MemoryRoles:
    """`access.ports.RoleStore`."""

    def __init__(self) -> None:
        self.by_name: dict[str, CustomRole] = {}

    async def roles(self) -> Sequence[CustomRole]:
        return await self.load(self.by_name)

    async def load(self, names: Collection[str]) -> Sequence[CustomRole]:
        return [self.by_name[name] for name in sorted(names) if name in self.by_name]

    async def put(self, tx: Transaction, role: CustomRole) -> None:
        self.by_name[role.name] = msgspec.structs.replace(role)

    async def remove(self, tx: Transaction, name: str) -> None:
        if name not in self.by_name:
            raise NotFound(name)
        del self.by_name[name]
