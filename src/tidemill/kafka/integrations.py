"""Integrations as users save and read them, and as the rest of Tidemill uses them.

The only place that knows how they are stored. Secrets leave it as client settings only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from tidemill.core.cipher import Cipher, WrongKey
from tidemill.core.clock import Clock
from tidemill.core.codec import from_json, to_json
from tidemill.core.definitions import Definition, DefinitionStore
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.findings import Finding, errors
from tidemill.core.transaction import Transaction
from tidemill.ingest.clusters import IntegrationInfo, integration_of, servers_of
from tidemill.kafka import vault
from tidemill.kafka.derived import derived_body, derived_findings, derived_name
from tidemill.kafka.integration import CATEGORY, Integration, check, integration
from tidemill.kafka.probe import Probe
from tidemill.kafka.security import MASK
from tidemill.rules.ports import NOT_DERIVED, Stranger

log = structlog.get_logger(__name__)

KIND: Final = "integration"


class Integrations:
    """`embedded_address` says where the embedded broker of this process is, if it runs."""

    def __init__(
        self,
        definitions: DefinitionStore,
        cipher: Cipher,
        clock: Clock,
        embedded_address: Callable[[], str | None],
    ) -> None:
        self._definitions = definitions
        self._cipher = cipher
        self._clock = clock
        self._embedded_address = embedded_address
        self._known: Mapping[str, Integration] = {}
        self._saved: frozenset[str] = frozenset()
        self._known_at: tuple[int, str | None] | None = None

    async def save(self, name: str, body: Mapping[str, Any], author: str) -> Definition:
        """Raises `BadInput` with all findings, and `NotFound` for a type that nobody knows."""
        if not isinstance(body, Mapping):
            raise BadInput("an integration is a JSON object")
        stored = await self._definitions.get(KIND, name)
        old = from_json(stored.document) if stored is not None else {}
        provider, findings = check(name, body)
        if provider is not None and old and provider.type != old["type"]:
            findings.append(Finding("type", f"cannot be changed: {name} is of type {old['type']}"))
        if provider is not None:
            findings += vault.unkept(provider.configuration.model_dump(), old.get("configuration", {}))
        wrong = errors(findings)
        if len(wrong) == 1 and wrong[0].kind == "unknown_type":
            raise NotFound(f"integrations of this type do not exist: type {wrong[0].message}")
        if wrong or provider is None:
            raise BadInput(wrong)
        document = provider.model_dump(include={"type", "description", "enabled", "tags"}, exclude_none=True)
        if "tags" not in document and "tags" in old:
            document["tags"] = old["tags"]
        given = provider.configuration.model_dump(exclude_unset=True)
        document["configuration"] = vault.seal(given, old.get("configuration", {}), self._cipher)
        now_ms = self._clock.now_ms()
        return await self._definitions.put(KIND, name, 0, to_json(document), b"[]", author, now_ms)

    async def derive(self, stranger: Stranger, author: str) -> Sequence[Finding]:
        """See `rules.ports.Directory`."""
        if integration_of(await self.integrations(), stranger.servers) is not None:
            return ()
        if stranger.credentials is not None and stranger.credentials.password == MASK:
            message = "was kept by the integration that was made for this cluster, and that is gone: give it again"
            return [Finding(f"{stranger.path}.sasl.password", message, NOT_DERIVED)]
        try:
            await self.save(derived_name(stranger.servers), derived_body(stranger), author)
        except BadInput as error:
            return derived_findings(stranger, error.findings)
        return ()

    async def get(self, name: str) -> dict[str, Any]:
        """Raises `NotFound`."""
        definition = await self._definitions.get(KIND, name)
        if definition is None:
            raise NotFound(f"there is no integration {name!r}")
        return await self._shown(definition)

    async def list(self) -> Sequence[dict[str, Any]]:
        return [await self._shown(definition) for definition in await self._definitions.all(KIND)]

    async def remove(self, name: str, author: str) -> None:
        """Raises `NotFound`."""
        await self._definitions.remove(KIND, name, 0, author, self._clock.now_ms())

    async def test(self, name: str) -> dict[str, Any]:
        """What was reached, and which step failed. Works on integrations that are switched off, too."""
        found = (await self._all()).get(name)
        if found is None:
            await self.get(name)  # says so where it does not exist
            raise BadInput(f"the integration {name!r} cannot be used: its secrets cannot be read")
        return await Probe(found, self._clock).run()

    async def active(self) -> Mapping[str, Integration]:
        """Those that are switched on and have somewhere to go."""
        return {name: each for name, each in (await self._all()).items() if each.is_enabled and each.settings}

    async def saved(self) -> tuple[int, frozenset[str]]:
        """The names of all that there are, also of those that cannot be used, and the revision that says so."""
        revision = await self._definitions.revision()
        _ = await self._all()
        return revision, self._saved

    async def verify(self, tx: Transaction, revision: int) -> None:
        """Raises `StaleWrite` unless the definitions are still at this revision."""
        await self._definitions.verify(tx, revision)

    async def integrations(self) -> Mapping[str, IntegrationInfo]:
        """See `workflows.ports.IntegrationDirectory`."""
        return {
            name: IntegrationInfo(
                name,
                each.group,
                each.sending_protocol,
                each.is_enabled,
                servers_of(str(each.settings.get("bootstrap.servers", ""))),
            )
            for name, each in (await self._all()).items()
        }

    async def _all(self) -> Mapping[str, Integration]:
        # The revision is read first: what changes after it is found by the next call.
        at = (await self._definitions.revision(), self._embedded_address())
        if at != self._known_at:
            definitions = await self._definitions.all(KIND)
            found = {definition.name: self._read(definition, at[1]) for definition in definitions}
            self._known = {name: each for name, each in found.items() if each is not None}
            self._saved = frozenset(found)
            self._known_at = at
        return self._known

    def _read(self, definition: Definition, embedded_address: str | None) -> Integration | None:
        document = from_json(definition.document)
        try:
            configuration = vault.unseal(document["configuration"], self._cipher)
        except WrongKey as error:
            log.error("integration cannot be read", integration=definition.name, error=str(error))
            return None
        provider, findings = check(definition.name, {**document, "configuration": configuration})
        if provider is None or errors(findings):
            log.error("integration cannot be used", integration=definition.name, findings=list(map(str, findings)))
            return None
        return integration(definition.name, provider, embedded_address)

    async def _shown(self, definition: Definition) -> dict[str, Any]:
        document = from_json(definition.document)
        first = await self._definitions.save_of(KIND, definition.name, 0, 1)
        return {
            "name": definition.name,
            "type": document["type"],
            "category": CATEGORY,
            "description": document.get("description"),
            "enabled": document["enabled"],
            "configuration": vault.mask(document["configuration"]),
            "tags": document.get("tags", []),
            "modelsCount": 0,
            "createTime": definition.created_ms,
            "updateTime": definition.updated_ms,
            "createdBy": (first or definition).author,
            "updatedBy": definition.author,
        }
