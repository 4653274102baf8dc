"""From a draft to a graph that can run: configurations checked and filled in, edges examined, nodes built.

Finds everything that is wrong at once. Asks no sandbox: what a script is worth is
asked when it is saved (`catalog`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from tidemill.core.findings import Finding, errors, near
from tidemill.graph.component import Component, Config
from tidemill.graph.graph import Edge, Graph, Vertex
from tidemill.graph.registry import Registry
from tidemill.rules.chains.chain_calls import ChainCall
from tidemill.rules.chains.draft import ChainDraft, NodeDraft
from tidemill.rules.chains.references import SharedNodes, with_connection
from tidemill.rules.chains.variables import Secrets, filled, secret_findings, variable_findings
from tidemill.rules.endpoints.processors import Processors
from tidemill.rules.loops import BREAK
from tidemill.rules.ports import Ports, Stranger
from tidemill.rules.scripts.scripts import fuse
from tidemill.rules.site import Site
from tidemill.sandbox.script import Script

C = TypeVar("C", bound=Config)

NODES_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Built:
    """`graph` is None where an error is among the findings. `scripts` are what the sandbox has to judge, by path;
    `calls` the other chains, or nodes of them, that it runs: see `chain_calls`; `strangers` are clusters that nobody
    knows, `publishes` the topics that it publishes to, by cluster; `servers` are all clusters that it names."""

    draft: ChainDraft
    graph: Graph | None
    findings: Sequence[Finding]
    scripts: Sequence[tuple[str, Script]] = ()
    calls: Sequence[ChainCall] = ()
    strangers: Sequence[Stranger] = ()
    publishes: Sequence[tuple[str, str]] = ()
    servers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Setup:
    """What all chains of a server are built with."""

    registry: Registry
    ports: Ports
    globals_: Mapping[str, str]
    shared: SharedNodes = field(default_factory=SharedNodes)
    processors: Processors = field(default_factory=Processors)
    secrets: Secrets = field(default_factory=Secrets)

    def filled(self, value: Any, draft: ChainDraft, path: str, findings: list[Finding]) -> Any:
        """A configuration with its variables filled in."""
        secrets = self.secrets.of(draft)
        findings += secret_findings(value, path, draft, secrets)
        if draft.format == "rulego":
            findings += variable_findings(value, path, draft)
        return filled(value, draft, self.globals_, secrets)


@dataclass(frozen=True, slots=True)
class Placed:
    """A node whose configuration is right."""

    draft: NodeDraft
    component: Component
    config: Config
    site: Site


def build(draft: ChainDraft, setup: Setup) -> Built:
    findings: list[Finding] = []
    placed = [found for node in draft.nodes if (found := place(node, draft, setup, findings)) is not None]
    findings += _edge_findings(draft, {one.draft.id: one.component for one in placed})
    findings += _cycle_findings(draft)
    findings += _read_findings(draft, placed)
    calls = list(_calls(draft, placed, findings))
    if len(draft.nodes) > NODES_MAX:
        findings.append(Finding("metadata.nodes", f"a chain has at most {NODES_MAX} nodes, not {len(draft.nodes)}"))
    if draft.is_disabled:
        findings.append(Finding("ruleChain.disabled", "the chain is disabled", "disabled"))
    scripts = [
        (f"{one.site.path}.{key}", script)
        for one in placed
        for key, script in one.component.scripts(one.config, one.site)
    ]
    graph = None if errors(findings) else _graph(draft, placed)
    strangers = [stranger for one in placed for stranger in one.component.clusters(one.config, one.site)]
    publishes = [target for one in placed for target in one.component.publishes(one.config)]
    servers = [server for one in placed for server in one.component.servers(one.config)]
    return Built(draft, graph, findings, scripts, calls, strangers, publishes, servers)


def checked(model: type[C], value: Mapping[str, Any], path: str, findings: list[Finding]) -> C | None:
    """Every mistake with its place; an unknown key with the one that was meant, where one is near."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        known = [field.alias or name for name, field in model.model_fields.items()]
        for each in error.errors(include_url=False, include_input=False, include_context=False):
            at = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in each["loc"])
            if each["type"] == "extra_forbidden":
                key = str(each["loc"][-1])
                findings.append(Finding(path + at, f"unknown key {key!r}{near(key, known)}", "unknown_key"))
            else:
                kind = "missing" if each["type"] == "missing" else "type"
                findings.append(Finding(path + at, each["msg"][:1].lower() + each["msg"][1:], kind))
        return None


