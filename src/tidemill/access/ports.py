"""What access needs from the database; `storage` satisfies it. Passwords and keys come here as argon2 hashes,
named secrets as ciphertext.

Methods that take a transaction write in it; the others read committed state. All may raise `Unavailable`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from tidemill.access.actions import Right, ThingKind
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


class Group(msgspec.Struct, frozen=True):
    """Its members have its roles and rights beside their own. `default_access` is what it gets on each new thing of a
    kind that one of them creates."""

    id: str
    description: str
    roles: tuple[str, ...]
    created_ms: int
    updated_ms: int
    default_access: Mapping[ThingKind, tuple[Right, ...]] = {}


class CustomRole(msgspec.Struct, frozen=True):
    """A role of the users' own making. `permissions` are names as they were given; `actions` what they allow."""

    name: str
    permissions: tuple[str, ...]
    actions: tuple[str, ...]
    created_ms: int
    updated_ms: int


SubjectKind = Literal["user", "group", "role"]
GrantKind = ThingKind | Literal["tag"]
Subject = tuple[SubjectKind, str]
"""An application is the user that it acts as."""


class Grant(msgspec.Struct, frozen=True):
    """The subject has the right on the thing of this kind and name, or on each thing with the tag `key:value`."""

    subject_kind: SubjectKind
    subject: str
    kind: GrantKind
    name: str
    right: Right


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


class KeptSecret(msgspec.Struct, frozen=True):
    """What a user keeps here under a name. `sealed` is the value, encrypted (`core.cipher`)."""

    name: str
    sealed: str
    author: str
    updated_ms: int


TaggedKind = Literal["workflow", "task", "event_handler", "integration", "application", "secret"]


class Tagged(msgspec.Struct, frozen=True):
    """The thing `name` has the tag `key:value`. A thing may have one key with several values."""

    kind: TaggedKind
    name: str
    key: str
    value: str


class SecretStore(Protocol):
    async def names(self) -> Sequence[str]:
        """In order."""
        ...

    async def load(self, names: Collection[str]) -> Sequence[KeptSecret]:
        """Those that are there, by name."""
        ...

    async def put(self, tx: Transaction, secret: KeptSecret) -> None:
        """Replaces the one of this name."""
        ...

    async def remove(self, tx: Transaction, name: str) -> None:
        """Raises `NotFound`."""
        ...


class GrantStore(Protocol):
    async def of(self, subjects: Collection[Subject]) -> Sequence[Grant]:
        """By kind, name, right and subject."""
        ...

    async def on(self, kind: GrantKind, name: str) -> Sequence[Grant]:
        """By right and subject."""
        ...

    async def add(self, tx: Transaction, grants: Collection[Grant]) -> None:
        """Those that are there already stay."""
        ...

    async def remove(self, tx: Transaction, grants: Collection[Grant]) -> None:
        """Whether they are there or not."""
        ...

    async def remove_subject(self, tx: Transaction, subject: Subject) -> None: ...

    async def remove_thing(self, tx: Transaction, kind: GrantKind, name: str) -> None: ...


class RoleStore(Protocol):
    """Roles of the users' own making."""

    async def roles(self) -> Sequence[CustomRole]:
        """By name."""
        ...

    async def load(self, names: Collection[str]) -> Sequence[CustomRole]:
        """Those that are there, by name."""
        ...

    async def put(self, tx: Transaction, role: CustomRole) -> None:
        """Replaces the one of this name."""
        ...

    async def remove(self, tx: Transaction, name: str) -> None:
        """Raises `NotFound`."""
        ...


class TagStore(Protocol):
    async def find(self, kind: TaggedKind | None = None, name: str | None = None) -> Sequence[Tagged]:
        """By kind, name, key and value."""
        ...

    async def having(self, tags: Collection[tuple[str, str]]) -> Sequence[Tagged]:
        """Whatever has one of these, by kind, name, key and value."""
        ...

    async def add(self, tx: Transaction, tagged: Collection[Tagged]) -> None:
        """Those that are there already stay."""
        ...

    async def remove(self, tx: Transaction, tagged: Collection[Tagged]) -> None:
        """Whether they are there or not."""
        ...

    async def remove_all(self, tx: Transaction, kind: TaggedKind, name: str) -> None: ...


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

    async def remove_user(self, tx: Transaction, user_id: str) -> None:
        """From its groups, too. Raises `NotFound`."""
        ...


class GroupStore(Protocol):
    """Groups and who is in them."""

    async def group(self, group_id: str) -> Group | None: ...

    async def groups(self) -> Sequence[Group]:
        """By id."""
        ...

    async def groups_of(self, user_id: str) -> Sequence[Group]:
        """By id."""
        ...

    async def members(self, group_id: str) -> Sequence[User]:
        """By id."""
        ...

    async def put_group(self, tx: Transaction, group: Group) -> None:
        """Replaces the one of this id; its members stay."""
        ...

    async def remove_group(self, tx: Transaction, group_id: str) -> None:
        """Raises `NotFound`."""
        ...

    async def add_members(self, tx: Transaction, group_id: str, user_ids: Collection[str]) -> None:
        """Those that are in it already stay. Raises `NotFound` where the group or a user does not exist."""
        ...

    async def remove_members(self, tx: Transaction, group_id: str, user_ids: Collection[str]) -> None:
        """Whether they are in it or not."""
        ...


class AuditLog(Protocol):
    async def add(self, tx: Transaction, entries: Sequence[AuditEntry]) -> None: ...

    async def find(self, *, principal: str | None, limit: int, before_id: str | None) -> Sequence[AuditEntry]:
        """Newest first; `before_id` pages on."""
        ...
