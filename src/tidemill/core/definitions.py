"""Definitions: what users save. Each domain reads its own kind; every save is kept, with author and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from tidemill.core.transaction import Transaction

Kind = Literal["workflow", "task", "event_handler", "integration", "schema", "rule_chain", "shared_node"]
Expect = Literal["absent", "present", "any"]
"""What a save presumes of the definition: that there is none yet, that there is one, or nothing."""


class Definition(msgspec.Struct, frozen=True):
    """One save. `document` is the user's JSON with secrets already encrypted; `version` is the user's own
    number (0 for kinds that have none), `save` counts the saves of this (kind, name, version) from 1.
    `findings` is the JSON list of `Finding.as_json`: with errors in it the definition is unavailable."""

    kind: Kind
    name: str
    version: int
    save: int
    document: bytes
    findings: bytes
    author: str
    created_ms: int
    """When the first save was made; `updated_ms` is this one's."""
    updated_ms: int


class DefinitionStore(Protocol):
    """The current save of each definition, the older ones, and one counter that grows with every change."""

    async def revision(self) -> int:
        """Grows with every `put` and `remove`, by any process."""
        ...

    async def verify(self, tx: Transaction, revision: int) -> None:
        """Raises `StaleWrite` unless this is the revision. Concurrent with a save: one of them comes first."""
        ...

    async def all(self, kind: Kind) -> Sequence[Definition]:
        """The current saves that are not removed, by name and version."""
        ...

    async def get(self, kind: Kind, name: str, version: int | None = None) -> Definition | None:
        """The current save; `version` None is the highest."""
        ...

    async def save_of(self, kind: Kind, name: str, version: int, save: int) -> Definition | None:
        """One particular save, also if it has been replaced or removed since."""
        ...

    async def saves(self, kind: Kind, name: str, version: int) -> Sequence[Definition]:
        """All saves, newest first."""
        ...

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
        """Saves. Raises `Conflict` where it should be absent and is not, `NotFound` the other way round."""
        ...

    async def remove(self, kind: Kind, name: str, version: int, author: str, now_ms: int) -> None:
        """Raises `NotFound`. The saves stay readable with `save_of`."""
        ...
