"""Rights on single things: given to users, groups and roles, and taken from them. What they allow is `permission`'s."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tidemill.access.actions import Right, ThingKind
from tidemill.access.audit import Audit
from tidemill.access.ceiling import Ceiling
from tidemill.access.granted import tag_name, tags_of
from tidemill.access.ports import (
    Grant,
    GrantKind,
    GrantStore,
    GroupStore,
    PrincipalStore,
    Subject,
    Tagged,
    TagStore,
)
from tidemill.access.principal import APPLICATION_PREFIX, Principal
from tidemill.access.service import Access
from tidemill.access.tags import Tag
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.transaction import Transactions

NAME_MAX = 500
GRANTS_MAX = 5_000
"""Of one subject: each who signs in has its own in memory."""
ALL_RIGHTS: tuple[Right, ...] = ("CREATE", "READ", "UPDATE", "DELETE", "EXECUTE")


class Grants:
    """Every change is in the audit log, and counts at once on this worker, on the others within `service.FRESH_S`."""

    def __init__(
        self,
        store: GrantStore,
        tags: TagStore,
        principals: PrincipalStore,
        groups: GroupStore,
        ceiling: Ceiling,
        access: Access,
        audit: Audit,
        transactions: Transactions,
    ) -> None:
        self._store = store
        self._tags = tags
        self._principals = principals
        self._groups = groups
        self._ceiling = ceiling
        self._access = access
        self._audit = audit
        self._transactions = transactions

    async def give(
        self, subject: Subject, kind: GrantKind, name: str, rights: Collection[Right], author: Principal
    ) -> None:
        """The thing need not be there yet. Raises `NotFound` for a subject that is not, `Forbidden` for rights that the
        author has not."""
        _check_name(name)
        await self._check_subject(subject)
        wanted = _grants(subject, kind, name, rights)
        await self._ceiling.check_grants(author, f"{kind}:{name}", wanted)
        if len({*await self._store.of([subject]), *wanted}) > GRANTS_MAX:
            raise BadInput(f"more than {GRANTS_MAX:,} rights of one {subject[0]}: grant them on a tag")
        await self._add(wanted, author.id)

    async def take(
        self, subject: Subject, kind: GrantKind, name: str, rights: Collection[Right], author: Principal
    ) -> None:
        """Whether they are there or not."""
        gone = _grants(subject, kind, name, rights)
        await self._ceiling.check_grants(author, f"{kind}:{name}", gone)
        async with self._transactions.begin() as tx:
            await self._store.remove(tx, gone)
            await self._audit.changed_in(tx, author.id, "grant.take", f"{kind}:{name}", _told(gone))
        self._access.forget_sessions()

    async def on(self, kind: GrantKind, name: str) -> Sequence[Grant]:
        return await self._store.on(kind, name)

    async def of(self, subjects: Collection[Subject]) -> tuple[Sequence[Grant], Sequence[Tagged]]:
        """What the subjects were granted, and the things that have the tags among it."""
        grants = await self._store.of(subjects)
        return grants, await self._tags.having(tags_of(grants))

    async def created(self, kind: ThingKind, name: str, author: Principal, *, is_own: bool) -> None:
        """A thing that was not there before. With `is_own` its creator gets all rights on it; the creator's groups get
        what they get by default."""
        subject: Subject = ("user", author.id)
        grants = _grants(subject, kind, name, ALL_RIGHTS) if is_own else []
        for default in author.granted.defaults:
            if default.kind == kind:
                grants += _grants(("group", default.group), kind, name, default.rights)
        if grants:
            await self._add(grants, author.id)

    async def check_tagging(self, author: Principal, kind: ThingKind, name: str, tags: Collection[Tag]) -> None:
        """Raises `Forbidden` for tags by which the author would get rights on the thing that it has not."""
        gained = [
            right
            for right in ALL_RIGHTS
            if any(author.granted.allows("tag", right, tag_name(tag.key, tag.value)) for tag in tags)
        ]
        own: Subject = ("user", author.id)
        await self._ceiling.check_grants(author, f"{kind}:{name}", _grants(own, kind, name, gained))

    async def forget(self, kind: ThingKind, name: str) -> None:
        """The thing is gone: whatever gets its name is another thing."""
        async with self._transactions.begin() as tx:
            await self._store.remove_thing(tx, kind, name)
        self._access.forget_sessions()

    async def _add(self, grants: Collection[Grant], author: str) -> None:
        by_thing: dict[str, list[Grant]] = {}
        for grant in grants:
            by_thing.setdefault(f"{grant.kind}:{grant.name}", []).append(grant)
        async with self._transactions.begin() as tx:
            await self._store.add(tx, grants)
            for thing, given in by_thing.items():
                await self._audit.changed_in(tx, author, "grant.give", thing, _told(given))
        self._access.forget_sessions()

    async def _check_subject(self, subject: Subject) -> None:
        kind, name = subject
        if kind == "role":
            await self._ceiling.check_roles([name])
        elif kind == "group":
            if await self._groups.group(name) is None:
                raise NotFound(f"there is no group {name!r}")
        elif name.startswith(APPLICATION_PREFIX):
            if await self._principals.application(name.removeprefix(APPLICATION_PREFIX)) is None:
                raise NotFound(f"there is no application {name.removeprefix(APPLICATION_PREFIX)!r}")
        elif await self._principals.user(name) is None:
            raise NotFound(f"there is no user {name!r}")


def _grants(subject: Subject, kind: GrantKind, name: str, rights: Collection[Right]) -> list[Grant]:
    return [Grant(*subject, kind, name, right) for right in ALL_RIGHTS if right in rights]


def _told(grants: Collection[Grant]) -> dict[str, str]:
    by_subject: dict[str, list[str]] = {}
    for grant in grants:
        by_subject.setdefault(f"{grant.subject_kind}:{grant.subject}", []).append(grant.right)
    return {subject: ", ".join(rights) for subject, rights in by_subject.items()}


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= NAME_MAX or not name.isprintable():
        raise BadInput(f"the id of a target has 1 to {NAME_MAX} printable characters")
