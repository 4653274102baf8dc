"""Nobody gives others more than they have themselves, or takes hold of somebody who has more: it would be a way up."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tidemill.access.actions import ALL, Action
from tidemill.access.audit import Audit
from tidemill.access.permission import has, may
from tidemill.access.ports import Grant, GrantStore, RoleStore, Subject
from tidemill.access.principal import Principal
from tidemill.access.roles import ROLES
from tidemill.core.errors import BadInput, Forbidden
from tidemill.core.findings import Finding, near

_BY_NAME = {action.name: action for action in ALL}


class Ceiling:
    """Every refusal is in the audit log."""

    def __init__(self, roles: RoleStore, grants: GrantStore, audit: Audit) -> None:
        self._roles = roles
        self._grants = grants
        self._audit = audit

    async def check_roles(self, roles: Collection[str]) -> None:
        """Raises `BadInput` for those that do not exist."""
        known = {*ROLES, *(role.name for role in await self._roles.roles())}
        findings = [
            Finding("role", f"unknown role {role!r}{near(role, known)}", "unknown_role")
            for role in roles
            if role not in known
        ]
        if findings:
            raise BadInput(findings)

    async def check(
        self, author: Principal, resource: str, roles: Sequence[str], subjects: Collection[Subject] = ()
    ) -> None:
        """Raises `Forbidden` unless `author` may all that `roles` allow, on everything or by grant, and has each right
        that the subjects have."""
        await self.check_actions(author, resource, await self._actions_of(roles))
        everybody: list[Subject] = [*subjects, *(("role", role) for role in roles)]
        await self.check_grants(author, resource, await self._grants.of(everybody))

    async def check_actions(self, author: Principal, resource: str, wanted: Collection[Action]) -> None:
        if not all(may(author, action) for action in wanted):
            await self._refuse(author, resource)

    async def check_grants(self, author: Principal, resource: str, grants: Collection[Grant]) -> None:
        if not all(has(author, grant) for grant in grants):
            await self._refuse(author, resource)

    async def _actions_of(self, roles: Collection[str]) -> Collection[Action]:
        custom = await self._roles.load(roles)
        named = [_BY_NAME[name] for role in custom for name in role.actions if name in _BY_NAME]
        return frozenset(named).union(*(ROLES.get(role, frozenset()) for role in roles))

    async def _refuse(self, author: Principal, resource: str) -> None:
        await self._audit.refused(author.id, "role.grant", resource, "more than the giver's own roles allow")
        raise Forbidden(f"{author.id} may not give or take more than its own roles and rights allow")
