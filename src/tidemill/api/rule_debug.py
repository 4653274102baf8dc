"""What nodes in debug mode saw, as this process remembers it: RuleGo's page of it, and in order with all there is."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.api.rules import Page, Size, rulego_chain, told
from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding, near
from tidemill.rules.chains.compiled import document_of
from tidemill.rules.formats.rulego import editing
from tidemill.rules.shown.debugging import DebugEntry
from tidemill.rules.shown.views import message_json

routes = Routes("Rule chains", "/api/v1/logs")
own_routes = Routes("Rule chains", "/api/tidemill/rules")

ChainId = Annotated[str, Path(alias="id")]
Number = Annotated[int, Query(ge=0, lt=2**63)]
Limit = Annotated[int, Query(ge=1, le=1_000)]


class Asked(msgspec.Struct, frozen=True):
    """`nodes` are those to be watched; without it, all."""

    on: bool
    nodes: list[str] | None = None


@routes.get("/debug", actions.RULE_CHAIN_DEBUG, dict[str, Any])
async def debug_page(
    call: Call,
    chain: Annotated[str, Query(alias="chainId")],
    node: Annotated[Text, Query(alias="nodeId")] = None,
    page: Page = 1,
    size: Size = 20,
) -> Response:
    """What a chain's nodes saw, newest first. Of this process only."""
    found = call.services.debug.of(chain, node)[::-1]
    items = [_in_rulegos_keys(chain, entry) for entry in found[(page - 1) * size : page * size]]
    return json_answer({"total": len(found), "page": page, "size": size, "items": items})


@own_routes.get("/{id}/debug", actions.RULE_CHAIN_DEBUG, dict[str, Any])
async def debug(call: Call, chain: ChainId, node: Text = None, after: Number = 0, limit: Limit = 200) -> Response:
    """What a chain's nodes saw, in order: the newest, or those after a number. `until` says when its debug mode ends by
    itself; null where it is not in debug mode. Of this process only: several that work do not see each other's."""
    found = await call.services.rules.chain(chain)
    entries = call.services.debug.of(chain, node, after)
    shown = entries[:limit] if after else entries[-limit:]
    until = found.watched_until_ms or None
    return json_answer({"until": until, "items": [_entry_json(entry) for entry in shown]})


@own_routes.post("/{id}/debug", actions.RULE_CHAIN_WRITE, Asked, dict[str, Any])
async def switch_debug(call: Call, chain: ChainId) -> Response:
    """Switches debug mode of a chain, or of some of its nodes, on or off, by saving the chain. It ends by itself half
    an hour later."""
    asked = await call.json(Asked)
    found = await rulego_chain(call, chain)
    known = [node.id for node in found.built.draft.nodes]
    strange = [
        Finding(f"nodes[{index}]", f"the chain has no node {name!r}{near(name, known)}", "unknown_node")
        for index, name in enumerate(asked.nodes or ())
        if name not in known
    ]
    if strange:
        raise BadInput(strange)
    document = editing.with_debug(document_of(found.definition), asked.on, asked.nodes)
    saved = await call.services.rules.save(chain, document, call.author)
    await call.changed(actions.RULE_CHAIN_WRITE, f"rule_chain:{chain}")
    return json_answer(told(saved) | {"until": saved.watched_until_ms or None})


def _in_rulegos_keys(chain: str, entry: DebugEntry) -> dict[str, Any]:
    return {
        "chainId": chain,
        "nodeId": entry.node,
        "ts": entry.at_ms,
        "flowType": entry.flow,
        "relationType": entry.relation,
        "msg": message_json(entry.message),
        "err": entry.error or "",
        "log": entry.line or "",
    }


def _entry_json(entry: DebugEntry) -> dict[str, Any]:
    shown = {
        "number": entry.number,
        "at": entry.at_ms,
        "node": entry.node,
        "flow": entry.flow,
        "relation": entry.relation or None,
        "error": entry.error,
        "line": entry.line,
        "message": message_json(entry.message),
        "isCut": entry.is_cut or None,
    }
    return {name: value for name, value in shown.items() if value is not None}
