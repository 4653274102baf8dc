"""Rule chains saved and read. A chain that cannot run is stored all the same, with all that is wrong with it.

Scripts are compiled here, when they are saved. Who may save is not asked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tidemill.core.clock import Clock
from tidemill.core.codec import from_json, to_json
from tidemill.core.definitions import Definition, DefinitionStore
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.findings import Finding
from tidemill.graph.message import Message
from tidemill.ingest.loops import Flows
from tidemill.rules.chains.building import Built
from tidemill.rules.chains.compiled import Chain, Chains, document_of
from tidemill.rules.chains.data_loops import DOMAIN, flows_of, with_loops
from tidemill.rules.chains.examination import check_shape, examine
from tidemill.rules.chains.uses import Admit, admit_all, uses_of
from tidemill.rules.chains.variables import secrets_named
from tidemill.rules.chains.vault import covered_findings, masked_value
from tidemill.rules.ports import Directory
from tidemill.rules.scripts.scripts import StageKind, arguments
from tidemill.rules.shown.differences import Difference, differences
from tidemill.sandbox.script import Stage, Staged, Stages

_ID = re.compile(r"[^\s/:]{1,200}")


class RuleCatalog:
    """Documents come and go as JSON values. Reads are of the newest revision."""

    def __init__(
        self, store: DefinitionStore, chains: Chains, directory: Directory, clock: Clock, flows: Flows
    ) -> None:
        self._store = store
        self._chains = chains
        self._directory = directory
        self._clock = clock
        self._flows = flows
        flows.put(DOMAIN, lambda: flows_of(chains))

    async def examine(self, document: Any, id_: str = "") -> tuple[Built, Sequence[Finding]]:
        """All that there is to say of a chain, without saving it. Raises `BadInput` for what is no chain at all."""
        check_shape(document)
        return await self._examine(document, id_, to_json(document), frozenset())

    async def save(
        self, id_: str, document: Any, author: str, kept: Definition | None = None, admit: Admit = admit_all
    ) -> Chain:
        """`admit` is asked before anything is stored. Secrets that are masked in it stay what they are in `kept`, or
        else in the chain as it is now. Clusters that it names and nobody knows become integrations, and keep their
        passwords, too. Raises `BadInput` for what is no chain at all."""
        if not _ID.fullmatch(id_):
            raise BadInput([Finding("id", "has 1 to 200 characters, none of them /, : or white space", "invalid")])
        check_shape(document)
        known = kept or await self._store.get("rule_chain", id_, 0)
        sealed, findings = self._chains.vault.seal_chain(document, known.document if known is not None else None)
        opened = self._chains.vault.opened(sealed)
        built, examined = await self._examine(opened.document, id_, sealed, opened.secrets)
        named = secrets_named(sealed).difference(built.draft.secrets)
        await admit(uses_of(named, built.servers, self._chains.setup.ports.clusters.integrations))
        findings += examined
        for stranger in built.strangers:
            findings += await self._directory.derive(stranger, author)
        shown = to_json([finding.as_json() for finding in covered_findings(findings, built.draft.hidden)])
        await self._store.put("rule_chain", id_, 0, sealed, shown, author, self._clock.now_ms())
        return await self.chain(id_)

    async def change(self, id_: str, author: str, changed: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Chain:
        """Saves what `changed` makes of the chain's document. Raises `NotFound`."""
        return await self.save(id_, changed(document_of((await self.chain(id_)).definition)), author)

    async def restore(self, id_: str, save: int, author: str, admit: Admit = admit_all) -> Chain:
        """Saves an older save's document again, also of a chain that was removed. Raises `NotFound`."""
        found = await self._store.save_of("rule_chain", id_, 0, save)
        if found is None:
            raise NotFound(f"there is no save {save} of the rule chain {id_!r}")
        return await self.save(id_, document_of(found), author, found, admit)

    async def _examine(
        self, document: Any, id_: str, named_in: bytes, secrets: Collection[str]
    ) -> tuple[Built, Sequence[Finding]]:
        await self._chains.look_around(secrets_named(named_in))
        setup, with_secrets = self._chains.setup, self._chains.with_secrets
        return await examine(document, setup, id_, lambda draft: with_secrets(draft, named_in, secrets))

    async def try_script(self, code: str, kind: StageKind, message: Message) -> Staged:
        """What a script node of this kind would make of the message. Raises `Unavailable`."""
        script = Stages([Stage(code, kind)]).script()
        return (await self._chains.setup.ports.sandbox.run_stages(script, [arguments(message)]))[0]

    async def chain(self, id_: str) -> Chain:
        """Raises `NotFound`."""
        await self._chains.refresh()
        chain = self._chains.by_id.get(id_)
        if chain is None:
            raise NotFound(f"there is no rule chain {id_!r}")
        return with_loops([chain], self._chains, self._flows.besides(DOMAIN))[0]

    async def chains(self) -> Sequence[Chain]:
        await self._chains.refresh()
        return with_loops(list(self._chains.by_id.values()), self._chains, self._flows.besides(DOMAIN))

    def differences(self, older: Definition, newer: Definition) -> Sequence[Difference]:
        """Place by place; a secret that is another is `***` on both sides."""
        found = differences(from_json(older.document), from_json(newer.document))
        return [Difference(each.path, masked_value(each.before), masked_value(each.after)) for each in found]

    async def remove(self, id_: str, author: str) -> None:
        """Raises `NotFound`."""
        await self._store.remove("rule_chain", id_, 0, author, self._clock.now_ms())

    async def saves(self, id_: str) -> Sequence[Definition]:
        """All saves, newest first, for comparing; to restore one, save its document again."""
        return await self._store.saves("rule_chain", id_, 0)