def place(node: NodeDraft, draft: ChainDraft, setup: Setup, findings: list[Finding]) -> Placed | None:
    component = setup.registry.get(node.type)
    if component is None:
        message = f"there is no node type {node.type!r}{near(node.type, setup.registry.types())}"
        findings.append(Finding(f"{node.path}.type", message, "unknown_type"))
        return None
    path = f"{node.path}.{node.config_key}"
    site = Site(draft.id, node.id, path, setup.ports, draft.vars, setup.globals_, node.name)
    known = [field.alias or name for name, field in component.config.model_fields.items()]
    given, strange = with_connection(node.config, known, draft, setup.shared, path)
    findings += strange
    config = checked(component.config, setup.filled(given, draft, path, findings), path, findings)
    if config is None or strange:
        return None
    found = list(component.check(config, site))
    findings += found
    return None if errors(found) else Placed(node, component, config, site)


def _edge_findings(draft: ChainDraft, components: Mapping[str, Component]) -> Iterator[Finding]:
    ids = {node.id for node in draft.nodes}
    for edge in draft.edges:
        for end, id_ in (("fromId", edge.origin), ("toId", edge.target)):
            if not id_:
                yield Finding(f"{edge.path}.{end}", "is missing", "missing")
            elif id_ not in ids:
                yield Finding(f"{edge.path}.{end}", f"there is no node {id_!r}{near(id_, ids)}", "unknown_node")
        component = components.get(edge.origin)
        relations = component.relations if component is not None else None
        if relations is not None and edge.relation and edge.relation not in relations:
            message = f"{edge.origin} never tells {edge.relation!r}{near(edge.relation, relations)}"
            yield Finding(f"{edge.path}.type", message, "unknown_relation", "warning")


def _read_findings(draft: ChainDraft, placed: Sequence[Placed]) -> Iterator[Finding]:
    ids = {node.id for node in draft.nodes}
    for one in placed:
        for key, node in one.component.reads(one.config):
            if node not in ids:
                yield one.site.finding(key, f"there is no node {node!r}{near(node, ids)}", "unknown_node")


def _calls(draft: ChainDraft, placed: Sequence[Placed], findings: list[Finding]) -> Iterator[ChainCall]:
    """Those that lead to other chains; what leads to nodes of this one is examined here."""
    ids = {node.id for node in draft.nodes}
    for one in placed:
        for key, entry in one.component.entries(one.config):
            if entry.startswith("chain:"):
                chain, _, node = entry.removeprefix("chain:").partition(":")
                yield ChainCall(one.draft.id, f"{one.site.path}.{key}", chain, node or None)
            elif entry not in ids:
                findings.append(one.site.finding(key, f"there is no node {entry!r}{near(entry, ids)}", "unknown_node"))
            elif entry == one.draft.id:
                findings.append(one.site.finding(key, "the node runs itself", "cycle"))


def _cycle_findings(draft: ChainDraft) -> Iterator[Finding]:
    """One for each edge that closes a cycle, with the nodes on it."""
    following: dict[str, list[tuple[str, str]]] = {node.id: [] for node in draft.nodes}
    for edge in draft.edges:
        if edge.origin in following and edge.target in following:
            following[edge.origin].append((edge.target, edge.path))
    done: set[str] = set()
    for start in following:
        way: list[str] = []
        on_way: set[str] = set()
        waiting: list[tuple[str, Iterator[tuple[str, str]]]] = []
        if start not in done:
            waiting.append((start, iter(following[start])))
            way.append(start)
            on_way.add(start)
        while waiting:
            node, rest = waiting[-1]
            for target, path in rest:
                if target in on_way:
                    circle = " → ".join([*way[way.index(target) :], target])
                    yield Finding(path, f"closes a cycle: {circle}", "cycle")
                elif target not in done:
                    waiting.append((target, iter(following[target])))
                    way.append(target)
                    on_way.add(target)
                    break
            else:
                waiting.pop()
                done.add(node)
                on_way.discard(way.pop())


def _may_break(one: Placed) -> bool:
    """A script may set the mark, too."""
    return one.component.name == "break" or any(BREAK in str(value) for value in one.draft.config.values())


def _graph(draft: ChainDraft, placed: Sequence[Placed]) -> Graph:
    vertices = []
    for one in placed:
        component = one.component
        vertex = Vertex(
            one.draft.id,
            component.name,
            component.build(one.config, one.site),
            entries=[entry for _, entry in component.entries(one.config)],
            may_break=_may_break(one),
            may_hold=component.holds(one.config),
            gathers=component.gathers,
            is_last=component.is_last,
            is_pure=component.is_pure,
            is_watched=one.draft.is_debug or draft.is_debug,
        )
        vertices.append(vertex)
    edges = [Edge(edge.origin, edge.relation, edge.target) for edge in draft.edges]
    asked = {name for one in placed for name in one.component.asks_for(one.config)}
    asked |= {name for one in placed for _, name in one.component.reads(one.config)}
    graph = Graph(draft.id, vertices, edges, draft.first, asked, draft.hidden)
    fuse(graph)
    return graph
