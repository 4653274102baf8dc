"""Who is asking, and may they: signing in, tokens, and the check that every route makes. Default deny."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NoReturn

import msgspec
import structlog

from tidemill.access import actions
from tidemill.access.actions import Action, ThingKind
from tidemill.access.audit import Audit
from tidemill.access.granted import DefaultAccess, granted_of, tags_of
from tidemill.access.hashes import SecretHasher, random_secret
from tidemill.access.permission import may, may_on, may_somewhere
from tidemill.access.ports import (
    AccessKey,
    GrantStore,
    Group,
    GroupStore,
    PrincipalStore,
    RoleStore,
    Subject,
    TagStore,
    User,
)
from tidemill.access.principal import ANONYMOUS, APPLICATION_PREFIX, Principal, application_principal_id
from tidemill.access.roles import ROLES
from tidemill.access.tokens import Claims, TokenSigner
from tidemill.core.clock import Clock
from tidemill.core.errors import Conflict, Forbidden, NotFound, Unauthenticated
from tidemill.core.transaction import Transactions

log = structlog.get_logger(__name__)

ADMIN = "admin"
ADMIN_ROLE = "ADMIN"
FRESH_S = 2.0
"""How long a token may be good for after its key was switched off by another worker."""
SESSIONS_MAX = 10_000


class Session(msgspec.Struct, frozen=True):
    """A token that was found good a moment ago."""

    principal: Principal
    claims: Claims
    fresh_until_s: float


class Rights(msgspec.Struct, frozen=True):
    """Where it is kept what those may who have signed in."""

    roles: RoleStore
    grants: GrantStore
    tags: TagStore


class Access:
    """Signs principals in and decides what they may do. Caches tokens for a moment, and no secret ever."""

    def __init__(
        self,
        principals: PrincipalStore,
        groups: GroupStore,
        rights: Rights,
        audit: Audit,
        transactions: Transactions,
        signer: TokenSigner,
        hasher: SecretHasher,
        clock: Clock,
    ) -> None:
        self._principals = principals
        self._groups = groups
        self._rights = rights
        self._audit = audit
        self._transactions = transactions
        self._signer = signer
        self._hasher = hasher
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._asking: dict[str, asyncio.Future[Principal]] = {}

    async def first_start(self) -> str | None:
        """Creates `admin` where there is no user at all; returns its password, which nobody can ask for again."""
        if await self._principals.users():
            return None
        password = random_secret()[:24]
        now_ms = self._clock.now_ms()
        user = User(ADMIN, "Administrator", (ADMIN_ROLE,), await self._hasher.hash(password), 1, now_ms, now_ms)
        try:
            async with self._transactions.begin() as tx:
                await self._principals.add_user(tx, user)
                await self._audit.changed_in(tx, ADMIN, "user.create", f"user:{ADMIN}")
        except Conflict:
            return None  # another worker's first start was quicker
        return password

    async def set_password(self, user_id: str, password: str, author: str) -> None:
        """All tokens of the user are void from now on. Raises `NotFound`."""
        user = await self._principals.user(user_id)
        if user is None:
            raise NotFound(f"there is no user {user_id!r}")
        changed = msgspec.structs.replace(
            user,
            password_hash=await self._hasher.hash(password),
            generation=user.generation + 1,
            updated_ms=self._clock.now_ms(),
        )
        async with self._transactions.begin() as tx:
            await self._principals.replace_user(tx, changed)
            await self._audit.changed_in(tx, author, "user.password", f"user:{user_id}")
        self.forget_sessions()

    async def sign_in_key(self, key_id: str, secret: str) -> str:
        """A token for an application. Says nothing of which half was wrong."""
        key = await self._principals.key(key_id)
        is_match = await self._hasher.matches(secret, key.secret_hash if key else None)
        if key is None or not is_match or not key.is_active:
            await self._refuse_sign_in(f"key:{key.id}" if key else "key")
        return self._sign(Claims(application_principal_id(key.application_id), self._expiry_s(), key_id=key.id))

    async def sign_in_password(self, user_id: str, password: str) -> str:
        user = await self._principals.user(user_id)
        is_match = await self._hasher.matches(password, user.password_hash if user else None)
        if user is None or not is_match:
            await self._refuse_sign_in(f"user:{user.id}" if user else "user")
        return self._sign(Claims(user.id, self._expiry_s(), generation=user.generation))

    async def token_for(self, user_id: str) -> str:
        """A token without a password: for whoever starts the server, never for a route."""
        user = await self._principals.user(user_id)
        if user is None:
            raise NotFound(f"there is no user {user_id!r}")
        return self._sign(Claims(user.id, self._expiry_s(), generation=user.generation))

    async def authenticate(self, token: str | None) -> Principal:
        """Raises `Unauthenticated`; `Unavailable` where the database cannot be asked."""
        if not token:
            raise Unauthenticated("a token is needed")
        now_s = self._clock.now_ms() // 1000
        session = self._sessions.get(token)
        if session is not None and session.fresh_until_s > self._clock.monotonic_s():
            if session.claims.expires_s > now_s:
                return session.principal
            del self._sessions[token]
        claims = self._signer.read(token, now_s)
        principal = await self._ask_once(token, claims)
        if len(self._sessions) >= SESSIONS_MAX:
            self._sessions.clear()
        self._sessions[token] = Session(principal, claims, self._clock.monotonic_s() + FRESH_S)
        return principal

    async def check(self, principal: Principal, action: Action, resource: str = "") -> None:
        """Raises `Forbidden` unless a role of the principal allows the action on everything. `resource` is what the
        audit log says that it was done to."""
        if action == actions.PUBLIC or (action == actions.SIGNED_IN and principal != ANONYMOUS):
            return
        if not may(principal, action):
            await self.refuse(principal, action, resource)

    async def check_somewhere(self, principal: Principal, action: Action, resource: str) -> None:
        """Raises `Forbidden` where there is nothing at all that the principal may do it to."""
        if not may_somewhere(principal, action):
            await self.refuse(principal, action, resource)

    async def check_on(self, principal: Principal, action: Action, things: Mapping[ThingKind, str]) -> None:
        """Raises `Forbidden` unless a role, or a right on one of the things that it belongs to, allows the action."""
        if not may_on(principal, action, things):
            resource = ", ".join(f"{kind}:{name}" for kind, name in things.items())
            await self.refuse(principal, action, resource, "no role and no right allows it")

    async def refuse(
        self, principal: Principal, action: Action, resource: str, reason: str = "no role allows it"
    ) -> NoReturn:
        await self._audit.refused(principal.id, action.name, resource, reason)
        raise Forbidden(f"{principal.id} may not: {action.description.lower()} ({action.name})")

    async def principal(self, user_id: str) -> Principal:
        """As which a user or an application acts, whether signed in or not. Raises `NotFound`."""
        if user_id.startswith(APPLICATION_PREFIX):
            application = await self._principals.application(user_id.removeprefix(APPLICATION_PREFIX))
            if application is not None:
                return await self._with_rights(user_id, application.name, application.roles)
        user = await self._principals.user(user_id)
        if user is None:
            raise NotFound(f"there is no user {user_id!r}")
        return await self._with_rights(user.id, user.name, user.roles, await self._groups.groups_of(user.id))

    def forget_sessions(self) -> None:
        """After a change of a credential: on this worker it counts at once."""
        self._sessions.clear()
        self._asking.clear()

    async def _ask_once(self, token: str, claims: Claims) -> Principal:
        """A hundred calls may come with a token that has just become stale: the database is asked for one of them."""
        asking = self._asking.get(token)
        if asking is None:
            asking = self._asking[token] = asyncio.ensure_future(self._principal(claims))
            asking.add_done_callback(lambda _: self._asking.pop(token, None))
        return await asyncio.shield(asking)

    async def _principal(self, claims: Claims) -> Principal:
        if claims.key_id is not None:
            return await self._application_of(claims.key_id, claims.subject)
        user = await self._principals.user(claims.subject)
        if user is None or user.generation != claims.generation:
            raise Unauthenticated("the token is no longer valid")
        return await self._with_rights(user.id, user.name, user.roles, await self._groups.groups_of(user.id))

    async def _with_rights(
        self, user_id: str, name: str, own: Sequence[str], groups: Sequence[Group] = ()
    ) -> Principal:
        roles = tuple(dict.fromkeys((*own, *(role for group in groups for role in group.roles))))
        custom = await self._rights.roles.load([role for role in roles if role not in ROLES])
        allowed = frozenset(action for role in custom for action in role.actions)
        subjects: list[Subject] = [("user", user_id)]
        subjects += [("group", group.id) for group in groups]
        subjects += [("role", role) for role in roles]
        grants = await self._rights.grants.of(subjects)
        tagged = await self._rights.tags.having(tags_of(grants))
        defaults = tuple(
            DefaultAccess(group.id, kind, rights) for group in groups for kind, rights in group.default_access.items()
        )
        return Principal(user_id, name, roles, allowed, granted_of(grants, tagged, defaults))

    async def _application_of(self, key_id: str, subject: str) -> Principal:
        key, application = await asyncio.gather(
            self._principals.key(key_id), self._principals.application(subject.removeprefix(APPLICATION_PREFIX))
        )
        if key is None or application is None or not _is_usable(key, application.id):
            raise Unauthenticated("the token's key is switched off or gone")
        return await self._with_rights(subject, application.name, application.roles)

    async def _refuse_sign_in(self, resource: str) -> NoReturn:
        """`resource` has no name that only the caller has made up: a guesser must not fill the audit log."""
        await self._audit.refused(ANONYMOUS.id, "sign_in", resource, "unknown name or wrong secret")
        raise Unauthenticated("unknown name or wrong secret", "INVALID_CREDENTIALS")

    def _sign(self, claims: Claims) -> str:
        return self._signer.sign(claims, self._clock.now_ms() // 1000)

    def _expiry_s(self) -> int:
        return self._clock.now_ms() // 1000 + self._signer.life_s


def _is_usable(key: AccessKey, application_id: str) -> bool:
    return key.is_active and key.application_id == application_id
