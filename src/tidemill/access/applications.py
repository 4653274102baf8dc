"""Applications, their roles and their access keys. A key's secret is returned once, when it is made."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidemill.access.audit import Audit
from tidemill.access.ceiling import Ceiling
from tidemill.access.hashes import SecretHasher, random_secret
from tidemill.access.ports import AccessKey, Application, GrantStore, PrincipalStore, Subject
from tidemill.access.principal import Principal, application_principal_id
from tidemill.access.service import Access
from tidemill.core.clock import Clock
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.ids import new_id
from tidemill.core.transaction import Transactions


class Applications:
    """Every method that changes something writes the audit log in the same transaction."""

    def __init__(
        self,
        principals: PrincipalStore,
        grants: GrantStore,
        ceiling: Ceiling,
        access: Access,
        audit: Audit,
        transactions: Transactions,
        hasher: SecretHasher,
        clock: Clock,
    ) -> None:
        self._principals = principals
        self._grants = grants
        self._ceiling = ceiling
        self._access = access
        self._audit = audit
        self._transactions = transactions
        self._hasher = hasher
        self._clock = clock

    async def get(self, application_id: str) -> Application:
        application = await self._principals.application(application_id)
        if application is None:
            raise NotFound(f"there is no application {application_id!r}")
        return application

    async def all(self) -> Sequence[Application]:
        return await self._principals.applications()

    async def create(self, name: str, author: Principal) -> Application:
        now_ms = self._clock.now_ms()
        application = Application(new_id(now_ms), _checked(name), (), author.id, now_ms, now_ms)
        async with self._transactions.begin() as tx:
            await self._principals.add_application(tx, application)
            await self._audit.changed_in(tx, author.id, "application.create", _resource(application.id), {"name": name})
        return application

    async def rename(self, application_id: str, name: str, author: Principal) -> Application:
        application = await self.get(application_id)
        return await self._replace(application, author, "application.rename", name=_checked(name))

    async def add_role(self, application_id: str, role: str, author: Principal) -> None:
        await self._ceiling.check_roles([role])
        application = await self.get(application_id)
        await self._ceiling.check(author, _resource(application_id), [role])
        roles = tuple(sorted({*application.roles, role}))
        await self._replace(application, author, f"role.grant:{role}", roles=roles)

    async def remove_role(self, application_id: str, role: str, author: Principal) -> None:
        await self._ceiling.check_roles([role])
        application = await self.get(application_id)
        roles = tuple(held for held in application.roles if held != role)
        await self._replace(application, author, f"role.revoke:{role}", roles=roles)

    async def remove(self, application_id: str, author: Principal) -> None:
        async with self._transactions.begin() as tx:
            await self._principals.remove_application(tx, application_id)
            await self._grants.remove_subject(tx, ("user", application_principal_id(application_id)))
            await self._grants.remove_thing(tx, "application", application_id)
            await self._audit.changed_in(tx, author.id, "application.remove", _resource(application_id))
        self._access.forget_sessions()

    async def of_key(self, key_id: str) -> Application:
        key = await self._principals.key(key_id)
        if key is None:
            raise NotFound(f"there is no access key {key_id!r}")
        return await self.get(key.application_id)

    async def keys(self, application_id: str) -> Sequence[AccessKey]:
        await self.get(application_id)
        return await self._principals.keys(application_id)

    async def create_key(self, application_id: str, author: Principal) -> tuple[AccessKey, str]:
        """(the key, its secret): nobody can ask for the secret again."""
        application = await self.get(application_id)
        subjects: list[Subject] = [("user", application_principal_id(application_id))]
        await self._ceiling.check(author, _resource(application_id), application.roles, subjects)
        secret = random_secret()
        now_ms = self._clock.now_ms()
        key = AccessKey(new_id(now_ms), application_id, await self._hasher.hash(secret), True, now_ms)
        async with self._transactions.begin() as tx:
            await self._principals.add_key(tx, key)
            await self._audit.changed_in(tx, author.id, "key.create", _resource(application_id), {"key": key.id})
        return key, secret

    async def toggle_key(self, application_id: str, key_id: str, author: Principal) -> AccessKey:
        """Switches an active key off and the other way round; tokens from a key that is off are void."""
        key = await self._key(application_id, key_id)
        toggled = msgspec.structs.replace(key, is_active=not key.is_active)
        action = "key.enable" if toggled.is_active else "key.disable"
        async with self._transactions.begin() as tx:
            await self._principals.replace_key(tx, toggled)
            await self._audit.changed_in(tx, author.id, action, _resource(application_id), {"key": key_id})
        self._access.forget_sessions()
        return toggled

    async def remove_key(self, application_id: str, key_id: str, author: Principal) -> None:
        await self._key(application_id, key_id)
        async with self._transactions.begin() as tx:
            await self._principals.remove_key(tx, key_id)
            await self._audit.changed_in(tx, author.id, "key.remove", _resource(application_id), {"key": key_id})
        self._access.forget_sessions()

    async def _key(self, application_id: str, key_id: str) -> AccessKey:
        key = await self._principals.key(key_id)
        if key is None or key.application_id != application_id:
            raise NotFound(f"application {application_id!r} has no access key {key_id!r}")
        return key

    async def _replace(
        self,
        application: Application,
        author: Principal,
        action: str,
        *,
        name: str | None = None,
        roles: tuple[str, ...] | None = None,
    ) -> Application:
        changed = msgspec.structs.replace(
            application,
            name=application.name if name is None else name,
            roles=application.roles if roles is None else roles,
            updated_ms=self._clock.now_ms(),
        )
        async with self._transactions.begin() as tx:
            await self._principals.replace_application(tx, changed)
            await self._audit.changed_in(tx, author.id, action, _resource(application.id))
        self._access.forget_sessions()
        return changed


def _resource(application_id: str) -> str:
    return f"application:{application_id}"


def _checked(name: str) -> str:
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise BadInput("an application needs a name of 1 to 200 printable characters")
    return name
