"""Event handlers, and the event monitor: what they made of the records they saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer, saved_answer
from tidemill.api.body import one_or_many
from tidemill.api.call import AllowedCall, Call
from tidemill.api.event_monitor import ENTRIES_MAX, handler_totals, monitor_entries, payloads_wanted
from tidemill.api.params import Flag, Number
from tidemill.api.router import Routes
from tidemill.api.saving import Saving, admitted, check_given_tags, check_uses, name_of
from tidemill.api.tags import keep_given_tags, with_tags
from tidemill.api.targets import by_handler, named
from tidemill.core.definitions import Expect

routes = Routes("Event", "/api/event")


@routes.post("", actions.EVENT_HANDLER_WRITE, dict[str, Any], on=by_handler)
async def create(call: Call) -> Response:
    """Saves a new event handler. Refuses a name that exists."""
    return await _save(call, "absent")


@routes.put("", actions.EVENT_HANDLER_WRITE, dict[str, Any], on=by_handler)
async def replace(call: Call) -> Response:
    """Saves an event handler that there is. Refuses a name that does not exist."""
    return await _save(call, "present")


@routes.get("", actions.EVENT_HANDLER_READ, list[dict[str, Any]], on=by_handler)
async def all_handlers(call: Call) -> Response:
    """Every event handler that the caller may see."""
    return json_answer(await with_tags(call, "event_handler", _seen(call, await call.services.catalog.handlers())))


@routes.get("/execution", actions.RECORD_READ)
async def monitor(call: Call) -> Response:
    """Each handler with how many records it saw and how many actions came of them."""
    totals = await call.services.places.history.totals()
    handlers = await call.services.catalog.handlers()
    results = [handler_totals(handler, totals.get(_route(handler))) for handler in handlers]
    return json_answer({"results": results, "totalHits": len(results)})


@routes.get("/execution/{event:path}", actions.RECORD_READ)
async def monitor_event(call: Call, event: str, from_ms: Annotated[Number, Query(alias="from")] = None) -> Response:
    """What the handlers of an event made of its records, newest first. Those since `from` (epoch ms); of each handler
    the newest thousands only. The payloads of the newest are read again from the topic."""
    since_ms, history = from_ms or 0, call.services.places.history
    seen = [
        (handler, await history.of_route(_route(handler), since_ms, ENTRIES_MAX))
        for handler in await call.services.catalog.handlers(event=event)
    ]
    runs = [run for _, own in seen for run in own]
    records = await call.services.records.read(runs[0].integration, *payloads_wanted(runs, since_ms)) if runs else {}
    found = [entry for handler, own in seen for entry in monitor_entries(handler, own, since_ms, records)]
    found.sort(key=lambda entry: entry["created"], reverse=True)
    return json_answer(found)


@routes.get("/handler/{name}", actions.EVENT_HANDLER_READ, dict[str, Any], on=named("event_handler"))
async def by_name(call: Call, name: str) -> Response:
    """One event handler."""
    return json_answer((await with_tags(call, "event_handler", [await call.services.catalog.handler(name)]))[0])


@routes.get("/{event}", actions.EVENT_HANDLER_READ, on=by_handler)
async def by_event(call: Call, event: str, active_only: Annotated[Flag, Query(alias="activeOnly")] = True) -> Response:
    """The handlers of an event. None is an empty list."""
    found = await call.services.catalog.handlers(event=event, active_only=active_only)
    return json_answer(await with_tags(call, "event_handler", _seen(call, found)))


@routes.delete("/{name}", actions.EVENT_HANDLER_DELETE, on=named("event_handler"))
async def remove(call: Call, name: str) -> Response:
    """Removes an event handler and its tags."""
    await call.services.catalog.remove_handler(name, call.author)
    await call.services.tags.forget("event_handler", name)
    await call.services.grants.forget("event_handler", name)
    await call.changed(actions.EVENT_HANDLER_DELETE, f"event_handler:{name}")
    return empty_answer()


async def _save(call: Call, expect: Expect) -> Response:
    saved = []
    for document in one_or_many(await call.json(Any)):
        saving = await _admitted(call, document)
        saved.append(await call.services.catalog.save_handler(document, call.author, expect))
        await saving.done(call)
        await keep_given_tags(call, "event_handler", saved[-1].name, document)
        await call.changed(actions.EVENT_HANDLER_WRITE, f"event_handler:{saved[-1].name}")
    return saved_answer(saved)


async def _admitted(call: AllowedCall, document: Any) -> Saving:
    """What is wrong is said before anything is stored."""
    name = name_of(document)
    saving = await admitted(call, "event_handler", name, lambda: call.services.catalog.handler(name))
    await check_given_tags(call, saving, document)
    await check_uses(call, document)
    return saving


def _seen(call: AllowedCall, handlers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return call.shown(handlers, lambda handler: {"event_handler": handler["name"]})


def _route(handler: Any) -> str:
    return f"event_handler:{handler['name']}"
