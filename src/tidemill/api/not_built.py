"""Conductor's endpoints that are known and not built yet: they answer 501 with a sentence, from one table."""

from __future__ import annotations

from fastapi import Response

from tidemill.access import actions
from tidemill.api.call import Call
from tidemill.api.router import Handler, Routes
from tidemill.core.errors import NotSupported

EVERY = "GET POST PUT DELETE"
_IN_BULK = "many integrations at once; save them one by one"

TABLE: tuple[tuple[str, str, str], ...] = (
    ("GET", "/api/workflow/execute/{name}", "executing a workflow by GET; use POST"),
    ("GET", "/api/tasks/externalstoragelocation", "external payload storage"),
    ("GET", "/api/event/queue/config", "queue configuration; use an integration"),
    ("GET PUT DELETE", "/api/event/queue/config/{type}/{name}", "queue configuration; use an integration"),
    ("POST", "/api/event/handleIncomingEvent", "events over HTTP; produce a record to the topic"),
    (EVERY, "/api/integrations", _IN_BULK),
    (EVERY, "/api/integrations/", _IN_BULK),
    ("GET POST DELETE", "/api/integrations/provider/{name}/integration/{api}", "models of an integration"),
    (
        "GET POST PUT DELETE",
        "/api/integrations/provider/{name}/integration/{api}/{rest:path}",
        "models of an integration",
    ),
    ("GET", "/api/integrations/provider/{name}/metrics", "token metrics of an integration"),
    (EVERY, "/api/environment{rest:path}", "environment variables"),
    (EVERY, "/api/scheduler/{rest:path}", "schedules"),
    (EVERY, "/api/prompts{rest:path}", "prompts"),
    (EVERY, "/api/gateway/{rest:path}", "the API gateway"),
    (EVERY, "/api/registry/{rest:path}", "the service registry"),
    (EVERY, "/api/agent/{rest:path}", "agents"),
)


def not_built() -> Routes:
    """To be mounted before what is built: each of these paths is more particular."""
    routes = Routes("Not built yet")
    for methods, path, subject in TABLE:
        for method in methods.split():
            routes.add(method, path, actions.SIGNED_IN, _refusal(subject))
    return routes


def _refusal(subject: str) -> Handler:
    async def refuse(call: Call) -> Response:
        raise NotSupported(f"not yet supported: {subject}")

    refuse.__doc__ = f"Not built yet: {subject}."
    return refuse
