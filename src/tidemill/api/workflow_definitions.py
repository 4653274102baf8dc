"""Workflow definitions, under the paths that Conductor's clients call."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, findings_of, json_answer
from tidemill.api.body import one_or_many
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Flag, Numbered, Text, Version
from tidemill.api.router import Routes
from tidemill.api.saving import Saving, admitted, check_given_tags, check_uses, name_of
from tidemill.api.tags import keep_given_tags, with_tags
from tidemill.api.targets import by_handler, named

routes = Routes("Metadata", "/api/metadata/workflow")


@routes.post("", actions.WORKFLOW_DEF_WRITE, dict[str, Any], on=by_handler)
async def create(call: Call, overwrite: Flag = False) -> Response:
    """Saves a workflow definition. Refuses a version that exists, unless `overwrite`."""
    return await _save(call, overwrite)


@routes.put("", actions.WORKFLOW_DEF_WRITE, list[dict[str, Any]], on=by_handler)
async def save(call: Call, overwrite: Flag = True) -> Response:
    """Saves workflow definitions: all or none of them."""
    return await _save(call, overwrite)


@routes.get("", actions.WORKFLOW_DEF_READ, list[dict[str, Any]], on=by_handler)
async def all_versions(call: Call, access: Text = None) -> Response:
    """Every version of every workflow that the caller may see."""
    found = call.shown(await call.services.catalog.workflows(), lambda document: {"workflow": document["name"]})
    return json_answer(await with_tags(call, "workflow", found))


@routes.get("/{name}", actions.WORKFLOW_DEF_READ, dict[str, Any], on=named("workflow"))
async def get(call: Call, name: str, version: Version = None) -> Response:
    """One workflow definition: the newest version, unless one is named."""
    document = await call.services.catalog.workflow(name, version)
    return json_answer((await with_tags(call, "workflow", [document]))[0])


@routes.delete("/{name}/{version}", actions.WORKFLOW_DEF_DELETE, on=named("workflow"))
async def remove(call: Call, name: str, version: Numbered) -> Response:
    """Removes one version of a workflow definition. Executions that run by it go on."""
    await call.services.catalog.remove_workflow(name, version, call.author)
    if all(left["name"] != name for left in await call.services.catalog.workflows()):
        await call.services.tags.forget("workflow", name)
        await call.services.grants.forget("workflow", name)
    await call.changed(actions.WORKFLOW_DEF_DELETE, f"workflow:{name}:{version}")
    return empty_answer()


async def _save(call: AllowedCall, overwrite: bool) -> Response:
    """Conductor's answer to many, with what is not as it should be around the definitions."""
    documents = one_or_many(await call.json(Any))
    savings = []
    for document in documents:  # what is wrong is said before anything is stored
        savings.append(await _admitted(call, document))
        await check_uses(call, document)
    saved = await call.services.catalog.save_workflows(documents, call.author, overwrite)
    for definition, document, saving in zip(saved, documents, savings, strict=True):
        await saving.done(call)
        await keep_given_tags(call, "workflow", definition.name, document)
        await call.changed(actions.WORKFLOW_DEF_WRITE, f"workflow:{definition.name}:{definition.version}")
    return json_answer(
        {
            "bulkErrorResults": {},
            "bulkSuccessfulResults": [definition.name for definition in saved],
            "findings": findings_of(saved),
        }
    )


async def _admitted(call: AllowedCall, document: Any) -> Saving:
    name = name_of(document)
    saving = await admitted(call, "workflow", name, lambda: call.services.catalog.workflow(name, None))
    await check_given_tags(call, saving, document)
    return saving
