"""Users, groups and roles, under the paths that Conductor's clients call. Grants on single resources are not built."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Response

from tidemill.access import actions
from tidemill.access.ports import Group, User
from tidemill.access.principal import application_principal_id
from tidemill.access.roles import ROLES
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.body import Plain
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Flag
from tidemill.api.router import Routes
from tidemill.core.errors import NotFound, NotSupported

user_routes = Routes("User", "/api/users")
group_routes = Routes("Group", "/api/groups")
role_routes = Routes("Role", "/api/roles")
password_routes = Routes("Tidemill", "/api/tidemill/users")

Name = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^\x00]*$")]


class UserRequest(msgspec.Struct, frozen=True):
    """`groups` may be null or empty: members are added to groups, not groups to users."""

    name: Name
    roles: list[Plain] | None = None
    groups: list[Any] | None = None


class GroupRequest(msgspec.Struct, frozen=True, rename="camel"):
    """`default_access` may be null or empty: it would be a grant."""

    description: Name
    roles: list[Plain] | None = None
    default_access: dict[str, Any] | None = None


class PasswordRequest(msgspec.Struct, frozen=True):
    password: Plain


@user_routes.get("", actions.USER_READ, list[dict[str, Any]])
async def all_users(call: Call, apps: Flag = False) -> Response:
    """Every user; with `apps` the applications too, as what they act as."""
    users = [await _user_json(call, user) for user in await call.services.people.users()]
    return json_answer(users + (await _application_users(call) if apps else []))


@user_routes.get("/{user_id}", actions.USER_READ, dict[str, Any])
async def user(call: Call, user_id: str) -> Response:
    """One user, with its roles and groups."""
    return json_answer(await _user_json(call, await call.services.people.user(user_id)))


@user_routes.put("/{user_id}", actions.USER_WRITE, UserRequest, dict[str, Any])
async def put_user(call: Call, user_id: str) -> Response:
    """Creates or changes a user. A new one cannot sign in before it has a password."""
    request = await call.json(UserRequest)
    if request.groups:
        raise NotSupported("not supported: groups of a user here; add the user to each group")
    saved = await call.services.people.put_user(user_id, request.name, request.roles or [], call.principal)
    return json_answer(await _user_json(call, saved))


@user_routes.delete("/{user_id}", actions.USER_WRITE)
async def remove_user(call: Call, user_id: str) -> Response:
    """Removes a user; its tokens are void."""
    await call.services.people.remove_user(user_id, call.principal)
    return empty_answer()


@password_routes.put("/{user_id}/password", actions.USER_WRITE, PasswordRequest)
async def set_password(call: Call, user_id: str) -> Response:
    """Sets the password of a user; its tokens are void."""
    request = await call.json(PasswordRequest)
    await call.services.people.set_password(user_id, request.password, call.principal)
    return empty_answer()


@group_routes.get("", actions.USER_READ, list[dict[str, Any]])
async def all_groups(call: Call) -> Response:
    """Every group."""
    return json_answer([_group_json(found) for found in await call.services.people.groups()])


@group_routes.get("/{group_id}", actions.USER_READ, dict[str, Any])
async def group(call: Call, group_id: str) -> Response:
    """One group."""
    return json_answer(_group_json(await call.services.people.group(group_id)))


@group_routes.put("/{group_id}", actions.USER_WRITE, GroupRequest, dict[str, Any])
async def put_group(call: Call, group_id: str) -> Response:
    """Creates or changes a group; its members have its roles."""
    request = await call.json(GroupRequest)
    if any((request.default_access or {}).values()):
        raise NotSupported("not yet supported: grants on single resources (defaultAccess)")
    saved = await call.services.people.put_group(group_id, request.description, request.roles or [], call.principal)
    return json_answer(_group_json(saved))


@group_routes.delete("/{group_id}", actions.USER_WRITE)
async def remove_group(call: Call, group_id: str) -> Response:
    """Removes a group; its members lose its roles."""
    await call.services.people.remove_group(group_id, call.principal)
    return empty_answer()


@group_routes.get("/{group_id}/users", actions.USER_READ, list[dict[str, Any]])
async def members(call: Call, group_id: str) -> Response:
    """The users in a group."""
    return json_answer([await _user_json(call, user) for user in await call.services.people.members(group_id)])


@group_routes.post("/{group_id}/users", actions.USER_WRITE, list[str])
async def add_members(call: Call, group_id: str) -> Response:
    """Adds users to a group: all or none of them."""
    await call.services.people.add_members(group_id, await call.json(list[Plain]), call.principal)
    return empty_answer()


@group_routes.post("/{group_id}/users/{user_id}", actions.USER_WRITE)
async def add_member(call: Call, group_id: str, user_id: str) -> Response:
    """Adds a user to a group."""
    await call.services.people.add_members(group_id, [user_id], call.principal)
    return empty_answer()


@group_routes.delete("/{group_id}/users", actions.USER_WRITE)
async def remove_members(call: Call, group_id: str) -> Response:
    """Takes users out of a group: the body lists them."""
    await call.services.people.remove_members(group_id, await call.json(list[Plain]), call.principal)
    return empty_answer()


@group_routes.delete("/{group_id}/users/{user_id}", actions.USER_WRITE)
async def remove_member(call: Call, group_id: str, user_id: str) -> Response:
    """Takes a user out of a group."""
    await call.services.people.remove_members(group_id, [user_id], call.principal)
    return empty_answer()


@role_routes.get("", actions.USER_READ, list[dict[str, Any]])
async def all_roles(call: Call) -> Response:
    """Every role with its permissions."""
    return json_answer(_roles_json(list(ROLES)))


@role_routes.get("/system", actions.USER_READ, dict[str, Any])
async def system_roles(call: Call) -> Response:
    """The roles that there are from the start, by name."""
    return json_answer({role["name"]: role for role in _roles_json(list(ROLES))})


@role_routes.get("/custom", actions.USER_READ, list[dict[str, Any]])
async def custom_roles(call: Call) -> Response:
    """Roles of one's own: none, as they are not built yet."""
    return json_answer([])


@role_routes.get("/permissions", actions.USER_READ, dict[str, str])
async def permissions(call: Call) -> Response:
    """What roles can allow, by name."""
    return json_answer({action.name: action.description for action in sorted(actions.ALL, key=lambda each: each.name)})


@role_routes.get("/{name}", actions.USER_READ, dict[str, Any])
async def role(call: Call, name: str) -> Response:
    """One role with its permissions."""
    if name not in ROLES:
        raise NotFound(f"there is no role {name!r}")
    return json_answer(_roles_json([name])[0])


async def _user_json(call: AllowedCall, user: User) -> dict[str, Any]:
    groups = await call.services.people.groups_of(user.id)
    return {
        "id": user.id,
        "name": user.name,
        "roles": _roles_json(user.roles),
        "groups": [_group_json(group) for group in groups],
        "uuid": user.id,
        "applicationUser": False,
    }


async def _application_users(call: AllowedCall) -> list[dict[str, Any]]:
    return [
        {
            "id": application_principal_id(found.id),
            "name": found.name,
            "roles": _roles_json(found.roles),
            "groups": [],
            "uuid": found.id,
            "applicationUser": True,
        }
        for found in await call.services.applications.all()
    ]


def _group_json(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "description": group.description,
        "roles": _roles_json(group.roles),
        "defaultAccess": {},
    }


def _roles_json(names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"name": name, "permissions": [{"name": allowed} for allowed in sorted(each.name for each in ROLES[name])]}
        for name in names
        if name in ROLES
    ]
