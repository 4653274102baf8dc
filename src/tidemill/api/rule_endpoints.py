"""The HTTP endpoints of rule chains, under prefixes of their own. Which paths there are, the chains say."""

from __future__ import annotations

from fastapi import Response

from tidemill.access import actions
from tidemill.api.call import AllowedCall, Call
from tidemill.api.router import Routes
from tidemill.rules.endpoints.http import METHODS, OPEN_PREFIX, PREFIX
from tidemill.rules.endpoints.requests import Request

routes = Routes("Rule chains", PREFIX)
open_routes = Routes("Rule chains", OPEN_PREFIX)

_SECRETS = ("authorization", "x-authorization", "cookie")
"""Headers that no chain is shown."""


async def serve(call: Call, path: str) -> Response:
    """Sends a request through a rule chain. The answer is what its processors put together, once all is stored."""
    return await _serve(call, path, is_open=False)


async def serve_open(call: Call, path: str) -> Response:
    """Sends a request of somebody without a token through a rule chain whose endpoint is `anonymous`."""
    return await _serve(call, path, is_open=True)


async def _serve(call: AllowedCall, path: str, is_open: bool) -> Response:
    request = call.request
    headers = {name: value for name, value in request.headers.items() if name not in _SECRETS}
    given = Request(request.method, f"/{path}", headers, dict(request.query_params), await call.body())
    answer = await call.services.requests.serve(given, is_open=is_open)
    return Response(answer.body, answer.status, dict(answer.headers))


for _method in METHODS:
    routes.add(_method, "/{path:path}", actions.ENDPOINT_CALL, serve)
    open_routes.add(_method, "/{path:path}", actions.PUBLIC, serve_open)
