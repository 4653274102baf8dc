"""Secrets under the paths that Conductor's clients call. A value goes in; no route gives it out again."""

from __future__ import annotations

from fastapi import Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.call import AllowedCall, Call
from tidemill.api.router import Routes
from tidemill.api.saving import admitted
from tidemill.api.tags import tag_json
from tidemill.api.targets import by_handler, named
from tidemill.core.errors import NotSupported

routes = Routes("Secret", "/api/secrets")


@routes.post("", actions.SECRET_READ, answer=list[str], on=by_handler)
async def names_by_post(call: Call) -> Response:
    """The names of all secrets that the caller may see, as the SDK asks for them."""
    return json_answer(await _seen(call))


@routes.get("", actions.SECRET_READ, list[str], on=by_handler)
async def names(call: Call) -> Response:
    """The names of the secrets whose use the caller may give to others: all that it sees."""
    return json_answer(await _seen(call))


@routes.get("-v2", actions.SECRET_READ, on=by_handler)
async def names_with_tags(call: Call) -> Response:
    """The names of all secrets that the caller may see, each with its tags."""
    tags = await call.services.tags.of_all("secret")
    names = await _seen(call)
    return json_answer([{"name": name, "tags": [tag_json(tag) for tag in tags.get(name, ())]} for name in names])


@routes.put("/{name}", actions.SECRET_WRITE, str, on=by_handler)
async def put(call: Call, name: str) -> Response:
    """Sets a secret: the body is its value."""
    saving = await admitted(call, "secret", name, lambda: call.services.secrets.check_exists(name))
    await call.services.secrets.put(name, await call.text(), call.author)
    await saving.done(call)
    return empty_answer()


@routes.get("/{name}", actions.SECRET_READ, on=named("secret"))
async def get(call: Call, name: str) -> Response:
    """Refused for every secret that there is: values go in and are handed to tasks only."""
    await call.services.secrets.check_exists(name)
    raise NotSupported(
        f"secrets are write-only: the value of {name!r} goes into the inputs of tasks that name it, "
        f"as ${{workflow.secrets.{name}}}, and is shown to nobody"
    )


@routes.get("/{name}/exists", actions.SECRET_READ, bool, on=named("secret"))
async def exists(call: Call, name: str) -> Response:
    """Whether there is a secret of this name."""
    return json_answer(await call.services.secrets.exists(name))


@routes.delete("/{name}", actions.SECRET_DELETE, on=named("secret"))
async def remove(call: Call, name: str) -> Response:
    """Removes a secret and its tags."""
    await call.services.secrets.remove(name, call.author)
    await call.services.grants.forget("secret", name)
    return empty_answer()


async def _seen(call: AllowedCall) -> list[str]:
    return call.shown(await call.services.secrets.names(), lambda name: {"secret": name})
