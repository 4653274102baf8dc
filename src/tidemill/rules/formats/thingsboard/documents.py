"""A document as ThingsBoard's API has it, in two halves: the chain, and its metadata, that is nodes and connections.
Makes new values; saves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from tidemill.rules.formats.thingsboard.reading import SUB_CHAIN, id_of, node_id

Document = Mapping[str, Any]

TENANT = {"entityType": "TENANT", "id": "13814000-1dd2-11b2-8080-808080808080"}
"""There is one here: that of ThingsBoard's own system."""
OUTPUT = SUB_CHAIN.replace("Input", "Output")

_GIVEN = frozenset({"id", "tenantId", "createdTime", "version", "firstRuleNodeId"})
"""What the server knows better."""


def chain_entity(id_: str) -> dict[str, str]:
    """ThingsBoard's clients take only UUIDs: a chain that is called otherwise has one that is made of its id."""
    return {"entityType": "RULE_CHAIN", "id": uuid_of(id_)}


def uuid_of(id_: str) -> str:
    try:
        return str(UUID(id_))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"tidemill:rule_chain:{id_}"))


def chain_json(id_: str, document: Document, created_ms: int, save: int) -> dict[str, Any]:
    about, nodes = _object(document, "ruleChain"), _nodes(document)
    first = _object(document, "metadata").get("firstNodeIndex")
    index = first if isinstance(first, int) and 0 <= first < len(nodes) else None
    return {
        "additionalInfo": None,
        "type": "CORE",
        "root": False,
        "debugMode": False,
        "configuration": None,
        **about,
        "id": chain_entity(id_),
        "tenantId": TENANT,
        "createdTime": created_ms,
        "version": save,
        "firstRuleNodeId": _node_entity(id_, nodes[index], index) if index is not None else None,
    }


def metadata_json(id_: str, document: Document, created_ms: int, save: int) -> dict[str, Any]:
    metadata, chain = _object(document, "metadata"), chain_entity(id_)
    nodes = [
        {**node, "id": _node_entity(id_, node, index), "ruleChainId": chain, "createdTime": created_ms}
        for index, node in enumerate(_nodes(document))
    ]
    return {
        "firstNodeIndex": None,
        "connections": [],
        "ruleChainConnections": None,
        **metadata,
        "ruleChainId": chain,
        "version": save,
        "nodes": nodes,
    }


def with_chain(document: Document, chain: Mapping[str, Any]) -> dict[str, Any]:
    """What a client sent of the chain itself, in place of what was there."""
    return {**document, "ruleChain": {"type": "CORE", **_without(chain, _GIVEN)}}


def with_root(document: Document, is_root: bool) -> dict[str, Any]:
    return {**document, "ruleChain": {**_object(document, "ruleChain"), "root": is_root}}


def with_metadata(document: Document, metadata: Mapping[str, Any], new_id: Callable[[], str]) -> dict[str, Any]:
    """The nodes and connections that a client sent. A node without an id gets one and keeps it."""
    sent = metadata.get("nodes")
    nodes = [_identified(node, new_id) for node in sent] if isinstance(sent, list) else sent
    return {**document, "metadata": {**_without(metadata, {"ruleChainId", "version"}), "nodes": nodes}}


def empty() -> dict[str, Any]:
    """A chain of which only the first half was sent as yet."""
    metadata: dict[str, Any] = {"firstNodeIndex": None, "nodes": [], "connections": [], "ruleChainConnections": None}
    return {"ruleChain": {}, "metadata": metadata}


def relinked(metadata: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    """With the new ids of the chains that it leads to, and nodes that are nobody's yet."""
    nodes = []
    for node in _listed(metadata, "nodes"):
        configuration = _object(node, "configuration")
        target = str(configuration.get("ruleChainId"))
        if node.get("type") == SUB_CHAIN and target in ids:
            node = {**node, "configuration": {**configuration, "ruleChainId": ids[target]}}
        nodes.append(_without(node, {"id"}))
    edges = [
        {**edge, "targetRuleChainId": chain_entity(ids[target])}
        if (target := id_of(edge.get("targetRuleChainId"))) in ids
        else edge
        for edge in _listed(metadata, "ruleChainConnections")
    ]
    return {**metadata, "nodes": nodes, "ruleChainConnections": edges or None}


def output_labels(document: Document) -> Sequence[str]:
    """The relations by which the chain comes back to one that runs it."""
    return sorted({str(node.get("name", "")) for node in _nodes(document) if node.get("type") == OUTPUT})


def _identified(node: Any, new_id: Callable[[], str]) -> Any:
    if not isinstance(node, Mapping):
        return node
    kept = _without(node, {"ruleChainId", "createdTime"})
    return kept if id_of(kept.get("id")) else {**kept, "id": {"entityType": "RULE_NODE", "id": new_id()}}


def _node_entity(chain: str, node: Mapping[str, Any], index: int) -> dict[str, str]:
    id_ = node_id(node, index)
    known = id_of(node.get("id"))
    return {"entityType": "RULE_NODE", "id": uuid_of(known or f"{chain}/{id_}")}


def _nodes(document: Document) -> list[Mapping[str, Any]]:
    return _listed(_object(document, "metadata"), "nodes")


def _listed(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = value.get(key)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _without(value: Mapping[str, Any], keys: frozenset[str] | set[str]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key not in keys}
