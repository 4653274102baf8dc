"""Tags of whatever can have them, under the paths that Conductor's clients call, and in the definitions shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from fastapi import Response

from tidemill.access import actions
from tidemill.access.actions import Action
from tidemill.access.ports import TaggedKind
from tidemill.access.tags import Tag
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.body import Plain, convert, one_or_many
from tidemill.api.call import AllowedCall, Call
from tidemill.api.router import Handler, Routes
from tidemill.api.targets import named
from tidemill.core.errors import NotSupported

Check = Callable[[AllowedCall, str], Awaitable[Any]]
RATE_LIMIT = "RATE_LIMIT"
"""A kind of tag by which Conductor limits how many executions run at a time."""


class GivenTag(msgspec.Struct, frozen=True):
    """A tag as the clients send it. `type` is METADATA or absent."""

    key: Plain
    value: Plain
    type: str | None = None


class Place(msgspec.Struct, frozen=True):
    """Where the tags of one kind of thing are: with GET, PUT and DELETE, and POST where the clients know it.
    `check` raises `NotFound` where there is no such thing."""

    group: str
    path: str
    kind: TaggedKind
    read: Action
    write: Action
    check: Check
    has_post: bool = False

    @property
    def thing(self) -> str:
        """For sentences."""
        noun = self.kind.replace("_", " ")
        return f"{'an' if noun[0] in 'aei' else 'a'} {noun}"


PLACES: Sequence[Place] = (
    Place(
        "Metadata",
        "/api/metadata/workflow/{name}/tags",
        "workflow",
        actions.WORKFLOW_DEF_READ,
        actions.WORKFLOW_DEF_WRITE,
        lambda call, name: call.services.catalog.workflow(name, None),
        has_post=True,
    ),
    Place(
        "Metadata",
        "/api/metadata/tags/workflow/{name}",
        "workflow",
        actions.WORKFLOW_DEF_READ,
        actions.WORKFLOW_DEF_WRITE,
        lambda call, name: call.services.catalog.workflow(name, None),
        has_post=True,
    ),
    Place(
        "Metadata",
        "/api/metadata/task/{name}/tags",
        "task",
        actions.TASK_DEF_READ,
        actions.TASK_DEF_WRITE,
        lambda call, name: call.services.catalog.task(name),
        has_post=True,
    ),
    Place(
        "Event",
        "/api/event/{name}/tags",
        "event_handler",
        actions.EVENT_HANDLER_READ,
        actions.EVENT_HANDLER_WRITE,
        lambda call, name: call.services.catalog.handler(name),
    ),
    Place(
        "Integrations",
        "/api/integrations/provider/{name}/tags",
        "integration",
        actions.INTEGRATION_READ,
        actions.INTEGRATION_WRITE,
        lambda call, name: call.services.integrations.get(name),
    ),
    Place(
        "Application",
        "/api/applications/{name}/tags",
        "application",
        actions.APPLICATION_READ,
        actions.APPLICATION_WRITE,
        lambda call, name: call.services.applications.get(name),
    ),
    Place(
        "Secret",
        "/api/secrets/{name}/tags",
        "secret",
        actions.SECRET_READ,
        actions.SECRET_WRITE,
        lambda call, name: call.services.secrets.check_exists(name),
    ),
)


def tag_routes() -> list[Routes]:
    """To be mounted before the resources: these paths are more particular."""
    return [_routes_of(place) for place in PLACES] + [_known_routes()]


def tag_json(tag: Tag) -> dict[str, Any]:
    return {"key": tag.key, "type": "METADATA", "value": tag.value}


async def with_tags(
    call: AllowedCall, kind: TaggedKind, documents: Iterable[Mapping[str, Any]], label: str = "name"
) -> list[dict[str, Any]]:
    """Documents as they are shown: with the tags that they have now, not those that they were saved with."""
    tags = await call.services.tags.of_all(kind)
    return [_tagged(document, tags.get(document[label], ())) for document in documents]


def given_tags(document: Any) -> Sequence[Tag] | None:
    """The tags in a definition that is to be saved; None where it says nothing of tags."""
    tags = document.get("tags") if isinstance(document, dict) else None
    return None if tags is None else read_tags(tags)


async def keep_given_tags(call: AllowedCall, kind: TaggedKind, name: str, document: Mapping[str, Any]) -> None:
    """After a definition has been saved: `overwriteTags` says whether other tags go."""
    tags = given_tags(document)
    if tags is None:
        return
    if document.get("overwriteTags"):
        await call.services.tags.replace(kind, name, tags, call.author)
    elif tags:
        await call.services.tags.add(kind, name, tags, call.author)


def read_tags(value: Any) -> list[Tag]:
    """One tag or a list of them. Raises `BadInput`, and `NotSupported` for tags that would have to limit something."""
    values = one_or_many(value)
    if any(isinstance(item, dict) and item.get("type") == RATE_LIMIT for item in values):
        raise NotSupported("not yet supported: tags that limit the rate of a workflow")
    return [Tag(given.key, given.value) for given in convert(values, list[GivenTag])]


def _tagged(document: Mapping[str, Any], tags: Sequence[Tag]) -> dict[str, Any]:
    kept = {key: value for key, value in document.items() if key != "tags"}
    return {**kept, "tags": [tag_json(tag) for tag in tags]} if tags else kept


def _routes_of(place: Place) -> Routes:
    routes = Routes(place.group, on=named(place.kind))
    routes.add("GET", place.path, place.read, _get(place), answer=list[GivenTag])
    routes.add("PUT", place.path, place.write, _replace(place), list[GivenTag])
    routes.add("DELETE", place.path, place.write, _remove(place), list[GivenTag])
    if place.has_post:
        routes.add("POST", place.path, place.write, _add(place), GivenTag)
    return routes


def _known_routes() -> Routes:
    routes = Routes("Metadata")

    async def known(call: Call) -> Response:
        """Each tag that anything has."""
        return json_answer([tag_json(tag) for tag in await call.services.tags.known()])

    routes.add("GET", "/api/metadata/tags", actions.WORKFLOW_DEF_READ, known, answer=list[GivenTag])
    return routes


def _get(place: Place) -> Handler:
    async def get(call: Call, name: str) -> Response:
        await place.check(call, name)
        return json_answer([tag_json(tag) for tag in await call.services.tags.of(place.kind, name)])

    get.__doc__ = f"The tags of {place.thing}."
    return get


def _replace(place: Place) -> Handler:
    async def replace(call: Call, name: str) -> Response:
        await place.check(call, name)
        tags = read_tags(await call.json(Any))
        await call.services.grants.check_tagging(call.principal, place.kind, name, tags)
        await call.services.tags.replace(place.kind, name, tags, call.author)
        return empty_answer()

    replace.__doc__ = f"Sets the tags of {place.thing}: these and no others."
    return replace


def _add(place: Place) -> Handler:
    async def add(call: Call, name: str) -> Response:
        await place.check(call, name)
        tags = read_tags(await call.json(Any))
        await call.services.grants.check_tagging(call.principal, place.kind, name, tags)
        await call.services.tags.add(place.kind, name, tags, call.author)
        return empty_answer()

    add.__doc__ = f"Adds a tag, or several, to {place.thing}."
    return add


def _remove(place: Place) -> Handler:
    async def remove(call: Call, name: str) -> Response:
        await place.check(call, name)
        await call.services.tags.remove(place.kind, name, read_tags(await call.json(Any)), call.author)
        return empty_answer()

    remove.__doc__ = f"Takes tags from {place.thing}: those of the given ones that are there."
    return remove
