"""What `/ready` says: the database, each integration with its pumps and its publisher. Asks; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tidemill.core.errors import TidemillError
from tidemill.ingest.pumps import Pumps, PumpState
from tidemill.ingest.subscription import GroupKey
from tidemill.kafka.consumer import KafkaSources
from tidemill.kafka.integrations import Integrations
from tidemill.kafka.publishers import Publishers
from tidemill.storage.definitions import StoredDefinitions


class Readiness:
    """`ok` is false while the database is away, or something of an integration that is switched on is."""

    def __init__(
        self,
        definitions: StoredDefinitions,
        integrations: Integrations,
        sources: KafkaSources,
        pumps: Pumps,
        publishers: Publishers,
    ) -> None:
        self._definitions = definitions
        self._integrations = integrations
        self._sources = sources
        self._pumps = pumps
        self._publishers = publishers

    async def report(self) -> Mapping[str, Any]:
        try:
            saved = {definition.name for definition in await self._definitions.all("integration")}
            known = await self._integrations.integrations()
        except TidemillError as error:
            return {"ok": False, "database": {"ok": False, "reason": str(error)}, "integrations": {}}
        found = {name: self._integration(name, info.is_enabled) for name, info in known.items()}
        stranded = {name: count for name, count in self._publishers.stranded.items() if name not in known}
        found |= {name: _stranded(count, is_removed=name not in saved) for name, count in stranded.items()}
        is_ok = all(state["ok"] for state in found.values())
        return {"ok": is_ok, "database": {"ok": True}, "integrations": found}

    def _integration(self, name: str, is_enabled: bool) -> dict[str, Any]:
        if not is_enabled:
            return {"ok": True, "enabled": False}
        publisher = self._publishers.states().get(name)
        groups = {
            key.group: self._group(key, state) for key, state in self._pumps.states().items() if key.integration == name
        }
        is_ok = (publisher is None or publisher.phase != "failing") and all(group["ok"] for group in groups.values())
        return {
            "ok": is_ok,
            "enabled": True,
            "publisher": msgspec.to_builtins(publisher),
            "groups": groups,
        }

    def _group(self, key: GroupKey, state: PumpState) -> dict[str, Any]:
        trouble = state.reason or self._sources.states().get(key)
        said = {"ok": state.is_ok and trouble is None, "phase": state.phase, "reason": trouble}
        missing = sorted(self._sources.missing_topics().get(key, ()))
        # No reason to take this process for sick: the group reads its other topics, and these once they are there.
        return {**said, "missingTopics": missing} if missing else said


def _stranded(count: int, *, is_removed: bool) -> dict[str, Any]:
    removed = f"the integration has been removed: {count} publications are about to be refused"
    unusable = f"the integration cannot be used, the log says why: {count} publications wait"
    return {"ok": False, "reason": removed if is_removed else unusable}
