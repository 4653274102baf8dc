"""Shared nodes saved and read: configurations under an id, which chains refer to as `ref://id`.

One that no component can take is stored all the same, with what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.clock import Clock
from tidemill.core.codec import from_json, to_json
from tidemill.core.definitions import Definition, DefinitionStore
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.findings import Finding, near
from tidemill.expressions.document import Fields, refuse_depth
from tidemill.graph.registry import Registry
from tidemill.ingest.clusters import IntegrationDirectory
from tidemill.rules.chains.uses import Admit, Uses, admit_all, servers_of_node, uses_of
from tidemill.rules.chains.variables import secrets_named
from tidemill.rules.chains.vault import Vault, masked


class SharedNode(msgspec.Struct, frozen=True):
    id: str
    document: Mapping[str, Any]
    findings: Sequence[Mapping[str, Any]]

    @property
    def is_endpoint(self) -> bool:
        return str(self.document.get("type", "")).startswith("endpoint/")


class SharedNodeCatalog:
    def __init__(
        self, store: DefinitionStore, directory: IntegrationDirectory, registry: Registry, vault: Vault, clock: Clock
    ) -> None:
        self._store = store
        self._directory = directory
        self._registry = registry
        self._vault = vault
        self._clock = clock

    async def save(self, id_: str, document: Any, author: str, admit: Admit = admit_all) -> SharedNode:
        """`admit` is asked before anything is stored. Secrets that are masked in it stay what they are. Raises
        `BadInput` for what is no node at all."""
        if not isinstance(document, dict):
            raise BadInput("a shared node is a JSON object")
        refuse_depth(document, "shared node")
        await admit(await self._uses(document))
        known = await self._store.get("shared_node", id_, 0)
        kept = known.document if known is not None else None
        sealed, findings = self._vault.seal_node({**document, "id": id_}, kept)
        found = to_json([finding.as_json() for finding in [*self._findings(document), *findings]])
        now_ms = self._clock.now_ms()
        return _node(await self._store.put("shared_node", id_, 0, sealed, found, author, now_ms))

    async def all(self) -> Sequence[SharedNode]:
        return [_node(definition) for definition in await self._store.all("shared_node")]

    async def get(self, id_: str) -> SharedNode:
        """Raises `NotFound`."""
        found = await self._store.get("shared_node", id_, 0)
        if found is None:
            raise NotFound(f"there is no shared node {id_!r}")
        return _node(found)

    async def saves(self, id_: str) -> Sequence[Definition]:
        """All saves, newest first."""
        return await self._store.saves("shared_node", id_, 0)

    async def remove(self, id_: str, author: str) -> None:
        """Raises `NotFound`."""
        await self._store.remove("shared_node", id_, 0, author, self._clock.now_ms())

    async def _uses(self, document: Mapping[str, Any]) -> Uses:
        known = await self._directory.integrations()
        return uses_of(secrets_named(to_json(document)), servers_of_node(document), known)

    def _findings(self, document: Mapping[str, Any]) -> Sequence[Finding]:
        findings: list[Finding] = []
        fields = Fields(document, "", findings)
        type_, config = fields.name("type"), fields.object("configuration")
        fields.text("id")
        fields.text("name")
        fields.flag("debugMode")
        fields.finish(["additionalInfo", "processors", "routers"])
        if type_ and not type_.startswith("endpoint/"):
            component = self._registry.get(type_)
            if component is None:
                message = f"there is no node type {type_!r}{near(type_, self._registry.types())}"
                findings.append(Finding("type", message, "unknown_type"))
            else:
                known = [field.alias or name for name, field in component.config.model_fields.items()]
                for key in config:
                    if key not in known:
                        message = f"{type_} has no key {key!r}{near(key, known)}"
                        findings.append(Finding(f"configuration.{key}", message, "unknown_key", "warning"))
        return findings


def _node(definition: Definition) -> SharedNode:
    return SharedNode(definition.name, masked(definition.document), from_json(definition.findings))
