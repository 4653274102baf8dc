"""Applications and their access keys."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import Response

from tidemill.access import actions
from tidemill.access.permission import may
from tidemill.access.ports import AccessKey, Application
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.body import Plain
from tidemill.api.call import Call
from tidemill.api.router import Routes
from tidemill.api.tags import with_tags
from tidemill.api.targets import by_handler, named

routes = Routes("Application", "/api/applications")
_NAMED = named("application", "application_id")


class ApplicationRequest(msgspec.Struct, frozen=True):
    name: Plain


@routes.get("", actions.APPLICATION_READ, on=by_handler)
async def all_applications(call: Call) -> Response:
    """Every application that the caller may see."""
    seen = call.shown(await call.services.applications.all(), lambda each: {"application": each.id})
    found = [_application_json(each) for each in seen]
    return json_answer(await with_tags(call, "application", found, "id"))


@routes.post("", actions.APPLICATION_CREATE, ApplicationRequest)
async def create(call: Call) -> Response:
    """Creates an application, without roles and keys."""
    request = await call.json(ApplicationRequest)
    created = await call.services.applications.create(request.name, call.principal)
    is_own = not may(call.principal, actions.APPLICATION_WRITE)
    await call.services.grants.created("application", created.id, call.principal, is_own=is_own)
    return json_answer(_application_json(created))


@routes.get("/key/{key_id}", actions.APPLICATION_READ, on=by_handler)
async def of_key(call: Call, key_id: str) -> Response:
    """The application that an access key belongs to."""
    found = await call.services.applications.of_key(key_id)
    await call.check(application=found.id)
    return json_answer(_application_json(found))


@routes.get("/{application_id}", actions.APPLICATION_READ, on=_NAMED)
async def get(call: Call, application_id: str) -> Response:
    """One application."""
    found = _application_json(await call.services.applications.get(application_id))
    return json_answer((await with_tags(call, "application", [found], "id"))[0])


@routes.put("/{application_id}", actions.APPLICATION_WRITE, ApplicationRequest, on=_NAMED)
async def rename(call: Call, application_id: str) -> Response:
    """Renames an application."""
    request = await call.json(ApplicationRequest)
    renamed = await call.services.applications.rename(application_id, request.name, call.principal)
    return json_answer(_application_json(renamed))


@routes.delete("/{application_id}", actions.APPLICATION_DELETE, on=_NAMED)
async def remove(call: Call, application_id: str) -> Response:
    """Removes an application with its keys and tags."""
    await call.services.applications.remove(application_id, call.principal)
    await call.services.tags.forget("application", application_id)
    return empty_answer()


@routes.post("/{application_id}/roles/{role}", actions.APPLICATION_WRITE, on=_NAMED)
async def add_role(call: Call, application_id: str, role: str) -> Response:
    """Gives a role to an application."""
    await call.services.applications.add_role(application_id, role, call.principal)
    return empty_answer()


@routes.delete("/{application_id}/roles/{role}", actions.APPLICATION_WRITE, on=_NAMED)
async def remove_role(call: Call, application_id: str, role: str) -> Response:
    """Takes a role from an application."""
    await call.services.applications.remove_role(application_id, role, call.principal)
    return empty_answer()


@routes.get("/{application_id}/accessKeys", actions.APPLICATION_READ, on=_NAMED)
async def keys(call: Call, application_id: str) -> Response:
    """The access keys of an application, without their secrets."""
    return json_answer([_key_json(key) for key in await call.services.applications.keys(application_id)])


@routes.post("/{application_id}/accessKeys", actions.APPLICATION_WRITE, on=_NAMED)
async def create_key(call: Call, application_id: str) -> Response:
    """Makes an access key. This is the only answer that ever has its secret."""
    key, secret = await call.services.applications.create_key(application_id, call.principal)
    return json_answer({"id": key.id, "secret": secret})


@routes.delete("/{application_id}/accessKeys/{key_id}", actions.APPLICATION_WRITE, on=_NAMED)
async def remove_key(call: Call, application_id: str, key_id: str) -> Response:
    """Removes an access key; tokens from it are void."""
    await call.services.applications.remove_key(application_id, key_id, call.principal)
    return empty_answer()


@routes.post("/{application_id}/accessKeys/{key_id}/status", actions.APPLICATION_WRITE, on=_NAMED)
async def toggle_key(call: Call, application_id: str, key_id: str) -> Response:
    """Switches an access key off, or on again."""
    return json_answer(_key_json(await call.services.applications.toggle_key(application_id, key_id, call.principal)))


def _application_json(application: Application) -> dict[str, Any]:
    return {
        "id": application.id,
        "name": application.name,
        "roles": application.roles,
        "createdBy": application.created_by,
        "createTime": application.created_ms,
        "updateTime": application.updated_ms,
    }


def _key_json(key: AccessKey) -> dict[str, Any]:
    return {"id": key.id, "createdAt": key.created_ms, "status": "ACTIVE" if key.is_active else "INACTIVE"}
