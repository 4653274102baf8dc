"""What access needs from the database; `storage` satisfies it. Secrets come here as argon2 hashes only.

Methods that take a transaction write in it; the others read committed state. All may raise `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from tidemill.core.transaction import Transaction


class User(msgspec.Struct, frozen=True):
    """A person. `generation` grows with every change of the password: tokens of an older one are void."""

    id: str
    name: str
    roles: tuple[str, ...]
    password_hash: str
    generation: int
    created_ms: int
    updated_ms: int


class Application(msgspec.Struct, frozen=True):
    """A program. It acts as the principal `app:<id>`."""

    id: str
    name: str
    roles: tuple[str, ...]
    created_by: str
    created_ms: int
    updated_ms: int


class AccessKey(msgspec.Struct, frozen=True):
    """What an application signs in with. The secret is shown once, at creation; here is its hash."""

    id: str
    application_id: str
    secret_hash: str
    is_active: bool
    created_ms: int


class AuditEntry(msgspec.Struct, frozen=True):
    """One refusal or one change. `id` sorts by time; `resource` is what it was about (`workflow:orders`),
    or empty; `detail` has JSON values and never a secret."""

    id: str
    at_ms: int
    principal: str
    action: str
    resource: str
    outcome: Literal["done", "refused"]
    detail: Mapping[str, str] = {}


class PrincipalStore(Protocol):
    """Users, applications and their keys."""

    async def user(self, user_id: str) -> User | None: ...

    async def users(self) -> Sequence[User]:
        """By id."""
        ...

    async def add_user(self, tx: Transaction, user: User) -> None:
        """Raises `Conflict` where the id is taken."""
        ...

    async def replace_user(self, tx: Transaction, user: User) -> None:
        """Raises `NotFound`."""
        ...

    async def application(self, application_id: str) -> Application | None: ...

    async def applications(self) -> Sequence[Application]:
        """By id."""
        ...

    async def add_application(self, tx: Transaction, application: Application) -> None:
        """Raises `Conflict` where the id is taken."""
        ...

    async def replace_application(self, tx: Transaction, application: Application) -> None:
        """Raises `NotFound`."""
        ...

    async def remove_application(self, tx: Transaction, application_id: str) -> None:
        """Its keys go with it. Raises `NotFound`."""
        ...

    async def key(self, key_id: str) -> AccessKey | None: ...

    async def keys(self, application_id: str) -> Sequence[AccessKey]:
        """By id."""
        ...

    async def add_key(self, tx: Transaction, key: AccessKey) -> None:
        """Raises `NotFound` where the application does not exist."""
        ...

    async def replace_key(self, tx: Transaction, key: AccessKey) -> None:
        """Raises `NotFound`."""
        ...

    async def remove_key(self, tx: Transaction, key_id: str) -> None:
        """Raises `NotFound`."""
        ...


class AuditLog(Protocol):
    async def add(self, tx: Transaction, entries: Sequence[AuditEntry]) -> None: ...

    async def find(self, *, principal: str | None, limit: int, before_id: str | None) -> Sequence[AuditEntry]:
        """Newest first; `before_id` pages on."""
        ...
