"""The users' definitions of this domain: workflows, task definitions and event handlers, saved, read and compiled.

What is wrong in a document refuses it, with all findings; what is wrong around it is kept beside it. Scripts are
compiled here, when they are saved. Who may save is not asked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidemill.core.clock import Clock
from tidemill.core.codec import to_json
from tidemill.core.definitions import Definition, DefinitionStore, Expect, Kind
from tidemill.core.errors import Conflict, NotFound
from tidemill.core.findings import Finding
from tidemill.expressions.document import as_whole
from tidemill.ingest.clusters import IntegrationDirectory
from tidemill.sandbox.script import Sandbox
from tidemill.workflows.plans.compiled import CompiledPlans
from tidemill.workflows.plans.examination import Examination, examine_all
from tidemill.workflows.plans.snapshot import document_of

_STAMPS = ("createTime", "updateTime", "updatedBy")


class Catalog(CompiledPlans):
    """Documents come and go as JSON values. Reads are of the newest revision."""

    def __init__(self, store: DefinitionStore, sandbox: Sandbox, directory: IntegrationDirectory, clock: Clock) -> None:
        super().__init__(store, directory)
        self._examination = Examination(self, sandbox)
        self._clock = clock

    # --- workflows ------------------------------------------------------------------------------------

    async def save_workflow(self, document: Any, author: str, overwrite: bool = False) -> Definition:
        """Raises `BadInput`, and `Conflict` where the version exists and is not to be overwritten."""
        return (await self.save_workflows([document], author, overwrite))[0]

    async def save_workflows(self, documents: Any, author: str, overwrite: bool = True) -> Sequence[Definition]:
        """All of them, or none where one of them is wrong in itself."""
        await self.refresh()
        examined = await examine_all(documents, self._examination.workflow)
        if not overwrite:
            self._refuse_existing(documents)
        expect: Expect = "any" if overwrite else "absent"
        return [await self._put("workflow", document, findings, author, expect) for document, findings in examined]

    async def workflow(self, name: str, version: int | None = None) -> dict[str, Any]:
        await self.refresh()
        key = (name, self.snapshot.newest.get(name, 0) if version is None else version)
        if key not in self.snapshot.workflows:
            raise NotFound(f"there is no workflow {name!r}" + ("" if version is None else f" version {version}"))
        return _shown(self.snapshot.workflows[key].definition)

    async def workflows(self) -> list[dict[str, Any]]:
        await self.refresh()
        return [_shown(stored.definition) for stored in self.snapshot.workflows.values()]

    async def remove_workflow(self, name: str, version: int, author: str) -> None:
        """Executions that run by it go on. Raises `NotFound`."""
        await self._store.remove("workflow", name, version, author, self._clock.now_ms())

    # --- task definitions -----------------------------------------------------------------------------

    async def save_tasks(self, documents: Any, author: str) -> Sequence[Definition]:
        """All of them, or none where one of them is wrong."""
        await self.refresh()
        examined = await examine_all(documents, self._examination.task)
        return [await self._put("task", document, findings, author, "any") for document, findings in examined]

    async def task(self, name: str) -> dict[str, Any]:
        await self.refresh()
        if name not in self.snapshot.tasks:
            raise NotFound(f"there is no task definition {name!r}")
        return _shown(self.snapshot.tasks[name].definition)

    async def tasks(self) -> list[dict[str, Any]]:
        await self.refresh()
        return [_shown(stored.definition) for stored in self.snapshot.tasks.values()]

    async def remove_task(self, name: str, author: str) -> None:
        await self._store.remove("task", name, 0, author, self._clock.now_ms())

    # --- event handlers -------------------------------------------------------------------------------

    async def save_handler(self, document: Any, author: str, expect: Expect = "any") -> Definition:
        """Raises `BadInput`, `Conflict` where it should be absent, `NotFound` where it should be present."""
        await self.refresh()
        findings = await self._examination.handler(document)
        return await self._put("event_handler", document, findings, author, expect)

    async def handler(self, name: str) -> dict[str, Any]:
        await self.refresh()
        if name not in self.snapshot.handlers:
            raise NotFound(f"there is no event handler {name!r}")
        return _shown(self.snapshot.handlers[name].definition)

    async def handlers(self, event: str | None = None, active_only: bool = False) -> list[dict[str, Any]]:
        await self.refresh()
        return [
            _shown(stored.definition)
            for stored in self.snapshot.handlers.values()
            if (event is None or stored.handler.event == event) and (stored.handler.is_active or not active_only)
        ]

    async def remove_handler(self, name: str, author: str) -> None:
        await self._store.remove("event_handler", name, 0, author, self._clock.now_ms())

    # --- all kinds ------------------------------------------------------------------------------------
    async def findings(self, kind: Kind, name: str, version: int | None = None) -> Sequence[Finding]:
        """What there is to say about a definition now. Raises `NotFound`."""
        await self.refresh()
        findings = self.snapshot.findings(kind, name, version)
        if findings is None:
            raise NotFound(f"there is no {kind} {name!r}" + (f" version {version}" if version else ""))
        return findings

    async def saves(self, kind: Kind, name: str, version: int = 0) -> Sequence[Definition]:
        """All saves, newest first, for comparing; to restore one, save its document again."""
        return await self._store.saves(kind, name, version)

    def _refuse_existing(self, documents: Sequence[Any]) -> None:
        """Before anything is stored, so that a list is saved whole or not at all."""
        for document in documents:
            key = (document["name"], _version(document))
            if key in self.snapshot.workflows:
                raise Conflict(f"the workflow {key[0]!r} version {key[1]} exists already")

    async def _put(
        self, kind: Kind, document: Any, findings: Sequence[Finding], author: str, expect: Expect
    ) -> Definition:
        name = document["name"]
        version = _version(document) if kind == "workflow" else 0
        kept = {key: value for key, value in document.items() if key not in _STAMPS}
        if kind == "workflow":
            kept["version"] = version
        if kept.get("createdBy") is None:
            before = self.snapshot.definition(kind, name, version)
            kept["createdBy"] = author if before is None else document_of(before).get("createdBy", author)
        return await self._store.put(
            kind,
            name,
            version,
            to_json(kept),
            to_json([finding.as_json() for finding in findings]),
            author,
            self._clock.now_ms(),
            expect=expect,
        )


def _version(document: Any) -> int:
    """Of a document that has been examined."""
    return as_whole(document.get("version")) or 1


def _shown(definition: Definition) -> dict[str, Any]:
    """The user's document, stamped as Conductor does it."""
    return {
        **document_of(definition),
        "createTime": definition.created_ms,
        "updateTime": definition.updated_ms,
        "updatedBy": definition.author,
    }
