"""Principals, keys and the audit log in memory; a transaction here commits by doing nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from cryptography.fernet import Fernet

from tests.fakes.grants import MemoryGrants, MemoryRoles
from tests.fakes.secrets import MemorySecrets, MemoryTags
from tests.fakes.transaction import OpenTransaction
from tidemill.access.applications import Applications
from tidemill.access.audit import Audit
from tidemill.access.ceiling import Ceiling
from tidemill.access.custom_roles import CustomRoles
from tidemill.access.grants import Grants
from tidemill.access.hashes import SecretHasher
from tidemill.access.named_secrets import NamedSecrets
from tidemill.access.people import People
from tidemill.access.ports import AccessKey, Application, AuditEntry, Group, User
from tidemill.access.service import Access, Rights
from tidemill.access.tags import Tags
from tidemill.access.tokens import TokenSigner
from tidemill.core.cipher import Cipher
from tidemill.core.clock import HeldClock
from tidemill.core.errors import Conflict, NotFound
from tidemill.core.transaction import Transaction

SIGNING_KEY = b"k" * 32


class FakeTransactions:
    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        yield OpenTransaction()


class FakePrincipals:
    def __init__(self) -> None:
        self.user_by_id: dict[str, User] = {}
        self.application_by_id: dict[str, Application] = {}
        self.key_by_id: dict[str, AccessKey] = {}
        self.reads = 0

    async def user(self, user_id: str) -> User | None:
        self.reads += 1
        await asyncio.sleep(0)
        return self.user_by_id.get(user_id)

    async def users(self) -> Sequence[User]:
        return list(self.user_by_id.values())

    async def add_user(self, tx: Transaction, user: User) -> None:
        if user.id in self.user_by_id:
            raise Conflict(user.id)
        self.user_by_id[user.id] = user

    async def replace_user(self, tx: Transaction, user: User) -> None:
        _must_have(self.user_by_id, user.id)
        self.user_by_id[user.id] = user

    async def remove_user(self, tx: Transaction, user_id: str) -> None:
        _must_have(self.user_by_id, user_id)
        del self.user_by_id[user_id]

    async def application(self, application_id: str) -> Application | None:
        return self.application_by_id.get(application_id)

    async def applications(self) -> Sequence[Application]:
        return list(self.application_by_id.values())

    async def add_application(self, tx: Transaction, application: Application) -> None:
        self.application_by_id[application.id] = application

    async def replace_application(self, tx: Transaction, application: Application) -> None:
        _must_have(self.application_by_id, application.id)
        self.application_by_id[application.id] = application

    async def remove_application(self, tx: Transaction, application_id: str) -> None:
        _must_have(self.application_by_id, application_id)
        del self.application_by_id[application_id]
        self.key_by_id = {key.id: key for key in self.key_by_id.values() if key.application_id != application_id}

    async def key(self, key_id: str) -> AccessKey | None:
        self.reads += 1
        return self.key_by_id.get(key_id)

    async def keys(self, application_id: str) -> Sequence[AccessKey]:
        return [key for key in self.key_by_id.values() if key.application_id == application_id]

    async def add_key(self, tx: Transaction, key: AccessKey) -> None:
        self.key_by_id[key.id] = key

    async def replace_key(self, tx: Transaction, key: AccessKey) -> None:
        _must_have(self.key_by_id, key.id)
        self.key_by_id[key.id] = key

    async def remove_key(self, tx: Transaction, key_id: str) -> None:
        _must_have(self.key_by_id, key_id)
        del self.key_by_id[key_id]


class FakeGroups:
    def __init__(self, principals: FakePrincipals) -> None:
        self._principals = principals
        self.group_by_id: dict[str, Group] = {}
        self.member_ids: set[tuple[str, str]] = set()

    async def group(self, group_id: str) -> Group | None:
        return self.group_by_id.get(group_id)

    async def groups(self) -> Sequence[Group]:
        return [self.group_by_id[group_id] for group_id in sorted(self.group_by_id)]

    async def groups_of(self, user_id: str) -> Sequence[Group]:
        return [group for group in await self.groups() if (group.id, user_id) in self.member_ids]

    async def members(self, group_id: str) -> Sequence[User]:
        users = sorted(self._principals.user_by_id.values(), key=lambda user: user.id)
        return [user for user in users if (group_id, user.id) in self.member_ids]

    async def put_group(self, tx: Transaction, group: Group) -> None:
        self.group_by_id[group.id] = group

    async def remove_group(self, tx: Transaction, group_id: str) -> None:
        _must_have(self.group_by_id, group_id)
        del self.group_by_id[group_id]
        self.member_ids = {pair for pair in self.member_ids if pair[0] != group_id}

    async def add_members(self, tx: Transaction, group_id: str, user_ids: Collection[str]) -> None:
        _must_have(self.group_by_id, group_id)
        for user_id in user_ids:
            _must_have(self._principals.user_by_id, user_id)
        self.member_ids |= {(group_id, user_id) for user_id in user_ids}

    async def remove_members(self, tx: Transaction, group_id: str, user_ids: Collection[str]) -> None:
        self.member_ids -= {(group_id, user_id) for user_id in user_ids}


class FakeAuditLog:
    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def add(self, tx: Transaction, entries: Sequence[AuditEntry]) -> None:
        self.entries += entries

    async def find(self, *, principal: str | None, limit: int, before_id: str | None) -> Sequence[AuditEntry]:
        found = [entry for entry in reversed(self.entries) if principal in (None, entry.principal)]
        return found[:limit]

    def actions(self) -> list[str]:
        return [entry.action for entry in self.entries]


class AccessRoom:
    """The whole of access over fakes, with a clock that stands still."""

    def __init__(self, clock: HeldClock | None = None) -> None:
        self.clock = clock or HeldClock()
        self.principals = FakePrincipals()
        self.groups = FakeGroups(self.principals)
        self.log = FakeAuditLog()
        transactions = FakeTransactions()
        # The cheapest parameters: the tests are about who may, not about how slow guessing is.
        self.hasher = SecretHasher(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.audit = Audit(self.log, transactions, self.clock)
        self.granted, self.own_roles = MemoryGrants(), MemoryRoles()
        self.kept, self.tagged = MemorySecrets(), MemoryTags()
        stores, granted, clock = (self.principals, self.groups), self.granted, self.clock
        rights = Rights(self.own_roles, granted, self.tagged)
        signer = TokenSigner(SIGNING_KEY)
        self.access = Access(*stores, rights, self.audit, transactions, signer, self.hasher, clock)
        ceiling = Ceiling(self.own_roles, granted, self.audit)
        access, audit = self.access, self.audit
        self.applications = Applications(
            self.principals, granted, ceiling, access, audit, transactions, self.hasher, clock
        )
        self.people = People(*stores, granted, ceiling, access, audit, transactions, clock)
        self.grants = Grants(granted, self.tagged, *stores, ceiling, access, audit, transactions)
        self.roles = CustomRoles(self.own_roles, *stores, granted, ceiling, access, audit, transactions, clock)
        self.tags = Tags(self.tagged, self.audit, transactions, self.access.forget_sessions)
        self.secrets = NamedSecrets(
            self.kept, self.tagged, Cipher(Fernet.generate_key()), self.audit, transactions, self.clock
        )

    def close(self) -> None:
        self.hasher.close()


def _must_have(
    rows: dict[str, User] | dict[str, Application] | dict[str, AccessKey] | dict[str, Group], row_id: str
) -> None:
    if row_id not in rows:
        raise NotFound(row_id)
