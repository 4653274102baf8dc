"""Roles of the users' own making: named sets of actions, changed at any time for all who have them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from tidemill.access.actions import Action
from tidemill.access.audit import Audit
from tidemill.access.ceiling import Ceiling
from tidemill.access.ports import CustomRole, GrantStore, GroupStore, PrincipalStore, RoleStore
from tidemill.access.principal import Principal
from tidemill.access.roles import ROLES
from tidemill.access.service import Access
from tidemill.core.clock import Clock
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.core.transaction import Transactions

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,99}")


class CustomRoles:
    """Every change is in the audit log."""

    def __init__(
        self,
        store: RoleStore,
        principals: PrincipalStore,
        groups: GroupStore,
        grants: GrantStore,
        ceiling: Ceiling,
        access: Access,
        audit: Audit,
        transactions: Transactions,
        clock: Clock,
    ) -> None:
        self._store = store
        self._principals = principals
        self._groups = groups
        self._grants = grants
        self._ceiling = ceiling
        self._access = access
        self._audit = audit
        self._transactions = transactions
        self._clock = clock

    async def all(self) -> Sequence[CustomRole]:
        return await self._store.roles()

    async def get(self, name: str) -> CustomRole:
        """Raises `NotFound`."""
        found = await self._store.load([name])
        if not found:
            raise NotFound(f"there is no role {name!r}")
        return found[0]

    async def create(
        self, name: str, permissions: Collection[str], allowed: Collection[Action], author: Principal
    ) -> CustomRole:
        """Raises `BadInput` for a name that is none, `Conflict` where it is taken, and `Forbidden` for what the author
        may not."""
        if not _NAME.fullmatch(name):
            raise BadInput("the name of a role begins with a letter and has at most 100 of A-Z a-z 0-9 _ . -")
        if name in ROLES or await self._store.load([name]):
            raise Conflict(f"the role {name!r} exists already")
        return await self._put(name, permissions, allowed, author, "role.create", self._clock.now_ms())

    async def replace(
        self, name: str, permissions: Collection[str], allowed: Collection[Action], author: Principal
    ) -> CustomRole:
        """Counts at once for all who have the role. Raises `NotFound`, `Forbidden`."""
        known = await self.get(name)
        await self._ceiling.check(author, f"role:{name}", [name])
        return await self._put(name, permissions, allowed, author, "role.replace", known.created_ms)

    async def remove(self, name: str, author: Principal) -> None:
        """Raises `NotFound`, and `Conflict` while somebody has it: one of that name would be another role."""
        await self.get(name)
        await self._ceiling.check(author, f"role:{name}", [name])
        holders = await self._holders(name)
        if holders:
            raise Conflict(f"take the role {name!r} from {', '.join(holders[:5])} first")
        async with self._transactions.begin() as tx:
            await self._store.remove(tx, name)
            await self._grants.remove_subject(tx, ("role", name))
            await self._audit.changed_in(tx, author.id, "role.remove", f"role:{name}")
        self._access.forget_sessions()

    async def _put(
        self,
        name: str,
        permissions: Collection[str],
        allowed: Collection[Action],
        author: Principal,
        action: str,
        created_ms: int,
    ) -> CustomRole:
        await self._ceiling.check_actions(author, f"role:{name}", allowed)
        names = tuple(sorted({each.name for each in allowed}))
        role = CustomRole(name, tuple(sorted(set(permissions))), names, created_ms, self._clock.now_ms())
        async with self._transactions.begin() as tx:
            await self._store.put(tx, role)
            await self._audit.changed_in(tx, author.id, action, f"role:{name}", {"allows": ", ".join(names)})
        self._access.forget_sessions()
        return role

    async def _holders(self, name: str) -> list[str]:
        return [
            *(f"user {each.id}" for each in await self._principals.users() if name in each.roles),
            *(f"group {each.id}" for each in await self._groups.groups() if name in each.roles),
            *(f"application {each.id}" for each in await self._principals.applications() if name in each.roles),
        ]
