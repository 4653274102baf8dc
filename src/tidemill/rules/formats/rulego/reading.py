"""RuleGo's JSON to a draft: every mistake is a finding with its path. What RuleGo keeps and ignores is no mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tidemill.core.codec import to_json
from tidemill.core.findings import Finding
from tidemill.expressions.document import Fields
from tidemill.rules.chains.draft import ChainDraft, EdgeDraft, EndpointDraft, NodeDraft, RouterDraft

FORMAT = "rulego"


def read(document: Any, id_: str = "") -> tuple[ChainDraft, list[Finding]]:
    """`id_` is the id that the chain is saved under; without it, the document's own."""
    findings: list[Finding] = []
    whole = Fields(document, "", findings)
    chain = whole.fields("ruleChain") if whole.raw("ruleChain") is not None else Fields({}, "ruleChain", findings)
    metadata = whole.fields("metadata")
    nodes = list(_nodes(metadata))
    configuration = chain.fields("configuration")
    own = chain.text("id")
    draft = ChainDraft(
        id_ or own,
        FORMAT,
        chain.text("name"),
        is_root=chain.flag("root", True),
        is_disabled=chain.flag("disabled"),
        is_debug=chain.flag("debugMode"),
        nodes=nodes,
        edges=[*_edges(metadata), *_chain_edges(metadata, nodes)],
        endpoints=list(_endpoints(metadata)),
        first=_first(metadata, nodes),
        vars=_values(configuration, "vars"),
        secrets=_values(configuration, "secrets"),
        about={"id": id_ or own, "name": chain.text("name"), **chain.object("additionalInfo")},
    )
    configuration.finish()
    chain.finish()
    metadata.finish()
    whole.finish()
    if not draft.id:
        chain.add("id", "is missing", "missing")
    return draft, findings


def _nodes(metadata: Fields) -> Iterator[NodeDraft]:
    seen: dict[str, int] = {}
    for index, node in enumerate(metadata.each("nodes")):
        id_ = node.text("id") or f"node{index}"
        if id_ in seen:
            node.add("id", f"the id {id_!r} is that of metadata.nodes[{seen[id_]}] already", "duplicate")
            continue
        seen[id_] = index
        yield NodeDraft(
            id_,
            node.name("type"),
            node.object("configuration"),
            node.path,
            node.text("name"),
            node.flag("debugMode"),
        )
        node.finish(["additionalInfo"])


def _first(metadata: Fields, nodes: Sequence[NodeDraft]) -> str | None:
    index = metadata.whole("firstNodeIndex")
    if not nodes:
        return None
    if index >= len(nodes):
        metadata.add("firstNodeIndex", f"there is no node {index}: the chain has {len(nodes)}")
        return None
    return nodes[index].id


def _edges(metadata: Fields) -> Iterator[EdgeDraft]:
    for edge in metadata.each("connections"):
        yield EdgeDraft(edge.text("fromId"), edge.name("type"), edge.text("toId"), edge.path)
        edge.finish(["label"])


def _chain_edges(metadata: Fields, nodes: Sequence[NodeDraft]) -> Iterator[EdgeDraft]:
    """Deprecated by RuleGo for long, and there used by nobody."""
    if metadata.items("ruleChainConnections"):
        metadata.add("ruleChainConnections", "is not read any more: use a node of type 'flow'", "not_supported")
    return iter(())


def _endpoints(metadata: Fields) -> Iterator[EndpointDraft]:
    seen: set[str] = set()
    for index, endpoint in enumerate(metadata.each("endpoints")):
        id_ = endpoint.text("id") or f"endpoint{index}"
        if id_ in seen:
            endpoint.add("id", f"there are two endpoints {id_!r}", "duplicate")
        seen.add(id_)
        yield EndpointDraft(
            id_,
            endpoint.name("type"),
            endpoint.object("configuration"),
            endpoint.path,
            endpoint.text("name"),
            _names(endpoint, "processors"),
            list(_routers(endpoint)),
        )
        endpoint.finish(["debugMode", "additionalInfo"])


def _routers(endpoint: Fields) -> Iterator[RouterDraft]:
    seen: set[str] = set()
    for router in endpoint.each("routers"):
        source, to = router.fields("from"), router.fields("to")
        paths = _paths(source)
        id_ = router.text("id") or ",".join(paths)
        if id_ in seen:
            router.add("id", f"there are two routers {id_!r}", "duplicate")
        seen.add(id_)
        yield RouterDraft(
            id_,
            router.path,
            paths,
            to.text("path"),
            source.object("configuration"),
            to.object("configuration"),
            _names(source, "processors"),
            _names(to, "processors"),
            router.items("params"),
            to.flag("wait"),
        )
        for fields in (source, to):
            fields.finish()
        router.finish(["additionalInfo"])


def _paths(source: Fields) -> list[str]:
    """One, or a list of them, which RuleGo has not."""
    value = source.raw("path")
    if not isinstance(value, list):
        return [source.name("path")]
    if not value or not all(isinstance(path, str) and path.strip() for path in value):
        source.add("path", "must be a path, or a list of paths", "type")
    return [path for path in value if isinstance(path, str)]


def _names(fields: Fields, key: str) -> list[str]:
    found = []
    for index, name in enumerate(fields.items(key)):
        if isinstance(name, str):
            found.append(name)
        else:
            fields.add(f"{key}[{index}]", "must be the name of a processor", "type")
    return found


def _values(configuration: Fields, key: str) -> Mapping[str, str]:
    """Each as it is put into a text."""
    found = {}
    for name, value in configuration.object(key).items():
        if isinstance(value, str):
            found[name] = value
        elif isinstance(value, bool | int | float):
            found[name] = to_json(value).decode()
        else:
            configuration.add(f"{key}.{name}", "must be a text, a number, true or false", "type")
    return found
