"""Rights on single things, under the paths that Conductor's clients call: given, taken, and shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import Query, Response

from tidemill.access import actions
from tidemill.access.actions import main_action
from tidemill.access.granted import tag_name
from tidemill.access.permission import may, may_on
from tidemill.access.ports import Grant, Subject, SubjectKind, Tagged
from tidemill.api.answers import json_answer
from tidemill.api.body import Plain
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Text
from tidemill.api.permissions import RIGHTS, kind_name, read_kind, read_rights
from tidemill.api.router import Routes
from tidemill.core.errors import BadInput
from tidemill.core.findings import Finding, near

routes = Routes("Authorization", "/api/auth")
user_routes = Routes("User", "/api/users")
group_routes = Routes("Group", "/api/groups")

_SUBJECTS: dict[str, SubjectKind] = {"USER": "user", "GROUP": "group", "ROLE": "role"}


class Ref(msgspec.Struct, frozen=True):
    type: Plain
    id: Plain


class GrantRequest(msgspec.Struct, frozen=True):
    """Conductor's AuthorizationRequest. An application is the user `app:<id>`."""

    subject: Ref
    target: Ref
    access: list[Plain]


@routes.post("/authorization", actions.GRANT_WRITE, GrantRequest, dict[str, str])
async def give(call: Call) -> Response:
    """Gives a subject rights on a thing, or on all that have a tag (`key:value`)."""
    await call.services.grants.give(*_read(await call.json(GrantRequest)), call.principal)
    return json_answer({"message": "Granted permission"})


# The SDK sends the request in the body of a DELETE.
async def take(call: Call) -> Response:
    """Takes rights from a subject, whether it has them or not."""
    await call.services.grants.take(*_read(await call.json(GrantRequest)), call.principal)
    return json_answer({"message": "Removed permission"})


routes.add("DELETE", "/authorization", actions.GRANT_WRITE, take, GrantRequest, dict[str, str])


@routes.get("/authorization/{kind}/{name:path}", actions.GRANT_READ, dict[str, Any])
async def on_thing(
    call: Call, kind: str, name: str, group_by: Annotated[Text, Query(alias="groupBy")] = None
) -> Response:
    """Who has which rights on a thing, by right; or by subject."""
    if group_by not in (None, "access", "subject"):
        raise BadInput(f"groupBy: {group_by!r} is neither access nor subject")
    grants = await call.services.grants.on(read_kind(kind, "type"), name)
    return json_answer(_by_subject(grants) if group_by == "subject" else _by_right(grants))


@routes.get("/subjects/{kind}/{name:path}/grants", actions.SIGNED_IN, list[dict[str, Any]])
async def of_subject(
    call: Call, kind: str, name: str, resource: Annotated[Text, Query(alias="resourceType")] = None
) -> Response:
    """What a subject was granted itself. Everybody may see their own."""
    subject = _subject(Ref(kind, name))
    await _check_own(call, subject)
    grants, _ = await call.services.grants.of([subject])
    wanted = None if resource is None else read_kind(resource, "resourceType")
    return json_answer(_granted_access([grant for grant in grants if wanted in (None, grant.kind)], ()))


@user_routes.get("/{user_id}/permissions", actions.SIGNED_IN, dict[str, Any])
async def of_user(call: Call, user_id: str) -> Response:
    """What a user was granted: itself, by its groups, and by its roles. Everybody may see their own."""
    await _check_own(call, ("user", user_id))
    principal = await call.services.access.principal(user_id)
    groups = await call.services.people.groups_of(user_id)
    subjects: list[Subject] = [("user", user_id)]
    subjects += [("group", group.id) for group in groups]
    subjects += [("role", role) for role in principal.roles]
    return json_answer({"grantedAccess": _granted_access(*await call.services.grants.of(subjects))})


@user_routes.get("/{user_id}/checkPermissions", actions.SIGNED_IN, dict[str, bool])
async def check(
    call: Call, user_id: str, of_type: Annotated[str, Query(alias="type")], name: Annotated[str, Query(alias="id")]
) -> Response:
    """Which rights a user has on a thing, from wherever it has them. Everybody may see their own."""
    await _check_own(call, ("user", user_id))
    kind = read_kind(of_type, "type")
    if kind == "tag":
        raise BadInput([Finding("type", "rights on a tag are rights on what has it: name one of these")])
    principal = await call.services.access.principal(user_id)
    asked = {right: main_action(kind, right) for right in RIGHTS}
    return json_answer(
        {right: action is not None and may_on(principal, action, {kind: name}) for right, action in asked.items()}
    )


@group_routes.get("/{group_id}/permissions", actions.GRANT_READ, dict[str, Any])
async def of_group(call: Call, group_id: str) -> Response:
    """What a group was granted."""
    await call.services.people.group(group_id)
    return json_answer({"grantedAccess": _granted_access(*await call.services.grants.of([("group", group_id)]))})


async def _check_own(call: AllowedCall, subject: Subject) -> None:
    if subject != ("user", call.author) and not may(call.principal, actions.GRANT_READ):
        await call.services.access.refuse(call.principal, actions.GRANT_READ, ":".join(subject))


def _read(request: GrantRequest) -> tuple[Subject, Any, str, Collection[Any]]:
    """(subject, kind, name, rights). Raises `BadInput`, `NotSupported`."""
    kind, rights = read_kind(request.target.type), read_rights(request.access)
    if not rights:
        raise BadInput([Finding("access", "names no right")])
    name = request.target.id
    if kind == "tag" and not all(name.partition(":")):
        raise BadInput([Finding("target.id", f"a tag is key:value, not {name!r}")])
    if kind == "application":
        name = name.removeprefix("app:")
    return _subject(request.subject), kind, name, rights


def _subject(ref: Ref) -> Subject:
    kind = _SUBJECTS.get(ref.type.upper())
    if kind is None:
        raise BadInput([Finding("subject.type", f"unknown type {ref.type!r}{near(ref.type, _SUBJECTS)}")])
    return kind, ref.id


def _by_right(grants: Sequence[Grant]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for grant in grants:
        found.setdefault(grant.right, []).append({"type": grant.subject_kind.upper(), "id": grant.subject})
    return found


def _by_subject(grants: Sequence[Grant]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for grant in grants:
        found.setdefault(f"{grant.subject_kind.upper()}:{grant.subject}", []).append(grant.right)
    return found


def _granted_access(grants: Sequence[Grant], tagged: Iterable[Tagged]) -> list[dict[str, Any]]:
    """By thing; what is there because of a tag says which one."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for grant in grants:
        found.setdefault((kind_name(grant.kind), grant.name, ""), set()).add(grant.right)
    of_tags = {grant.name: found["TAG", grant.name, ""] for grant in grants if grant.kind == "tag"}
    for thing in tagged:
        tag = tag_name(thing.key, thing.value)
        if tag in of_tags:
            found.setdefault((kind_name(thing.kind), thing.name, tag), set()).update(of_tags[tag])
    return [
        {"target": {"type": kind, "id": name}, "access": [right for right in RIGHTS if right in rights]}
        | ({"tag": tag} if tag else {})
        for (kind, name, tag), rights in found.items()
    ]
