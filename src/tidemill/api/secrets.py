"""Secrets under the paths that Conductor's clients call. A value goes in; no route gives it out again."""

from __future__ import annotations

from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.call import Call
from tidemill.api.router import Routes
from tidemill.api.tags import tag_json
from tidemill.core.errors import NotSupported

routes = Routes("Secret", "/api/secrets")


@routes.post("", actions.SECRET_READ, answer=list[str])
async def names_by_post(call: Call) -> Response:
    """The names of all secrets, as the SDK asks for them."""
    return json_answer(await call.services.secrets.names())


@routes.get("", actions.SECRET_READ, list[str])
async def names(call: Call) -> Response:
    """The names of the secrets whose use the caller may give to others: all that it sees."""
    return json_answer(await call.services.secrets.names())


@routes.get("-v2", actions.SECRET_READ)
async def names_with_tags(call: Call) -> Response:
    """The names of all secrets, each with its tags."""
    tags = await call.services.tags.of_all("secret")
    names = await call.services.secrets.names()
    return json_answer([{"name": name, "tags": [tag_json(tag) for tag in tags.get(name, ())]} for name in names])


@routes.put("/{name}", actions.SECRET_WRITE, str)
async def put(call: Call, name: str) -> Response:
    """Sets a secret: the body is its value."""
    await call.services.secrets.put(name, await call.text(), call.author)
    return empty_answer()


@routes.get("/{name}", actions.SECRET_READ)
async def get(call: Call, name: str) -> Response:
    """Refused for every secret that there is: values go in and are handed to tasks only."""
    await call.services.secrets.check_exists(name)
    raise NotSupported(
        f"secrets are write-only: the value of {name!r} goes into the inputs of tasks that name it, "
        f"as ${{workflow.secrets.{name}}}, and is shown to nobody"
    )


@routes.get("/{name}/exists", actions.SECRET_READ, bool)
async def exists(call: Call, name: str) -> Response:
    """Whether there is a secret of this name."""
    return json_answer(await call.services.secrets.exists(name))


@routes.delete("/{name}", actions.SECRET_DELETE)
async def remove(call: Call, name: str) -> Response:
    """Removes a secret and its tags."""
    await call.services.secrets.remove(name, call.author)
    return empty_answer()
