"""Rule chains as RuleGo's editor calls for them."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.call import Call
from tidemill.api.router import Routes
from tidemill.rules.chains import Chain, document_of
from tidemill.rules.hand import HandRun
from tidemill.rules.views import end_json

routes = Routes("Rule chains", "/api/v1/rules")


@routes.get("", actions.RULE_CHAIN_READ, list[dict[str, Any]])
async def all_chains(call: Call) -> Response:
    """Every rule chain, with what is wrong with it."""
    return json_answer([_shown(chain) for chain in await call.services.rules.chains()])


@routes.get("/{id}", actions.RULE_CHAIN_READ, dict[str, Any])
async def by_id(call: Call, id: str) -> Response:  # noqa: A002
    """One rule chain, as it was saved."""
    return json_answer(document_of((await call.services.rules.chain(id)).definition))


@routes.post("/{id}", actions.RULE_CHAIN_WRITE, dict[str, Any])
async def save(call: Call, id: str) -> Response:  # noqa: A002
    """Saves a rule chain. One that cannot run is stored too, unavailable, with its findings."""
    chain = await call.services.rules.save(id, await call.json(object), call.author)
    await call.changed(actions.RULE_CHAIN_WRITE, f"rule_chain:{id}")
    return json_answer(_shown(chain))


@routes.delete("/{id}", actions.RULE_CHAIN_DELETE)
async def remove(call: Call, id: str) -> Response:  # noqa: A002
    """Removes a rule chain; its endpoints read no more."""
    await call.services.rules.remove(id, call.author)
    await call.changed(actions.RULE_CHAIN_DELETE, f"rule_chain:{id}")
    return empty_answer()


@routes.post("/{id}/execute/{msg_type}", actions.RULE_CHAIN_RUN)
async def execute(call: Call, id: str, msg_type: str) -> Response:  # noqa: A002
    """Runs the body through the chain and answers with the ends of the message."""
    run = await _run(call, id, msg_type)
    return json_answer([end_json(end) for end in run.ends])


async def _run(call: Call, chain: str, msg_type: str) -> HandRun:
    return await call.services.hand.run(chain, msg_type, await call.body(), dict(call.request.query_params))


def _shown(chain: Chain) -> dict[str, Any]:
    return {
        "id": chain.id,
        "name": chain.built.draft.name,
        "isAvailable": not isinstance(chain.graph, str),
        "findings": [finding.as_json() for finding in chain.findings],
    }
