"""Definitions and integrations, as small as the API can do with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.core.codec import to_json
from tidemill.core.definitions import Definition, Expect, Kind
from tidemill.core.errors import BadInput, Conflict, NotFound
from tidemill.core.findings import Finding


class FakeCatalog:
    """Keeps documents; a name that starts with `bad` has two findings and is refused, `odd` is kept with one."""

    def __init__(self) -> None:
        self.documents: dict[tuple[Kind, str, int], list[Mapping[str, Any]]] = {}

    async def save_workflows(self, documents: Any, author: str, overwrite: bool = True) -> Sequence[Definition]:
        expect: Expect = "any" if overwrite else "absent"
        return [self._save("workflow", each, author, expect, each.get("version", 1)) for each in documents]

    async def workflow(self, name: str, version: int | None = None) -> Mapping[str, Any]:
        return self._get("workflow", name, version)

    async def workflows(self) -> Sequence[Mapping[str, Any]]:
        return self._all("workflow")

    async def remove_workflow(self, name: str, version: int, author: str) -> None:
        self._remove("workflow", name, version)

    async def save_tasks(self, documents: Any, author: str) -> Sequence[Definition]:
        return [self._save("task", each, author, "any") for each in documents]

    async def task(self, name: str) -> Mapping[str, Any]:
        return self._get("task", name)

    async def tasks(self) -> Sequence[Mapping[str, Any]]:
        return self._all("task")

    async def remove_task(self, name: str, author: str) -> None:
        self._remove("task", name)

    async def save_handler(self, document: Any, author: str, expect: Expect = "any") -> Definition:
        return self._save("event_handler", document, author, expect)

    async def handler(self, name: str) -> Mapping[str, Any]:
        return self._get("event_handler", name)

    async def handlers(self, event: str | None = None, active_only: bool = False) -> Sequence[Mapping[str, Any]]:
        return [
            each
            for each in self._all("event_handler")
            if event in (None, each["event"]) and (each.get("active") or not active_only)
        ]

    async def remove_handler(self, name: str, author: str) -> None:
        self._remove("event_handler", name)

    async def findings(self, kind: Kind, name: str, version: int | None = None) -> Sequence[Finding]:
        self._get(kind, name, version)
        return [Finding("tasks[0].sink", "the integration is missing", "unknown_integration")]

    async def saves(self, kind: Kind, name: str, version: int = 0) -> Sequence[Definition]:
        saves = self.documents.get((kind, name, version), [])
        return [_definition(kind, name, version, number + 1, each) for number, each in enumerate(saves)][::-1]

    def _save(self, kind: Kind, document: Any, author: str, expect: Expect, version: int = 0) -> Definition:
        name = document["name"]
        if name.startswith("bad"):
            raise BadInput([Finding("tasks", "is missing", "missing"), Finding("nane", "is unknown", "unknown")])
        saves = self.documents.setdefault((kind, name, version), [])
        if expect == "absent" and saves:
            raise Conflict(f"{kind} {name!r} exists")
        if expect == "present" and not saves:
            raise NotFound(f"there is no {kind} {name!r}")
        saves.append(document)
        return _definition(kind, name, version, len(saves), document)

    def _get(self, kind: Kind, name: str, version: int | None = None) -> Mapping[str, Any]:
        for (found_kind, found_name, found_version), saves in self.documents.items():
            if (found_kind, found_name) == (kind, name) and version in (None, found_version):
                return saves[-1]
        raise NotFound(f"there is no {kind} {name!r}")

    def _all(self, kind: Kind) -> list[Mapping[str, Any]]:
        return [saves[-1] for key, saves in self.documents.items() if key[0] == kind]

    def _remove(self, kind: Kind, name: str, version: int = 0) -> None:
        self._get(kind, name, version)
        del self.documents[(kind, name, version)]


class FakeIntegrations:
    def __init__(self) -> None:
        self.by_name: dict[str, dict[str, Any]] = {}

    async def save(self, name: str, body: Mapping[str, Any], author: str) -> Definition:
        self.by_name[name] = {"enabled": True, **body, "name": name}
        return _definition("integration", name, 0, 1, body)

    async def get(self, name: str) -> Mapping[str, Any]:
        if name not in self.by_name:
            raise NotFound(f"there is no integration {name!r}")
        return self.by_name[name]

    async def list(self) -> Sequence[Mapping[str, Any]]:
        return [*self.by_name.values()]

    async def remove(self, name: str, author: str) -> None:
        await self.get(name)
        del self.by_name[name]

    async def test(self, name: str) -> Mapping[str, Any]:
        return {"ok": False, "message": "connect failed: refused", "failedStep": "connect", **(await self.get(name))}


def _definition(kind: Kind, name: str, version: int, save: int, document: Any) -> Definition:
    findings = [Finding("event", "odd", "invalid", "warning").as_json()] if name.startswith("odd") else []
    return Definition(kind, name, version, save, to_json(document), to_json(findings), "admin", 1, save)
