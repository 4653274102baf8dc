"""What nobody else's API has: gaps, findings, the saves of a definition, the audit log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast, get_args

from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Numbered, Text, Version
from tidemill.api.router import Routes
from tidemill.core.codec import from_json
from tidemill.core.definitions import Definition, Kind
from tidemill.core.errors import BadInput, NotFound
from tidemill.core.findings import Finding, near
from tidemill.rules.chains.vault import masked
from tidemill.workflows.tasks.publish import parse_sink

routes = Routes("Tidemill", "/api/tidemill")

GAPS_MAX = 100
"""How many of an integration's gaps a handler's findings look through, newest first."""

Limit = Annotated[int, Query(ge=1, le=1_000)]

_READ = {
    "workflow": actions.WORKFLOW_DEF_READ,
    "task": actions.TASK_DEF_READ,
    "event_handler": actions.EVENT_HANDLER_READ,
    "integration": actions.INTEGRATION_READ,
    "schema": actions.SCHEMA_READ,
    "rule_chain": actions.RULE_CHAIN_READ,
    "shared_node": actions.RULE_CHAIN_READ,
}


@routes.get("/gaps", actions.RECORD_READ)
async def gaps(call: Call, integration: Text = None, limit: Limit = 100) -> Response:
    """Offsets that were gone before they could be read, newest first."""
    return json_answer(
        [
            {
                "integration": key.integration,
                "group": key.group,
                "topic": gap.partition.topic,
                "partition": gap.partition.partition,
                "first": gap.first,
                "last": gap.last,
                "records": gap.last - gap.first + 1,
                "reason": gap.reason,
                "at": gap.at_ms,
            }
            for key, gap in await call.services.places.gaps.find(integration, limit)
        ]
    )


@routes.get("/findings", actions.SIGNED_IN)
async def findings(call: Call, kind: str, name: str, version: Version = None) -> Response:
    """What there is to say about a definition now: with an error among it, it is unavailable."""
    known = await _readable(call, kind, name)
    if known == "rule_chain":
        return json_answer([finding.as_json() for finding in (await call.services.rules.chain(name)).findings])
    if known == "shared_node":
        return json_answer((await call.services.shared_nodes.get(name)).findings)
    found = list(await call.services.catalog.findings(known, name, version))
    if known == "event_handler":
        found += await _gaps_of(call, await call.services.catalog.handler(name))
    return json_answer([finding.as_json() for finding in found])


@routes.get("/definitions/{kind}/{name}/{version}/saves", actions.SIGNED_IN)
async def saves(call: Call, kind: str, name: str, version: Numbered) -> Response:
    """All saves of a definition, newest first, without their documents."""
    found = await _saves(call, await _readable(call, kind, name), name, version)
    if not found:
        raise NotFound(f"there is no {kind} {name!r} version {version}")
    return json_answer([_save_json(definition) for definition in found])


@routes.get("/definitions/{kind}/{name}/{version}/saves/{save}", actions.SIGNED_IN)
async def one_save(call: Call, kind: str, name: str, version: Numbered, save: Numbered) -> Response:
    """One save of a definition with its document. An integration's has secrets in it and stays inside."""
    known = await _readable(call, kind, name)
    if known == "integration":
        raise BadInput("the saves of an integration are listed without their documents")
    for definition in await _saves(call, known, name, version):
        if definition.save == save:
            return json_answer(_save_json(definition) | {"document": masked(definition.document)})
    raise NotFound(f"there is no save {save} of {kind} {name!r} version {version}")


@routes.get("/audit", actions.AUDIT_READ)
async def audit(call: Call, principal: Text = None, limit: Limit = 100, before: Text = None) -> Response:
    """The audit log, newest first; `before` (an id) pages on."""
    entries = await call.services.audit.find(principal=principal, limit=limit, before_id=before)
    return json_answer(
        [
            {
                "id": entry.id,
                "at": entry.at_ms,
                "principal": entry.principal,
                "action": entry.action,
                "resource": entry.resource,
                "outcome": entry.outcome,
                "detail": entry.detail,
            }
            for entry in entries
        ]
    )


async def _saves(call: AllowedCall, kind: Kind, name: str, version: int) -> Sequence[Definition]:
    if kind in ("rule_chain", "shared_node"):
        store = call.services.rules if kind == "rule_chain" else call.services.shared_nodes
        return await store.saves(name) if version == 0 else ()
    return await call.services.catalog.saves(kind, name, version)


async def _gaps_of(call: AllowedCall, handler: Mapping[str, Any]) -> list[Finding]:
    """What the handler has missed since it is there."""
    try:
        integration, topic = parse_sink(handler["event"])
    except ValueError:
        return []
    gaps = [gap for _, gap in await call.services.places.gaps.find(integration, GAPS_MAX)]
    return [
        Finding(
            "event",
            f"offsets {gap.first} to {gap.last} of partition {gap.partition.partition} were gone before they were read "
            f"({gap.reason})",
            "gap",
            "warning",
        )
        for gap in gaps
        if gap.partition.topic == topic and gap.at_ms >= handler.get("createTime", 0)
    ]


async def _readable(call: AllowedCall, kind: str, name: str) -> Kind:
    """The kind, if the caller may read this definition of it."""
    if kind not in get_args(Kind):
        raise BadInput(f"unknown kind {kind!r}{near(kind, _READ)}")
    await call.check_also(_READ[kind], **{kind: name})
    return cast("Kind", kind)


def _save_json(definition: Definition) -> dict[str, Any]:
    return {
        "kind": definition.kind,
        "name": definition.name,
        "version": definition.version,
        "save": definition.save,
        "author": definition.author,
        "at": definition.updated_ms,
        "findings": from_json(definition.findings),
    }
