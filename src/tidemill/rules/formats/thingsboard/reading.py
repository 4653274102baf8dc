"""ThingsBoard's JSON to a draft. Nodes are counted there, edges lead from number to number, and a node's type is its
Java class. Knows no node: what a class means is a component of that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidemill.core.findings import Finding, near
from tidemill.expressions.document import Fields
from tidemill.rules.chains.draft import ChainDraft, EdgeDraft, NodeDraft
from tidemill.rules.listed import LISTED

FORMAT = "thingsboard"
PACKAGE = "org.thingsboard.rule.engine."
SUB_CHAIN = f"{PACKAGE}flow.TbRuleChainInputNode"

_OF_SERVER = ("tenantId", "createdTime", "version", "externalId", "additionalInfo")
"""Keys that an export may have, and that say nothing about what the chain does."""


def is_meant(document: Any) -> bool:
    """Whether somebody wrote this for ThingsBoard: there a chain has a type, and edges lead to numbers."""
    if not isinstance(document, Mapping):
        return False
    chain, metadata = _mapping(document.get("ruleChain")), _mapping(document.get("metadata"))
    if chain.get("type") in ("CORE", "EDGE") or isinstance(chain.get("id"), Mapping):
        return True
    return any("fromIndex" in edge for edge in _mappings(metadata.get("connections"))) or any(
        str(node.get("type", "")).startswith(PACKAGE) and "id" not in node for node in _mappings(metadata.get("nodes"))
    )


def read(document: Any, id_: str = "") -> tuple[ChainDraft, list[Finding]]:
    """`id_` is the id that the chain is saved under; without it, the document's own."""
    findings: list[Finding] = []
    whole = Fields(document, "", findings)
    chain, metadata = whole.fields("ruleChain"), whole.fields("metadata")
    nodes = list(_nodes(metadata))
    by_index = {index: node for index, node in nodes if node is not None}
    edges = list(_edges(metadata, by_index, len(nodes)))
    inputs = list(_inputs(metadata, by_index, len(nodes)))
    own, name = id_of(chain.raw("id")), chain.text("name")
    if chain.choice("type", ("CORE", "EDGE"), "CORE") == "EDGE":
        chain.add("type", "a chain of the type EDGE runs on an edge, and Tidemill has none", "not_supported")
    draft = ChainDraft(
        id_ or own,
        FORMAT,
        name,
        is_root=chain.flag("root"),
        is_debug=chain.flag("debugMode"),
        nodes=[*by_index.values(), *(node for node, _ in inputs)],
        edges=[*edges, *(edge for _, edge in inputs)],
        first=_first(metadata, by_index, len(nodes)),
        about={"id": id_ or own, "name": name},
    )
    chain.finish([*_OF_SERVER, "firstRuleNodeId", "configuration"])
    metadata.finish(["ruleChainId", "version", "notes"])
    whole.finish(["resources"])
    if not draft.id:
        chain.add("id", "is missing", "missing")
    return draft, findings


def id_of(value: Any) -> str:
    """Of `{entityType, id}`, or of the id alone."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) else ""


def node_id(node: Mapping[str, Any], index: int) -> str:
    """Its own, where a server gave it one; else its number."""
    return id_of(node.get("id")) or f"node{index}"


def _nodes(metadata: Fields) -> Iterator[tuple[int, NodeDraft | None]]:
    """None for one that cannot be here."""
    seen: dict[str, int] = {}
    for index, node in enumerate(metadata.each("nodes")):
        id_, type_ = node_id(node.value, index), node.name("type")
        node.raw("id")
        settings = node.fields("debugSettings")
        is_debug = node.flag("debugMode") or settings.flag("allEnabled") or bool(settings.raw("allEnabledUntil"))
        # A null is what ThingsBoard writes where nothing is said.
        config = {key: value for key, value in node.object("configuration").items() if value is not None}
        draft = NodeDraft(id_, type_, config, node.path, node.text("name"), is_debug)
        node.finish([*_OF_SERVER, "ruleChainId", "configurationVersion", "singletonMode", "queueName"])
        if id_ in seen:
            node.add("id", f"the id {id_!r} is that of metadata.nodes[{seen[id_]}] already", "duplicate")
        elif type_.startswith(PACKAGE) and type_ not in LISTED:
            known = [name.rpartition(".")[2] for name in LISTED if name.startswith(PACKAGE)]
            simple = type_.rpartition(".")[2]
            node.add("type", f"Tidemill has no node {simple}{near(simple, known)}", "not_supported")
        else:
            seen[id_] = index
            yield index, draft
            continue
        yield index, None


def _first(metadata: Fields, nodes: Mapping[int, NodeDraft], count: int) -> str | None:
    if not count:
        metadata.raw("firstNodeIndex")
        return None
    if metadata.raw("firstNodeIndex") is None:
        metadata.add("firstNodeIndex", "is missing: no message comes in", "missing")
        return None
    index = _index(metadata, "firstNodeIndex", count)
    return nodes[index].id if index in nodes else None


def _edges(metadata: Fields, nodes: Mapping[int, NodeDraft], count: int) -> Iterator[EdgeDraft]:
    """Without those of nodes that cannot be here."""
    for edge in metadata.each("connections"):
        origin, target = _index(edge, "fromIndex", count), _index(edge, "toIndex", count)
        relation = edge.name("type")
        edge.finish()
        if origin in nodes and target in nodes:
            yield EdgeDraft(nodes[origin].id, relation, nodes[target].id, edge.path)


def _inputs(metadata: Fields, nodes: Mapping[int, NodeDraft], count: int) -> Iterator[tuple[NodeDraft, EdgeDraft]]:
    """Edges to other chains, as exports of ThingsBoard before 3.3 have them: each is a node that runs the chain."""
    for index, edge in enumerate(metadata.each("ruleChainConnections")):
        origin, relation = _index(edge, "fromIndex", count), edge.name("type")
        target = id_of(edge.raw("targetRuleChainId"))
        if not target:
            edge.add("targetRuleChainId", "is missing", "missing")
        edge.finish(["additionalInfo"])
        if origin in nodes and target:
            node = NodeDraft(f"chain{index}", SUB_CHAIN, {"ruleChainId": target}, edge.path)
            yield node, EdgeDraft(nodes[origin].id, relation, node.id, edge.path)


def _index(fields: Fields, key: str, count: int) -> int:
    """Of a node; -1 where there is none."""
    if fields.raw(key) is None:
        fields.add(key, "is missing", "missing")
        return -1
    index = fields.whole(key, -1)
    if index >= count:
        fields.add(key, f"there is no node {index}: the chain has {count}", "unknown_node")
    return index


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
