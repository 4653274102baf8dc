"""Workflow definitions, under the paths that Conductor's clients call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, findings_of, json_answer
from tidemill.api.body import one_or_many
from tidemill.api.call import Call
from tidemill.api.params import Flag, Numbered, Text, Version
from tidemill.api.router import Routes
from tidemill.core.definitions import Definition

routes = Routes("Metadata", "/api/metadata/workflow")


@routes.post("", actions.WORKFLOW_DEF_WRITE, dict[str, Any])
async def create(call: Call, overwrite: Flag = False) -> Response:
    """Refuses a version that exists, unless `overwrite`."""
    documents = one_or_many(await call.json(Any))
    saved = await call.services.catalog.save_workflows(documents, call.author, overwrite)
    return json_answer(await _bulk(call, saved))


@routes.put("", actions.WORKFLOW_DEF_WRITE, list[dict[str, Any]])
async def save(call: Call, overwrite: Flag = True) -> Response:
    """All or none of them."""
    documents = one_or_many(await call.json(Any))
    saved = await call.services.catalog.save_workflows(documents, call.author, overwrite)
    return json_answer(await _bulk(call, saved))


@routes.get("", actions.WORKFLOW_DEF_READ)
async def all_versions(call: Call, access: Text = None) -> Response:
    return json_answer(await call.services.catalog.workflows())


@routes.get("/{name}", actions.WORKFLOW_DEF_READ)
async def get(call: Call, name: str, version: Version = None) -> Response:
    """The newest version, unless one is named."""
    return json_answer(await call.services.catalog.workflow(name, version))


@routes.delete("/{name}/{version}", actions.WORKFLOW_DEF_DELETE)
async def remove(call: Call, name: str, version: Numbered) -> Response:
    await call.services.catalog.remove_workflow(name, version, call.author)
    await call.changed(actions.WORKFLOW_DEF_DELETE, f"workflow:{name}:{version}")
    return empty_answer()


async def _bulk(call: Call, saved: Sequence[Definition]) -> dict[str, Any]:
    """Conductor's answer to many, with what is not as it should be around the definitions."""
    for definition in saved:
        await call.changed(actions.WORKFLOW_DEF_WRITE, f"workflow:{definition.name}:{definition.version}")
    return {
        "bulkErrorResults": {},
        "bulkSuccessfulResults": [definition.name for definition in saved],
        "findings": findings_of(saved),
    }
