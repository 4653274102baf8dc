"""All rule chains as they are now, compiled: follows the definitions, compiles what has changed, finds chains by id.

Writes nothing; what is wrong with a chain stays with it as findings, and the others run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from tidemill.core.definitions import Definition, DefinitionStore
from tidemill.core.findings import Finding, errors
from tidemill.core.transaction import Transaction
from tidemill.graph.graph import Graph
from tidemill.ingest.clusters import IntegrationDirectory
from tidemill.rules.chains.building import Built, Setup, build
from tidemill.rules.chains.chain_calls import Known, call_findings
from tidemill.rules.chains.draft import ChainDraft
from tidemill.rules.chains.variables import secrets_named, with_secrets
from tidemill.rules.chains.vault import NOT_KEPT, Vault, covered_findings, masked
from tidemill.rules.endpoints.reading import BuiltEndpoints, build_endpoints, is_of_endpoint
from tidemill.rules.formats import read_chain
from tidemill.rules.ports import NOT_DERIVED, SecretSource, Stranger
from tidemill.rules.shown.debugging import unwatched, watched_until_ms

_NEVER = 2**63
_decode_findings = msgspec.json.Decoder(list[Finding]).decode


class Chain(msgspec.Struct, frozen=True):
    """`findings` are those of the save (scripts) and those of now (what is around it)."""

    definition: Definition
    built: Built
    endpoints: BuiltEndpoints
    findings: Sequence[Finding]
    watched_until_ms: int = 0
    """When its debug mode ends; 0 where it is not in debug mode (any more)."""

    @property
    def id(self) -> str:
        return self.definition.name

    @property
    def graph(self) -> Graph | str:
        """The graph, or why there is none to run. What is wrong with an endpoint keeps only that from its work."""
        wrong = [finding for finding in errors(self.findings) if not is_of_endpoint(finding)]
        if self.built.graph is not None and not wrong:
            return self.built.graph
        if self.built.draft.is_disabled:
            return f"the chain {self.id} is disabled"
        return f"the chain {self.id} cannot run: {'; '.join(map(str, wrong))}"


class Chains:
    """Implements `graph.executor.Graphs`. `secrets` are those that people keep under names; what documents keep
    themselves is opened by the `vault`."""

    def __init__(
        self,
        store: DefinitionStore,
        directory: IntegrationDirectory,
        setup: Setup,
        vault: Vault,
        secrets: SecretSource,
    ) -> None:
        self._store = store
        self._directory = directory
        self._secrets = secrets
        self._of_shared: frozenset[str] = frozenset()
        """The secrets of shared nodes."""
        self.vault = vault
        self.setup = setup
        self.revision = -1
        self.by_id: Mapping[str, Chain] = {}
        self._alone: Mapping[str, Chain] = {}
        """Without what is found by looking at the others."""
        self._refreshing = asyncio.Lock()
        self._unwatched_ms = _NEVER
        """When the next chain's debug mode ends."""

    async def look_around(self, named: Collection[str] = ()) -> None:
        """Also where there is no chain yet: what a new one finds around it, such as the secrets that it names. Raises
        `Unavailable`."""
        await self.refresh()
        if not self.by_id:
            self.setup.ports.clusters.integrations = await self._directory.integrations()
        if named:
            found = await self._secrets.values(named)
            self.setup.secrets.by_name = {**self.setup.secrets.by_name, **found}

    async def refresh(self) -> int:
        """Cheap where nothing has changed. Raises `Unavailable`."""
        if not await self._is_current():
            async with self._refreshing:
                if not await self._is_current():
                    await self._read()
        return self.revision

    async def _is_current(self) -> bool:
        is_debug_over = self.setup.ports.clock.now_ms() >= self._unwatched_ms
        return await self._store.revision() == self.revision and not is_debug_over

    async def _read(self) -> None:
        """The revision comes first: what is saved meanwhile is found by the next call."""
        revision = await self._store.revision()
        definitions, shared = await self._store.all("rule_chain"), await self._store.all("shared_node")
        await self._learn_secrets(definitions, shared)
        self._learn_shared(shared)
        integrations = await self._directory.integrations() if definitions else {}
        if integrations != self.setup.ports.clusters.integrations:
            self.setup.ports.clusters.integrations = integrations
            self._alone = {}
        self._alone = {each.name: self._chain(each) for each in definitions}
        self.by_id = _among_each_other(self._alone)
        self.revision = revision
        self._unwatched_ms = min(
            (chain.watched_until_ms for chain in self._alone.values() if chain.watched_until_ms), default=_NEVER
        )

    async def _learn_secrets(self, chains: Sequence[Definition], shared: Sequence[Definition]) -> None:
        """Chains whose secrets have changed are compiled again."""
        of_chains = {each.name: secrets_named(each.document) for each in chains}
        of_shared = frozenset[str]().union(*(secrets_named(each.document) for each in shared))
        names = of_shared.union(*of_chains.values())
        values = await self._secrets.values(names) if names else {}
        changed = {name for name in names if values.get(name) != self.setup.secrets.by_name.get(name)}
        if changed:
            self._alone = {
                id_: chain
                for id_, chain in self._alone.items()
                if changed.isdisjoint(of_shared | of_chains.get(id_, frozenset()))
            }
        self.setup.secrets.by_name = values

    def _learn_shared(self, definitions: Sequence[Definition]) -> None:
        """With the secrets that they name: those of the chain that refers to one come second."""
        opened = {each.name: self.vault.opened(each.document) for each in definitions}
        named = {each.name: self.setup.secrets.named(secrets_named(each.document)) for each in definitions}
        shared = {name: with_secrets(_configuration(each.document), named[name]) for name, each in opened.items()}
        if shared != self.setup.shared.by_id:
            self.setup.shared.by_id = shared
            self._alone = {}
        kept = frozenset[str]().union(*(each.secrets for each in opened.values()))
        self._of_shared = kept.union(*(each.values() for each in named.values()))

    def with_secrets(self, draft: ChainDraft, stored: bytes, secrets: Collection[str]) -> ChainDraft:
        """`secrets` are those of its own. Only what is named in the stored document counts as named: whoever saved it
        was asked for those."""
        named = secrets_named(stored)
        of_shared = self._of_shared if b"ref://" in stored else ()
        hidden = frozenset({*secrets, *self.setup.secrets.named(named).values(), *of_shared})
        return msgspec.structs.replace(draft, named=named, hidden=hidden)

    async def verify(self, tx: Transaction, revision: int) -> None:
        """Raises `StaleWrite` unless the definitions are still at `revision`."""
        await self._store.verify(tx, revision)

    def graph(self, id_: str) -> Graph | str:
        chain = self.by_id.get(id_)
        return chain.graph if chain is not None else f"there is no chain {id_!r}"

    def _chain(self, definition: Definition) -> Chain:
        known = self._alone.get(definition.name)
        now_ms = self.setup.ports.clock.now_ms()
        is_known = known is not None and known.definition == definition
        if known is not None and is_known and not 0 < known.watched_until_ms <= now_ms:
            return known
        opened = self.vault.opened(definition.document)
        read, findings = read_chain(opened.document, definition.name)
        draft = self.with_secrets(read, definition.document, opened.secrets)
        until_ms = watched_until_ms(draft, definition.updated_ms)
        if until_ms <= now_ms:
            draft, until_ms = unwatched(draft), 0
        built = build(draft, self.setup)
        endpoints = build_endpoints(draft, self.setup)
        of_save = _of_save(definition, [*built.strangers, *endpoints.strangers])
        now = covered_findings([*findings, *built.findings, *endpoints.findings], draft.hidden)
        return Chain(definition, built, endpoints, [*opened.findings, *now, *of_save], until_ms)


def _of_save(definition: Definition, strangers: Sequence[Stranger]) -> Sequence[Finding]:
    """What was found by asking others: the sandbox, and whoever makes integrations, while there is still none."""
    paths = tuple(stranger.path for stranger in strangers)
    return [
        each
        for each in _decode_findings(definition.findings)
        if each.kind in ("compile", NOT_KEPT) or (each.kind == NOT_DERIVED and each.path.startswith(paths))
    ]


def _among_each_other(chains: Mapping[str, Chain]) -> Mapping[str, Chain]:
    seen = {id_: _seen(chain.built) for id_, chain in chains.items()}
    found = {}
    for id_, chain in chains.items():
        more = list(call_findings(id_, seen)) if chain.built.calls else []
        found[id_] = msgspec.structs.replace(chain, findings=[*chain.findings, *more]) if more else chain
    return found


def _seen(built: Built) -> Known:
    return Known(frozenset(node.id for node in built.draft.nodes), built.calls)


def document_of(definition: Definition) -> dict[str, Any]:
    """As it was saved, with its secrets masked."""
    document: dict[str, Any] = masked(definition.document)
    return document


def _configuration(document: Any) -> Mapping[str, Any]:
    found = document.get("configuration")
    return found if isinstance(found, dict) else {}
