"""Integrations: Kafka clusters under the paths that Conductor's clients call. Secrets go in and never come out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Flag, Text
from tidemill.api.router import Routes
from tidemill.api.saving import admitted, check_given_tags
from tidemill.api.tags import keep_given_tags, with_tags
from tidemill.api.targets import by_handler, named
from tidemill.kafka import form

routes = Routes("Integrations", "/api/integrations")
test_routes = Routes("Integrations", "/api/tidemill/integrations")


@routes.get("/provider", actions.INTEGRATION_READ, on=by_handler)
async def providers(
    call: Call,
    type_: Annotated[Text, Query(alias="type")] = None,
    category: Text = None,
    active_only: Annotated[Flag, Query(alias="activeOnly")] = False,
) -> Response:
    """The integrations, their secrets masked."""
    found = [
        each
        for each in await _seen(call)
        if type_ in (None, each["type"])
        and category in (None, each["category"])
        and (each["enabled"] or not active_only)
    ]
    return json_answer(await with_tags(call, "integration", found))


@routes.get("/def", actions.INTEGRATION_READ, on=by_handler)
async def definitions(call: Call) -> Response:
    """What the form of an integration asks for."""
    call.granted("integration")  # the same for all
    return json_answer(form.definitions())


@routes.get("/all", actions.INTEGRATION_READ, list[str], on=by_handler)
async def names(call: Call) -> Response:
    """The names of all integrations."""
    return json_answer([found["name"] for found in await _seen(call)])


@routes.get("/provider/{name}", actions.INTEGRATION_READ, on=named("integration"))
async def get(call: Call, name: str) -> Response:
    """One integration, its secrets masked."""
    return json_answer((await with_tags(call, "integration", [await call.services.integrations.get(name)]))[0])


@routes.post("/provider/{name}", actions.INTEGRATION_WRITE, dict[str, Any], on=by_handler)
async def save(call: Call, name: str) -> Response:
    """Saves an integration. A secret that is sent back masked stays as it is."""
    body = await call.object()
    saving = await admitted(call, "integration", name, lambda: call.services.integrations.get(name))
    await check_given_tags(call, saving, body)  # what is wrong with them is said before anything is stored
    await call.services.integrations.save(name, body, call.author)
    await saving.done(call)
    await keep_given_tags(call, "integration", name, body)
    await call.changed(actions.INTEGRATION_WRITE, f"integration:{name}")
    return empty_answer()


@routes.delete("/provider/{name}", actions.INTEGRATION_DELETE, on=named("integration"))
async def remove(call: Call, name: str) -> Response:
    """Removes an integration and its tags."""
    await call.services.integrations.remove(name, call.author)
    await call.services.tags.forget("integration", name)
    await call.services.grants.forget("integration", name)
    await call.changed(actions.INTEGRATION_DELETE, f"integration:{name}")
    return empty_answer()


@routes.get("/provider/{name}/integration", actions.INTEGRATION_READ, on=named("integration"))
async def models(call: Call, name: str) -> Response:
    """The models of an integration: none. A cluster has no models under it, as other kinds of integrations have."""
    await call.services.integrations.get(name)
    return json_answer([])


@test_routes.post("/{name}/test", actions.INTEGRATION_TEST, on=named("integration"))
async def test_connection(call: Call, name: str) -> Response:
    """Tests the connection of an integration, step by step. One that cannot be reached is an answer, not an error."""
    return json_answer(await call.services.integrations.test(name))


async def _seen(call: AllowedCall) -> list[Mapping[str, Any]]:
    return call.shown(await call.services.integrations.list(), lambda each: {"integration": each["name"]})
