"""Schemas of inputs and outputs, under the paths that Conductor's clients and workers call."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer, saved_answer
from tidemill.api.body import one_or_many
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Flag, Numbered
from tidemill.api.router import Routes
from tidemill.api.saving import Saving, admitted, name_of
from tidemill.api.targets import by_handler, named

routes = Routes("Schema", "/api/schema")


@routes.post("", actions.SCHEMA_WRITE, dict[str, Any], on=by_handler)
async def save(call: Call, is_new_version: Annotated[Flag, Query(alias="newVersion")] = False) -> Response:
    """Saves a schema, or several: at the version that it names, or as a new one."""
    documents = one_or_many(await call.json(Any))
    savings = [await _admitted(call, name_of(document)) for document in documents]
    saved = await call.services.schemas.save(documents, call.author, is_new_version=is_new_version)
    for definition, saving in zip(saved, savings, strict=True):
        await saving.done(call)
        await call.changed(actions.SCHEMA_WRITE, f"schema:{definition.name}:{definition.version}")
    return saved_answer(saved)


@routes.get("", actions.SCHEMA_READ, list[dict[str, Any]], on=by_handler)
async def all_schemas(call: Call) -> Response:
    """Every version of every schema that the caller may see."""
    return json_answer(call.shown(await call.services.schemas.all(), lambda schema: {"schema": schema["name"]}))


@routes.get("/{name}", actions.SCHEMA_READ, dict[str, Any], on=named("schema"))
async def newest(call: Call, name: str) -> Response:
    """The highest version of a schema."""
    return json_answer(await call.services.schemas.get(name))


@routes.get("/{name}/{version}", actions.SCHEMA_READ, dict[str, Any], on=named("schema"))
async def get(call: Call, name: str, version: Numbered) -> Response:
    """One version of a schema."""
    return json_answer(await call.services.schemas.get(name, version))


@routes.delete("/{name}/{version}", actions.SCHEMA_DELETE, on=named("schema"))
async def remove(call: Call, name: str, version: Numbered) -> Response:
    """Removes one version of a schema."""
    await call.services.schemas.remove(name, version, call.author)
    if all(left["name"] != name for left in await call.services.schemas.all()):
        await call.services.grants.forget("schema", name)
    await call.changed(actions.SCHEMA_DELETE, f"schema:{name}:{version}")
    return empty_answer()


@routes.delete("/{name}", actions.SCHEMA_DELETE, on=named("schema"))
async def remove_all(call: Call, name: str) -> Response:
    """Removes every version of a schema."""
    await call.services.schemas.remove_all(name, call.author)
    await call.services.grants.forget("schema", name)
    await call.changed(actions.SCHEMA_DELETE, f"schema:{name}")
    return empty_answer()


async def _admitted(call: AllowedCall, name: str) -> Saving:
    return await admitted(call, "schema", name, lambda: call.services.schemas.get(name))
