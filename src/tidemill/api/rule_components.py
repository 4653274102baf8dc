"""The kinds of nodes that there are, with their forms, and the nodes that chains share, as RuleGo's editor asks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.api.rules import Page, Size
from tidemill.api.saving import admitting
from tidemill.core.errors import NotFound
from tidemill.rules.shared import SharedNode
from tidemill.rules.shown.forms import component_form, endpoint_forms, processor_names

routes = Routes("Rule chains", "/api/v1")

NodeId = Annotated[str, Path(alias="id")]
NodeOrEndpoint = Annotated[Literal["node", "endpoint"], Path(alias="type")]


@routes.get("/components", actions.RULE_CHAIN_READ, dict[str, Any])
async def components(call: Call) -> Response:
    """Every kind of node with its form. That is the fields of its configuration, their types and defaults, and the
    relations that it tells by. Those of third parties are among them. Also the endpoints, and processors by name."""
    registry = call.services.kinds.registry
    # All of them are loaded here: elsewhere a kind of node is, when a chain first has one.
    kinds = [registry.get(type_) for type_ in registry.types()]
    forms = sorted((component_form(kind) for kind in kinds if kind is not None), key=_place)
    shared: dict[str, list[Any]] = {}
    for node in await call.services.shared_nodes.all():
        shared.setdefault(str(node.document.get("type", "")), []).append(node.document)
    before, after = processor_names(call.services.kinds.processors)
    processors = {"inProcessors": before, "outProcessors": after}
    builtins = {"endpoints": processors, "nodePool": shared}
    return json_answer({"nodes": forms, "endpoints": endpoint_forms(), "builtins": builtins})


@routes.get("/shared-nodes", actions.RULE_CHAIN_READ, dict[str, Any])
async def shared_nodes(
    call: Call,
    keywords: Text = None,
    kind: Annotated[Text, Query(alias="type")] = None,
    page: Page = 1,
    size: Size = 20,
) -> Response:
    """The nodes that chains may share, by id. `type` is `node` or `endpoint`."""
    found = [node for node in await call.services.shared_nodes.all() if _is_wanted(node, keywords, kind)]
    items = [node.document for node in found[(page - 1) * size : page * size]]
    return json_answer({"total": len(found), "page": page, "size": size, "items": items})


@routes.get("/shared-node-statuses", actions.RULE_CHAIN_READ, dict[str, Any])
async def shared_node_statuses(call: Call) -> Response:
    """Of each shared node: it has no connection of its own. What refers to it opens one where it first needs it."""
    return json_answer({node.id: {"status": "none"} for node in await call.services.shared_nodes.all()})


@routes.get("/shared-nodes/{id}/{type}", actions.RULE_CHAIN_READ, dict[str, Any])
async def shared_node(call: Call, id_: NodeId, kind: NodeOrEndpoint) -> Response:
    """One shared node, as it was saved."""
    return json_answer((await _found(call, id_, kind)).document)


@routes.post("/shared-nodes/{id}/{type}", actions.RULE_CHAIN_WRITE, dict[str, Any], dict[str, Any])
async def save_shared_node(call: Call, id_: NodeId, kind: NodeOrEndpoint) -> Response:
    """Saves a shared node. Every chain that refers to it as `ref://id` works with it at once."""
    document = await call.json(object)
    node = await call.services.shared_nodes.save(id_, document, call.author, admitting(call))
    await call.changed(actions.RULE_CHAIN_WRITE, f"shared_node:{id_}")
    return json_answer({"id": id_, "findings": node.findings})


@routes.delete("/shared-nodes/{id}/{type}", actions.RULE_CHAIN_DELETE)
async def remove_shared_node(call: Call, id_: NodeId, kind: NodeOrEndpoint) -> Response:
    """Removes a shared node. Chains that refer to it cannot run from then on, and say so."""
    await _found(call, id_, kind)
    await call.services.shared_nodes.remove(id_, call.author)
    await call.changed(actions.RULE_CHAIN_DELETE, f"shared_node:{id_}")
    return empty_answer(204)


async def _found(call: AllowedCall, id_: str, kind: str) -> SharedNode:
    node = await call.services.shared_nodes.get(id_)
    if node.is_endpoint != (kind == "endpoint"):
        raise NotFound(f"{id_!r} is {'an endpoint' if node.is_endpoint else 'a node'}, not {kind}")
    return node


def _place(form: dict[str, Any]) -> tuple[str, str]:
    return form["category"], form["type"]


def _is_wanted(node: SharedNode, keywords: str | None, kind: str | None) -> bool:
    said = f"{node.id}\n{node.document.get('name', '')}".lower()
    return (keywords is None or keywords.lower() in said) and kind in (
        None,
        "endpoint" if node.is_endpoint else "node",
    )
