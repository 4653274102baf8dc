"""Roles, under the paths that Conductor's clients call: those from the start, and those of the users' making."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import Response

from tidemill.access import actions
from tidemill.access.ports import CustomRole
from tidemill.access.roles import ROLES
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.body import Plain
from tidemill.api.call import AllowedCall, Call
from tidemill.api.permissions import described, read_permissions
from tidemill.api.router import Routes
from tidemill.core.errors import BadInput

routes = Routes("Role", "/api/roles")


class RoleRequest(msgspec.Struct, frozen=True):
    """`permissions` are names of `GET /api/roles/permissions`."""

    name: Plain | None = None
    permissions: list[Plain] | None = None


@routes.get("", actions.USER_READ, list[dict[str, Any]])
async def all_roles(call: Call) -> Response:
    """Every role with its permissions."""
    return json_answer([*_system(), *map(_role_json, await call.services.roles.all())])


@routes.get("/system", actions.USER_READ, dict[str, Any])
async def system_roles(call: Call) -> Response:
    """The roles that there are from the start, by name."""
    return json_answer({role["name"]: role for role in _system()})


@routes.get("/custom", actions.USER_READ, list[dict[str, Any]])
async def custom_roles(call: Call) -> Response:
    """Roles of one's own making."""
    return json_answer([_role_json(role) for role in await call.services.roles.all()])


@routes.get("/permissions", actions.USER_READ, dict[str, str])
async def permissions(call: Call) -> Response:
    """What roles can allow, by name."""
    return json_answer(described())


@routes.post("", actions.ROLE_WRITE, RoleRequest, dict[str, Any])
async def create(call: Call) -> Response:
    """Creates a role. Refuses a name that exists."""
    request = await call.json(RoleRequest)
    given = request.permissions or []
    created = await call.services.roles.create(request.name or "", given, read_permissions(given), call.principal)
    return json_answer(_role_json(created))


@routes.get("/{name}", actions.USER_READ, dict[str, Any])
async def role(call: Call, name: str) -> Response:
    """One role with its permissions."""
    found = next((found for found in _system() if found["name"] == name), None)
    return json_answer(found or _role_json(await call.services.roles.get(name)))


@routes.put("/{name}", actions.ROLE_WRITE, RoleRequest, dict[str, Any])
async def replace(call: Call, name: str) -> Response:
    """Changes the permissions of a role of one's own making, for all who have it."""
    request = await call.json(RoleRequest)
    if request.name not in (None, name):
        raise BadInput(f"a role cannot be renamed: {name!r} is not {request.name!r}")
    given = request.permissions or []
    return json_answer(
        _role_json(await call.services.roles.replace(name, given, read_permissions(given), call.principal))
    )


@routes.delete("/{name}", actions.ROLE_WRITE)
async def remove(call: Call, name: str) -> Response:
    """Removes a role of one's own making that nobody has any more."""
    await call.services.roles.remove(name, call.principal)
    return empty_answer()


async def roles_json(call: AllowedCall, names: Sequence[str]) -> list[dict[str, Any]]:
    """Those of the names that there are, with their permissions."""
    found = {each["name"]: each for each in _system()}
    if not found.keys() >= set(names):
        found |= {each.name: _role_json(each) for each in await call.services.roles.all()}
    return [found[name] for name in names if name in found]


def _system() -> list[dict[str, Any]]:
    return [_json(name, sorted(action.name for action in allowed)) for name, allowed in ROLES.items()]


def _role_json(role: CustomRole) -> dict[str, Any]:
    return _json(role.name, role.permissions)


def _json(name: str, permissions: Sequence[str]) -> dict[str, Any]:
    return {"name": name, "permissions": [{"name": permission} for permission in permissions]}
