"""Users and groups: who there is, with which roles. Members of a group have its roles beside their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tidemill.access.actions import Right, ThingKind
from tidemill.access.audit import Audit
from tidemill.access.ceiling import Ceiling
from tidemill.access.permission import actions_on
from tidemill.access.ports import GrantStore, Group, GroupStore, PrincipalStore, Subject, User
from tidemill.access.principal import APPLICATION_PREFIX, Principal
from tidemill.access.service import ADMIN_ROLE, Access
from tidemill.core.clock import Clock
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.core.transaction import Transactions

NO_PASSWORD = ""
"""The hash of a user without a password: no password matches it."""
TEXT_MAX = 255
PASSWORD_CHARACTERS_MIN = 12


class People:
    """Every method that changes something writes the audit log in the same transaction. Nobody gives roles that they
    have not themselves, or takes hold of somebody who has more."""

    def __init__(
        self,
        principals: PrincipalStore,
        groups: GroupStore,
        grants: GrantStore,
        ceiling: Ceiling,
        access: Access,
        audit: Audit,
        transactions: Transactions,
        clock: Clock,
    ) -> None:
        self._principals = principals
        self._groups = groups
        self._grants = grants
        self._ceiling = ceiling
        self._access = access
        self._audit = audit
        self._transactions = transactions
        self._clock = clock

    async def users(self) -> Sequence[User]:
        return await self._principals.users()

    async def user(self, user_id: str) -> User:
        user = await self._principals.user(user_id)
        if user is None:
            raise NotFound(f"there is no user {user_id!r}")
        return user

    async def groups_of(self, user_id: str) -> Sequence[Group]:
        return await self._groups.groups_of(user_id)

    async def put_user(self, user_id: str, name: str, roles: Sequence[str], author: Principal) -> User:
        """A new one has no password and cannot sign in before it has one."""
        _check_id(user_id)
        await self._ceiling.check_roles(roles)
        known = await self._principals.user(user_id)
        held = await self._all_roles(user_id) if known else ()
        await self._ceiling.check(author, f"user:{user_id}", [*roles, *held], [("user", user_id)])
        now_ms = self._clock.now_ms()
        if known is not None and ADMIN_ROLE in known.roles and ADMIN_ROLE not in roles:
            await self._refuse_the_last_admin(user_id)
        user = User(
            user_id,
            name,
            tuple(sorted(set(roles))),
            known.password_hash if known else NO_PASSWORD,
            known.generation if known else 1,
            known.created_ms if known else now_ms,
            now_ms,
        )
        async with self._transactions.begin() as tx:
            await (self._principals.replace_user if known else self._principals.add_user)(tx, user)
            detail = {"roles": ", ".join(user.roles)}
            await self._audit.changed_in(tx, author.id, "user.put", f"user:{user_id}", detail)
        self._access.forget_sessions()
        return user

    async def set_password(self, user_id: str, password: str, author: Principal) -> None:
        """All tokens of the user are void from now on."""
        if not PASSWORD_CHARACTERS_MIN <= len(password) <= TEXT_MAX:
            raise BadInput(f"a password has {PASSWORD_CHARACTERS_MIN} to {TEXT_MAX} characters")
        await self._check_hold_of(user_id, author)
        await self._access.set_password(user_id, password, author.id)

    async def remove_user(self, user_id: str, author: Principal) -> None:
        await self._check_hold_of(user_id, author)
        if ADMIN_ROLE in (await self.user(user_id)).roles:
            await self._refuse_the_last_admin(user_id)
        async with self._transactions.begin() as tx:
            await self._principals.remove_user(tx, user_id)
            await self._grants.remove_subject(tx, ("user", user_id))
            await self._audit.changed_in(tx, author.id, "user.remove", f"user:{user_id}")
        self._access.forget_sessions()

    async def groups(self) -> Sequence[Group]:
        return await self._groups.groups()

    async def group(self, group_id: str) -> Group:
        group = await self._groups.group(group_id)
        if group is None:
            raise NotFound(f"there is no group {group_id!r}")
        return group

    async def members(self, group_id: str) -> Sequence[User]:
        await self.group(group_id)
        return await self._groups.members(group_id)

    async def put_group(
        self,
        group_id: str,
        description: str,
        roles: Sequence[str],
        author: Principal,
        default_access: Mapping[ThingKind, Sequence[Right]] | None = None,
    ) -> Group:
        """None leaves the default access as it is."""
        _check_id(group_id)
        await self._ceiling.check_roles(roles)
        known = await self._groups.group(group_id)
        held = known.roles if known else ()
        await self._ceiling.check(author, f"group:{group_id}", [*roles, *held], [("group", group_id)])
        default = {kind: tuple(dict.fromkeys(rights)) for kind, rights in (default_access or {}).items() if rights}
        wanted = {action for kind, rights in default.items() for right in rights for action in actions_on(kind, right)}
        await self._ceiling.check_actions(author, f"group:{group_id}", wanted)
        if default_access is None and known:
            default = dict(known.default_access)
        now_ms = self._clock.now_ms()
        created_ms = known.created_ms if known else now_ms
        group = Group(group_id, description, tuple(sorted(set(roles))), created_ms, now_ms, default)
        async with self._transactions.begin() as tx:
            await self._groups.put_group(tx, group)
            detail = {"roles": ", ".join(group.roles)}
            await self._audit.changed_in(tx, author.id, "group.put", f"group:{group_id}", detail)
        self._access.forget_sessions()
        return group

    async def remove_group(self, group_id: str, author: Principal) -> None:
        await self._check_group(group_id, author)
        async with self._transactions.begin() as tx:
            await self._groups.remove_group(tx, group_id)
            await self._grants.remove_subject(tx, ("group", group_id))
            await self._audit.changed_in(tx, author.id, "group.remove", f"group:{group_id}")
        self._access.forget_sessions()

    async def add_members(self, group_id: str, user_ids: Collection[str], author: Principal) -> None:
        await self._check_group(group_id, author)
        async with self._transactions.begin() as tx:
            await self._groups.add_members(tx, group_id, user_ids)
            detail = {"users": ", ".join(sorted(user_ids))}
            await self._audit.changed_in(tx, author.id, "group.add", f"group:{group_id}", detail)
        self._access.forget_sessions()

    async def remove_members(self, group_id: str, user_ids: Collection[str], author: Principal) -> None:
        await self._check_group(group_id, author)
        async with self._transactions.begin() as tx:
            await self._groups.remove_members(tx, group_id, user_ids)
            detail = {"users": ", ".join(sorted(user_ids))}
            await self._audit.changed_in(tx, author.id, "group.take", f"group:{group_id}", detail)
        self._access.forget_sessions()

    async def _all_roles(self, user_id: str) -> Sequence[str]:
        user = await self.user(user_id)
        return [*user.roles, *(role for group in await self.groups_of(user_id) for role in group.roles)]

    async def _refuse_the_last_admin(self, user_id: str) -> None:
        if not any(ADMIN_ROLE in user.roles for user in await self.users() if user.id != user_id):
            raise Conflict(f"{user_id!r} is the last user who is {ADMIN_ROLE}: nobody could give the role again")

    async def _check_hold_of(self, user_id: str, author: Principal) -> None:
        """Whoever can sign in as somebody has all that they have."""
        groups = await self.groups_of(user_id)
        subjects: list[Subject] = [("user", user_id), *(("group", group.id) for group in groups)]
        await self._ceiling.check(author, f"user:{user_id}", await self._all_roles(user_id), subjects)

    async def _check_group(self, group_id: str, author: Principal) -> None:
        """Whoever is in a group has all that it has."""
        roles = (await self.group(group_id)).roles
        await self._ceiling.check(author, f"group:{group_id}", roles, [("group", group_id)])


def _check_id(name: str) -> None:
    if not 1 <= len(name) <= TEXT_MAX or not name.isprintable() or name.startswith(APPLICATION_PREFIX):
        raise BadInput(f"an id has 1 to {TEXT_MAX} printable characters and does not begin with {APPLICATION_PREFIX!r}")
