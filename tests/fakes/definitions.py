"""A store of definitions in memory, with the promises of `core.definitions.DefinitionStore`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidemill.core.definitions import Definition, Expect, Kind
from tidemill.core.errors import Conflict, NotFound, StaleWrite
from tidemill.core.transaction import Transaction

Key = tuple[Kind, str, int]


class MemoryDefinitions:
    def __init__(self) -> None:
        self.counter = 0
        self.reads = 0
        """How often `all` was asked: a cache that works asks seldom."""
        self._saves: dict[Key, list[Definition]] = {}
        self._removed: set[Key] = set()

    def changed(self) -> None:
        """As where something else has that definitions are built with."""
        self.counter += 1

    async def revision(self) -> int:
        return self.counter

    async def verify(self, tx: Transaction, revision: int) -> None:
        if revision != self.counter:
            raise StaleWrite("the definitions have changed")

    async def all(self, kind: Kind) -> Sequence[Definition]:
        self.reads += 1
        return [saves[-1] for key, saves in sorted(self._saves.items()) if key[0] == kind and key not in self._removed]

    async def get(self, kind: Kind, name: str, version: int | None = None) -> Definition | None:
        found = [item for item in await self.all(kind) if item.name == name and version in (None, item.version)]
        return found[-1] if found else None

    async def save_of(self, kind: Kind, name: str, version: int, save: int) -> Definition | None:
        saves = self._saves.get((kind, name, version), [])
        return saves[save - 1] if 0 < save <= len(saves) else None

    async def saves(self, kind: Kind, name: str, version: int) -> Sequence[Definition]:
        return list(reversed(self._saves.get((kind, name, version), [])))

    async def saves_after(self, kind: Kind, last: Definition | None, limit: int) -> Sequence[Definition]:
        after = ("", 0, 0) if last is None else (last.name, last.version, last.save)
        saves = [each for key in sorted(self._saves) for each in self._saves[key] if each.kind == kind]
        return [each for each in saves if (each.name, each.version, each.save) > after][:limit]

    async def rewrite(self, saves: Sequence[tuple[Definition, bytes]]) -> None:
        for save, document in saves:
            listed = self._saves[save.kind, save.name, save.version]
            listed[save.save - 1] = msgspec.structs.replace(save, document=document)
        self.counter += 1

    async def put(
        self,
        kind: Kind,
        name: str,
        version: int,
        document: bytes,
        findings: bytes,
        author: str,
        now_ms: int,
        *,
        expect: Expect = "any",
    ) -> Definition:
        key = (kind, name, version)
        is_there = key in self._saves and key not in self._removed
        if is_there and expect == "absent":
            raise Conflict(f"{kind} {name} exists")
        if not is_there and expect == "present":
            raise NotFound(f"{kind} {name} does not exist")
        saves = self._saves.setdefault(key, [])
        created_ms = saves[0].created_ms if saves else now_ms
        definition = Definition(
            kind, name, version, len(saves) + 1, document, findings, author, created_ms, updated_ms=now_ms
        )
        saves.append(definition)
        self._removed.discard(key)
        self.counter += 1
        return definition

    async def remove(self, kind: Kind, name: str, version: int, author: str, now_ms: int) -> None:
        key = (kind, name, version)
        if key not in self._saves or key in self._removed:
            raise NotFound(f"{kind} {name} does not exist")
        self._removed.add(key)
        self.counter += 1
