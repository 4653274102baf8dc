"""Compiled workflow definitions, kept at the newest revision (`ports.Plans`). Saves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from tidemill.core.codec import to_json
from tidemill.core.definitions import DefinitionStore
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.findings import errors, near
from tidemill.expressions.document import refuse_depth
from tidemill.ingest.clusters import IntegrationDirectory, integration_of
from tidemill.ingest.loops import Flows
from tidemill.workflows.formats.conductor.definition import compile_workflow
from tidemill.workflows.plans.data_loops import DOMAIN
from tidemill.workflows.plans.plan import Limits, Plan
from tidemill.workflows.plans.shapes import Shape
from tidemill.workflows.plans.snapshot import EMPTY, Snapshot, document_of, take_snapshot

_UNREGISTERED_MAX = 200
"""Plans of definitions that came with their executions, which are kept in memory."""


class CompiledPlans:
    """`snapshot` is what the last `refresh` found; reading it costs nothing."""

    def __init__(self, store: DefinitionStore, directory: IntegrationDirectory) -> None:
        self.flows = Flows()
        """For finding data loops. Other domains that read and publish put theirs in, too."""
        self.flows.put(DOMAIN, lambda: self.snapshot.flows())
        self.snapshot: Snapshot = msgspec.structs.replace(EMPTY, besides=lambda: self.flows.besides(DOMAIN))
        self._store = store
        self._directory = directory
        self._refreshing = asyncio.Lock()
        self._older: dict[tuple[str, int, int], Plan] = {}
        self._unregistered: dict[bytes, Plan] = {}

    @property
    def revision(self) -> int:
        """What `refresh` found last."""
        return self.snapshot.revision

    async def refresh(self) -> int:
        """Brings everything up to the newest revision; one small read where nothing has changed."""
        if await self._store.revision() != self.snapshot.revision:
            async with self._refreshing:
                # The revision is read before the definitions: what is saved meanwhile is found by the next call.
                revision = await self._store.revision()
                if revision != self.snapshot.revision:
                    self.snapshot = await take_snapshot(self._store, self._directory, revision, self.snapshot)
                    self._older.clear()
                    self._unregistered.clear()
        return self.snapshot.revision

    def latest(self, name: str, version: int | None) -> Plan:
        """Raises `NotFound`, or `BadInput` where the definition cannot run."""
        snapshot = self.snapshot
        key = (name, snapshot.newest.get(name, 0) if version is None else version)
        if key in snapshot.blocked:
            raise snapshot.blocked[key].with_traceback(None)
        stored = snapshot.workflows.get(key)
        if stored is None:
            raise NotFound(_missing(snapshot, name, version))
        return stored.compiled.plan

    def has_integration(self, name: str) -> bool:
        return name in self.snapshot.integration_names

    def limits(self, name: str) -> Limits:
        definition = self.snapshot.task_definitions.get(name)
        return definition.limits if definition is not None else Limits()

    def schema(self, shape: Shape) -> str:
        return shape.text or self.snapshot.schema(shape)

    def integration_of(self, cluster: str) -> str | None:
        return cluster if self.has_integration(cluster) else integration_of(self.snapshot.integrations, cluster)

    async def at(self, name: str, version: int, save: int, definition: Mapping[str, Any] | None = None) -> Plan:
        """Steps are those of the save; retries and timeouts are those of the task definitions of now."""
        if not self.snapshot.workflows:
            await self.refresh()
        if definition is not None:
            return self.unregistered(definition)
        stored = self.snapshot.workflows.get((name, version))
        if stored is not None and stored.compiled.plan.save == save:
            return stored.compiled.plan
        key = (name, version, save)
        if key not in self._older:
            saved = await self._store.save_of("workflow", name, version, save)
            if saved is None:
                raise NotFound(f"save {save} of workflow {name!r} version {version} is not stored")
            compiled = compile_workflow(document_of(saved), self.snapshot.task_definitions, save)
            self._older[key] = compiled.plan
        return self._older[key]

    def unregistered(self, definition: Mapping[str, Any]) -> Plan:
        text = to_json(definition)
        plan = self._unregistered.get(text)
        if plan is None:
            refuse_depth(definition, "definition")
            compiled = compile_workflow(definition, self.snapshot.task_definitions, 0, is_saved=False)
            if errors(compiled.findings):
                raise BadInput(compiled.findings)
            plan = compiled.plan
            while len(self._unregistered) >= _UNREGISTERED_MAX:
                del self._unregistered[next(iter(self._unregistered))]
            self._unregistered[text] = plan
        return plan


def _missing(snapshot: Snapshot, name: str, version: int | None) -> str:
    if name not in snapshot.newest:
        return f"no workflow {name!r} is registered{near(name, snapshot.newest)}"
    return f"the workflow {name!r} has no version {version}; the highest is {snapshot.newest[name]}"
