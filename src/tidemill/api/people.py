"""Users and groups, under the paths that Conductor's clients call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Response

from tidemill.access import actions
from tidemill.access.actions import Right, ThingKind
from tidemill.access.ports import Group, User
from tidemill.access.principal import application_principal_id
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.body import Plain
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Flag
from tidemill.api.permissions import kind_name, read_kind, read_rights
from tidemill.api.roles import roles_json
from tidemill.api.router import Routes
from tidemill.core.errors import BadInput, NotSupported
from tidemill.core.findings import Finding

user_routes = Routes("User", "/api/users")
group_routes = Routes("Group", "/api/groups")
password_routes = Routes("Tidemill", "/api/tidemill/users")

Name = Annotated[str, msgspec.Meta(max_length=255, pattern=r"^[^\x00]*$")]


class UserRequest(msgspec.Struct, frozen=True):
    """`groups` may be null or empty: members are added to groups, not groups to users."""

    name: Name
    roles: list[Plain] | None = None
    groups: list[Any] | None = None


class GroupRequest(msgspec.Struct, frozen=True, rename="camel"):
    """`default_access` has the rights that the group gets on what its members create, by type; null leaves it."""

    description: Name
    roles: list[Plain] | None = None
    default_access: dict[str, list[Plain] | None] | None = None


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
    return json_answer([await _group_json(call, found) for found in await call.services.people.groups()])


@group_routes.get("/{group_id}", actions.USER_READ, dict[str, Any])
async def group(call: Call, group_id: str) -> Response:
    """One group."""
    return json_answer(await _group_json(call, await call.services.people.group(group_id)))


@group_routes.put("/{group_id}", actions.USER_WRITE, GroupRequest, dict[str, Any])
async def put_group(call: Call, group_id: str) -> Response:
    """Creates or changes a group; its members have its roles."""
    request = await call.json(GroupRequest)
    default = None if request.default_access is None else _default_access(request.default_access)
    saved = await call.services.people.put_group(
        group_id, request.description, request.roles or [], call.principal, default
    )
    return json_answer(await _group_json(call, saved))


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


async def _user_json(call: AllowedCall, user: User) -> dict[str, Any]:
    groups = await call.services.people.groups_of(user.id)
    return {
        "id": user.id,
        "name": user.name,
        "roles": await roles_json(call, user.roles),
        "groups": [await _group_json(call, group) for group in groups],
        "uuid": user.id,
        "applicationUser": False,
    }


async def _application_users(call: AllowedCall) -> list[dict[str, Any]]:
    return [
        {
            "id": application_principal_id(found.id),
            "name": found.name,
            "roles": await roles_json(call, found.roles),
            "groups": [],
            "uuid": found.id,
            "applicationUser": True,
        }
        for found in await call.services.applications.all()
    ]


async def _group_json(call: AllowedCall, group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "description": group.description,
        "roles": await roles_json(call, group.roles),
        "defaultAccess": {kind_name(kind): list(rights) for kind, rights in group.default_access.items()},
    }


def _default_access(given: Mapping[str, Sequence[str] | None]) -> Mapping[ThingKind, Sequence[Right]]:
    """Raises `BadInput`, `NotSupported`."""
    found: dict[ThingKind, Sequence[Right]] = {}
    for name, rights in given.items():
        kind = read_kind(name, f"defaultAccess.{name}")
        if kind not in ("workflow", "task"):
            raise BadInput([Finding(f"defaultAccess.{name}", "only WORKFLOW_DEF and TASK_DEF can be given by default")])
        found[kind] = read_rights(rights or (), f"defaultAccess.{name}")
    return found
