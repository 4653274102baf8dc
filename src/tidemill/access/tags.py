"""Tags on whatever has a name: key and value, set by users. Knows nothing of what it is that they hang on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from tidemill.access.audit import Audit
from tidemill.access.ports import Tagged, TaggedKind, TagStore
from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding
from tidemill.core.transaction import Transactions

TEXT_MAX = 255
TAGS_MAX = 100
"""On one thing."""


class Tag(msgspec.Struct, frozen=True):
    key: str
    value: str


class Tags:
    """Whoever calls has made sure that the thing exists. Every change is in the audit log. `changed` is called after
    each: rights may hang on a tag."""

    def __init__(self, store: TagStore, audit: Audit, transactions: Transactions, changed: Callable[[], None]) -> None:
        self._store = store
        self._audit = audit
        self._transactions = transactions
        self._changed = changed

    async def of(self, kind: TaggedKind, name: str) -> Sequence[Tag]:
        return [Tag(found.key, found.value) for found in await self._store.find(kind, name)]

    async def of_all(self, kind: TaggedKind) -> Mapping[str, Sequence[Tag]]:
        """By the name of the thing; those without tags are absent."""
        by_name: dict[str, list[Tag]] = defaultdict(list)
        for found in await self._store.find(kind):
            by_name[found.name].append(Tag(found.key, found.value))
        return by_name

    async def known(self) -> Sequence[Tag]:
        """Each tag that anything has, once."""
        return sorted({Tag(found.key, found.value) for found in await self._store.find()}, key=lambda tag: tag.key)

    async def add(self, kind: TaggedKind, name: str, tags: Collection[Tag], author: str) -> None:
        _check(tags)
        _check_count({*await self.of(kind, name), *tags})
        async with self._transactions.begin() as tx:
            await self._store.add(tx, _rows(kind, name, tags))
            await self._audit.changed_in(tx, author, "tag.add", f"{kind}:{name}", _told(tags))
        self._changed()

    async def replace(self, kind: TaggedKind, name: str, tags: Collection[Tag], author: str) -> None:
        """These and no others."""
        _check(tags)
        _check_count(set(tags))
        async with self._transactions.begin() as tx:
            await self._store.remove_all(tx, kind, name)
            await self._store.add(tx, _rows(kind, name, tags))
            await self._audit.changed_in(tx, author, "tag.replace", f"{kind}:{name}", _told(tags))
        self._changed()

    async def remove(self, kind: TaggedKind, name: str, tags: Collection[Tag], author: str) -> None:
        """Whether they are there or not."""
        async with self._transactions.begin() as tx:
            await self._store.remove(tx, _rows(kind, name, tags))
            await self._audit.changed_in(tx, author, "tag.remove", f"{kind}:{name}", _told(tags))
        self._changed()

    async def forget(self, kind: TaggedKind, name: str) -> None:
        """The thing is gone: whatever gets its name is another thing."""
        async with self._transactions.begin() as tx:
            await self._store.remove_all(tx, kind, name)
        self._changed()


def _rows(kind: TaggedKind, name: str, tags: Collection[Tag]) -> list[Tagged]:
    return [Tagged(kind, name, tag.key, tag.value) for tag in dict.fromkeys(tags)]


def _told(tags: Collection[Tag]) -> dict[str, str]:
    return {"tags": ", ".join(sorted(f"{tag.key}:{tag.value}" for tag in tags))}


def _check(tags: Collection[Tag]) -> None:
    """Raises `BadInput` with all findings."""
    findings = [
        Finding(f"[{index}].{field}", f"must be 1 to {TEXT_MAX} printable characters")
        for index, tag in enumerate(tags)
        for field, text in (("key", tag.key), ("value", tag.value))
        if not 1 <= len(text) <= TEXT_MAX or not text.isprintable()
    ]
    if findings:
        raise BadInput(findings)


def _check_count(tags: Collection[Tag]) -> None:
    if len(tags) > TAGS_MAX:
        raise BadInput(f"{len(tags)} tags on one thing: {TAGS_MAX} is the limit")
