"""What all kinds of endpoints are built with: configurations that are checked, processors found, targets read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tidemill.core.findings import Finding, Level, errors, near
from tidemill.graph.component import Config
from tidemill.graph.graph import Graph, Vertex
from tidemill.rules.chains.building import Setup, checked, place
from tidemill.rules.chains.draft import ChainDraft, EndpointDraft, NodeDraft, RouterDraft
from tidemill.rules.chains.references import with_connection
from tidemill.rules.chains.variables import filled
from tidemill.rules.endpoints.processors import Processor
from tidemill.rules.endpoints.router import Router
from tidemill.rules.endpoints.target import COMPONENT, Destination, Target, has_placeholders, target_of
from tidemill.rules.ports import Stranger
from tidemill.sandbox.script import Script

C = TypeVar("C", bound=Config)


@dataclass(frozen=True, slots=True)
class Workshop:
    """One chain's endpoints are built here; what is wrong with them goes into `findings`, what the sandbox has to judge
    into `scripts`, the clusters that are named into `servers`, and those that no integration has into `strangers`."""

    draft: ChainDraft
    setup: Setup
    findings: list[Finding] = field(default_factory=list)
    scripts: list[tuple[str, Script]] = field(default_factory=list)
    strangers: list[Stranger] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)

    def add(self, path: str, message: str, kind: str = "invalid", level: Level = "error") -> None:
        self.findings.append(Finding(path, message, kind, level))

    def text(self, value: str) -> str:
        """With `${global.x}` and `${vars.x}` in it."""
        found: str = filled(value, self.draft, self.setup.globals_, {})
        return found

    def config(self, model: type[C], value: Mapping[str, Any], path: str) -> C | None:
        return checked(model, self.setup.filled(value, self.draft, path, self.findings), path, self.findings)

    def connected(self, value: Mapping[str, Any], known: Collection[str], path: str) -> Mapping[str, Any]:
        """With the connection in it that it refers to."""
        given, strange = with_connection(value, known, self.draft, self.setup.shared, path)
        self.findings.extend(strange)
        return given

    def router(self, endpoint: EndpointDraft, router: RouterDraft) -> Router | None:
        """None where an error was found."""
        known = len(self.findings)
        names = [*endpoint.processors, *router.source_processors]
        before = self._processors(names, f"{router.path}.from.processors")
        after = self._processors(router.to_processors, f"{router.path}.to.processors")
        destination = self._destination(router)
        name = route_name(self.draft.id, endpoint.id, router.id)
        return None if errors(self.findings[known:]) else Router(name, destination, before, after)

    def _processors(self, names: Sequence[str], path: str) -> Sequence[Processor]:
        found = []
        for name in names:
            processor = self.setup.processors.get(name)
            if processor is None:
                message = f"there is no processor {name!r}{near(name, self.setup.processors.names())}"
                self.add(path, f"{message}{self.setup.processors.trouble()}", "unknown_processor")
            else:
                found.append(processor)
        return found

    def _destination(self, router: RouterDraft) -> Destination:
        path, at = self.text(router.to).strip(), f"{router.path}.to"
        if path.startswith(COMPONENT):
            return Destination(path, Target("", component=self._component(path.removeprefix(COMPONENT), router, at)))
        if router.to_config:
            self.add(f"{at}.configuration", "is for component:<type> only, and without effect here", level="warning")
        if has_placeholders(path):
            return Destination(path)
        target = target_of(path)
        chain = target.chain or self.draft.id
        if chain == self.draft.id and target.node is not None:
            ids = [node.id for node in self.draft.nodes]
            if target.node not in ids:
                message = f"this chain has no node {target.node!r}{near(target.node, ids)}"
                self.add(f"{at}.path", message, "unknown_node")
        return Destination(path, Target(chain, target.node))

    def _component(self, type_: str, router: RouterDraft, at: str) -> Graph | None:
        """A graph of this one node."""
        if self.setup.registry.get(type_) is None:
            message = f"there is no node type {type_!r}{near(type_, self.setup.registry.types())}"
            self.add(f"{at}.path", message, "unknown_type")
            return None
        draft = NodeDraft(type_, type_, router.to_config, at)
        found = place(draft, self.draft, self.setup, self.findings)
        if found is None:
            return None
        self.servers.extend(found.component.servers(found.config))
        keys = found.component.scripts(found.config, found.site)
        self.scripts.extend((f"{found.site.path}.{key}", script) for key, script in keys)
        node = found.component.build(found.config, found.site)
        vertex = Vertex(type_, type_, node, is_last=found.component.is_last)
        return Graph(route_name(self.draft.id, "component", router.id), [vertex], [], type_, hidden=self.draft.hidden)


def route_name(chain: str, endpoint: str, router: str) -> str:
    return f"endpoint:{chain}:{endpoint}:{router}"
