"""Schemas: what inputs and outputs have to be like, kept by name and version. Stores them; judges nothing by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidemill.core.clock import Clock
from tidemill.core.codec import from_json, to_json
from tidemill.core.definitions import Definition, DefinitionStore, Expect
from tidemill.core.errors import Conflict, NotFound
from tidemill.core.findings import Finding
from tidemill.expressions.document import Fields, as_whole, read_label, refuse, refuse_depth
from tidemill.sandbox.script import Sandbox
from tidemill.workflows.plans.judging import examine
from tidemill.workflows.plans.shapes import Shape

TYPES = ("JSON", "AVRO", "PROTOBUF")
_ATTEMPTS = 10
_STAMPS = ("createTime", "updateTime", "createdBy", "updatedBy")


class Schemas:
    """Documents come and go as JSON values. Every save is kept, as of every definition."""

    def __init__(self, store: DefinitionStore, sandbox: Sandbox, clock: Clock) -> None:
        self._store = store
        self._sandbox = sandbox
        self._clock = clock

    async def save(
        self, documents: Sequence[Any], author: str, *, is_new_version: bool = False
    ) -> Sequence[Definition]:
        """All of them, or none where one is wrong: raises `BadInput`. With `is_new_version` each gets the number
        after the highest that there is, whatever it says itself."""
        examined = [(document, await self._examined(document)) for document in documents]
        return [
            await (self._add if is_new_version else self._put)(document, findings, author)
            for document, findings in examined
        ]

    async def get(self, name: str, version: int | None = None) -> dict[str, Any]:
        """The highest version, unless one is named. Raises `NotFound`."""
        found = await self._store.get("schema", name, version)
        if found is None:
            raise NotFound(f"there is no schema {name!r}" + ("" if version is None else f" version {version}"))
        return await self._shown(found)

    async def all(self) -> list[dict[str, Any]]:
        return [await self._shown(found) for found in await self._store.all("schema")]

    async def remove(self, name: str, version: int, author: str) -> None:
        """Raises `NotFound`."""
        await self._store.remove("schema", name, version, author, self._clock.now_ms())

    async def remove_all(self, name: str, author: str) -> None:
        """Every version. Raises `NotFound` where there is none."""
        versions = [found.version for found in await self._store.all("schema") if found.name == name]
        if not versions:
            raise NotFound(f"there is no schema {name!r}")
        for version in versions:
            await self.remove(name, version, author)

    async def _put(self, document: Any, findings: Sequence[Finding], author: str) -> Definition:
        return await self._store_at(as_whole(document.get("version")) or 1, document, findings, author, "any")

    async def _add(self, document: Any, findings: Sequence[Finding], author: str) -> Definition:
        for _ in range(_ATTEMPTS):
            highest = await self._store.get("schema", document["name"])
            version = highest.version + 1 if highest is not None else 1
            try:
                return await self._store_at(version, document, findings, author, "absent")
            except Conflict:
                continue  # somebody else took the number meanwhile
        raise Conflict(f"new versions of the schema {document['name']!r} are being saved too fast; try again")

    async def _store_at(
        self, version: int, document: Any, findings: Sequence[Finding], author: str, expect: Expect
    ) -> Definition:
        kept = {key: value for key, value in document.items() if key not in _STAMPS} | {"version": version}
        said = to_json([finding.as_json() for finding in findings])
        now_ms = self._clock.now_ms()
        name = document["name"]
        return await self._store.put("schema", name, version, to_json(kept), said, author, now_ms, expect=expect)

    async def _examined(self, document: Any) -> Sequence[Finding]:
        """Raises `BadInput` with everything that is wrong with it."""
        findings = _read(document)
        if document.get("type", "JSON") == "JSON" and document.get("data"):
            shape = Shape(document["name"], text=to_json(document["data"]).decode())
            findings += await examine(self._sandbox, [("data", shape)])
            refuse(findings)
        return findings

    async def _shown(self, definition: Definition) -> dict[str, Any]:
        first = await self._store.save_of("schema", definition.name, definition.version, 1)
        return {
            **from_json(definition.document),
            "createTime": definition.created_ms,
            "createdBy": (first or definition).author,
            "updateTime": definition.updated_ms,
            "updatedBy": definition.author,
        }


def _read(document: Any) -> list[Finding]:
    """Raises `BadInput` with everything that is wrong with what is around the schema itself."""
    refuse_depth(document, "schema")
    findings: list[Finding] = []
    fields = Fields(document, "", findings)
    read_label(fields, "name")
    fields.whole("version", 1, at_least=1)
    fields.choice("type", TYPES, "JSON")
    if not fields.object("data") and not fields.text("externalRef"):
        fields.warn("data", "neither data nor externalRef: this schema says nothing", "missing")
    fields.finish((*_STAMPS, "ownerApp", "description", "tags"))
    refuse(findings)
    return findings
