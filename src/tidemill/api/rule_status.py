"""How the endpoints of a rule chain stand, in RuleGo's words. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.api.rule_history import routes_of
from tidemill.api.services import Services
from tidemill.rules.chains.compiled import Chain
from tidemill.rules.chains.draft import EndpointDraft

NONE, CONNECTED, RECONNECTING, DISCONNECTED = "none", "connected", "reconnecting", "disconnected"


async def endpoint_statuses(services: Services, chain: Chain) -> dict[str, dict[str, str]]:
    """By the endpoint's id. `none` is an endpoint that has no connection of its own."""
    draft = chain.built.draft
    if draft.is_disabled:
        return {endpoint.id: _said(DISCONNECTED, "the chain is disabled") for endpoint in draft.endpoints}
    integrations = (await services.readiness.report())["integrations"]
    current = await services.subscriptions.current()
    reading = {
        subscription.route.name: integrations.get(key.integration, {}).get("groups", {}).get(key.group)
        for key, subscriptions in current.groups.items()
        for subscription in subscriptions
    }
    return {endpoint.id: _status(chain, endpoint, reading) for endpoint in draft.endpoints}


def _status(chain: Chain, endpoint: EndpointDraft, reading: Mapping[str, Any]) -> dict[str, str]:
    if "kafka" not in endpoint.type:
        return _said(NONE)
    names = [name for id_, _, name in routes_of(chain) if id_ == endpoint.id]
    if not all(name in reading for name in names):
        return _said(DISCONNECTED, "there is no integration that is switched on for its server")
    groups = [reading[name] for name in names]
    if None in groups:
        return _said(RECONNECTING, "another process reads, or none yet")
    reasons = [str(group["reason"] or group["phase"]) for group in groups if not group["ok"]]
    return _said(RECONNECTING, "; ".join(reasons)) if reasons else _said(CONNECTED)


def _said(status: str, message: str = "") -> dict[str, str]:
    return {"status": status, "message": message} if message else {"status": status}
