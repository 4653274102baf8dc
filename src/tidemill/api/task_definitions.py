"""Task definitions, under the paths that Conductor's clients call."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer, saved_answer
from tidemill.api.body import one_or_many
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.api.saving import Saving, admitted, check_given_tags, name_of
from tidemill.api.tags import keep_given_tags, with_tags
from tidemill.api.targets import by_handler, named

routes = Routes("Metadata", "/api/metadata/taskdefs")


@routes.post("", actions.TASK_DEF_WRITE, list[dict[str, Any]], on=by_handler)
async def create(call: Call) -> Response:
    """Saves task definitions: all or none of them."""
    return await _save(call)


@routes.put("", actions.TASK_DEF_WRITE, dict[str, Any], on=by_handler)
async def save(call: Call) -> Response:
    """Saves a task definition, or several."""
    return await _save(call)


@routes.get("", actions.TASK_DEF_READ, list[dict[str, Any]], on=by_handler)
async def all_tasks(call: Call, access: Text = None) -> Response:
    """Every task definition that the caller may see."""
    found = call.shown(await call.services.catalog.tasks(), lambda document: {"task": document["name"]})
    return json_answer(await with_tags(call, "task", found))


@routes.get("/{name}", actions.TASK_DEF_READ, dict[str, Any], on=named("task"))
async def get(call: Call, name: str) -> Response:
    """One task definition."""
    return json_answer((await with_tags(call, "task", [await call.services.catalog.task(name)]))[0])


@routes.delete("/{name}", actions.TASK_DEF_DELETE, on=named("task"))
async def remove(call: Call, name: str) -> Response:
    """Removes a task definition and its tags."""
    await call.services.catalog.remove_task(name, call.author)
    await call.services.tags.forget("task", name)
    await call.services.grants.forget("task", name)
    await call.changed(actions.TASK_DEF_DELETE, f"task:{name}")
    return empty_answer()


async def _save(call: Call) -> Response:
    documents = one_or_many(await call.json(Any))
    savings = [await _admitted(call, document) for document in documents]
    saved = await call.services.catalog.save_tasks(documents, call.author)
    for definition, document, saving in zip(saved, documents, savings, strict=True):
        await saving.done(call)
        await keep_given_tags(call, "task", definition.name, document)
        await call.changed(actions.TASK_DEF_WRITE, f"task:{definition.name}")
    return saved_answer(saved)


async def _admitted(call: AllowedCall, document: Any) -> Saving:
    name = name_of(document)
    saving = await admitted(call, "task", name, lambda: call.services.catalog.task(name))
    await check_given_tags(call, saving, document)
    return saving
