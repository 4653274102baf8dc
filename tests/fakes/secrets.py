"""Secrets and tags in memory, with the promises of `access.ports` and `workflows.ports`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tidemill.access.ports import KeptSecret, Tagged, TaggedKind
from tidemill.core.errors import NotFound
from tidemill.core.transaction import Transaction


class KnownSecrets:
    """`workflows.ports.SecretSource`. `asked` notes each call."""

    def __init__(self) -> None:
        self.by_name: dict[str, str] = {}
        self.asked: list[frozenset[str]] = []

    async def values(self, names: Collection[str]) -> Mapping[str, str]:
        self.asked.append(frozenset(names))
        return {name: self.by_name[name] for name in names if name in self.by_name}


class MemorySecrets:
    """`access.ports.SecretStore`."""

    def __init__(self) -> None:
        self.by_name: dict[str, KeptSecret] = {}

    async def names(self) -> Sequence[str]:
        return sorted(self.by_name)

    async def load(self, names: Collection[str]) -> Sequence[KeptSecret]:
        return [self.by_name[name] for name in sorted(names) if name in self.by_name]

    async def put(self, tx: Transaction, secret: KeptSecret) -> None:
        self.by_name[secret.name] = secret

    async def remove(self, tx: Transaction, name: str) -> None:
        if name not in self.by_name:
            raise NotFound(name)
        del self.by_name[name]


class MemoryTags:
    """`access.ports.TagStore`."""

    def __init__(self) -> None:
        self.rows: set[Tagged] = set()

    async def find(self, kind: TaggedKind | None = None, name: str | None = None) -> Sequence[Tagged]:
        found = [row for row in self.rows if kind in (None, row.kind) and name in (None, row.name)]
        return sorted(found, key=lambda row: (row.kind, row.name, row.key, row.value))

    async def having(self, tags: Collection[tuple[str, str]]) -> Sequence[Tagged]:
        return [row for row in await self.find() if (row.key, row.value) in tags]

    async def add(self, tx: Transaction, tagged: Collection[Tagged]) -> None:
        self.rows.update(tagged)

    async def remove(self, tx: Transaction, tagged: Collection[Tagged]) -> None:
        self.rows.difference_update(tagged)

    async def remove_all(self, tx: Transaction, kind: TaggedKind, name: str) -> None:
        self.rows = {row for row in self.rows if (row.kind, row.name) != (kind, name)}
