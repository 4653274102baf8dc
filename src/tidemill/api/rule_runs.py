"""Messages that are sent through rule chains over the API: as RuleGo's clients do it, and with all that came of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Response

from tidemill.access import actions
from tidemill.api.answers import empty_answer, json_answer
from tidemill.api.call import AllowedCall, Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.core.errors import BadInput
from tidemill.core.ids import new_id
from tidemill.graph.message import DataType, Message
from tidemill.rules.given import data_type_of, read_message
from tidemill.rules.hand import HandRun
from tidemill.rules.shown.views import end_json

routes = Routes("Rule chains", "/api/v1/rules")
own_routes = Routes("Rule chains", "/api/tidemill/rules")

ChainId = Annotated[str, Path(alias="id")]

_CONTROLS = frozenset({"msgId", "headersToMetadata", "_onlyNodeId", "_fromNodeId", "debugMode", "_debugMode"})
_MEDIA: dict[DataType, str] = {
    "JSON": "application/json",
    "TEXT": "text/plain; charset=utf-8",
    "BINARY": "application/octet-stream",
}


@routes.post("/{id}/execute/{msg_type}", actions.RULE_CHAIN_RUN)
async def execute(call: Call, chain: ChainId, msg_type: str) -> Response:
    """Sends the body through a chain and answers with what came out last. Query parameters are the message's
    metadata; `_fromNodeId` begins at a node, `_onlyNodeId` runs that node only, `debugMode=true` keeps what its
    nodes saw. Where a branch failed, 400 and the
    reason as text. What the chain causes is stored before the answer. 202 where all of it waits for something."""
    try:
        run = await _run(call, chain, msg_type)
    except BadInput as error:
        return _refusal(str(error))
    reason = _reason(run)
    if reason:
        return _refusal(reason)
    if not run.ends:
        return empty_answer(202 if run.is_held else 200)
    last = run.ends[-1].message
    return Response(last.data, media_type=_MEDIA[last.data_type])


@routes.post("/{id}/notify/{msg_type}", actions.RULE_CHAIN_RUN)
async def notify(call: Call, chain: ChainId, msg_type: str) -> Response:
    """Sends the body through a chain and answers with nothing, once what the chain causes is stored. Where a branch
    failed, 400 and the reason as text: nobody else would hear of it."""
    try:
        reason = _reason(await _run(call, chain, msg_type))
    except BadInput as error:
        reason = str(error)
    return _refusal(reason) if reason else empty_answer()


@own_routes.post("/{id}/run", actions.RULE_CHAIN_RUN, answer=dict[str, Any])
async def run_whole(
    call: Call,
    chain: ChainId,
    node: Text = None,
    message_type: Annotated[Text, Query(alias="type")] = None,
) -> Response:
    """Sends a message through a chain and answers with every end of it. The body is a message in RuleGo's keys, or just
    its data."""
    message = read_message(await call.body(), call.services.clock.now_ms(), message_type or "")
    run = await call.services.hand.run(chain, message, node)
    return json_answer(
        {"id": run.message.id, "ends": [end_json(end) for end in run.ends], "isHeld": run.is_held},
    )


async def _run(call: AllowedCall, chain: str, msg_type: str) -> HandRun:
    asked = call.request.query_params
    metadata = {name: value for name, value in asked.items() if name not in _CONTROLS}
    if asked.get("headersToMetadata") == "true":
        metadata |= {name: value for name, value in call.request.headers.items() if name not in _CREDENTIALS}
    now_ms, body = call.services.clock.now_ms(), await call.body()
    data_type = _data_type(call.request.headers.get("content-type", ""), body)
    message = Message(asked.get("msgId") or new_id(now_ms), now_ms, msg_type, body, metadata, data_type)
    only = asked.get("_onlyNodeId")
    node = only or asked.get("_fromNodeId") or None
    is_watched = "true" in (asked.get("debugMode"), asked.get("_debugMode"))
    return await call.services.hand.run(chain, message, node, is_followed=not only, is_watched=is_watched)


_CREDENTIALS = frozenset({"authorization", "x-authorization", "cookie"})


def _data_type(content_type: str, body: bytes) -> DataType:
    """Of bodies whose type says nothing (curl's is that of a form): what they look like."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.endswith(("/json", "+json")):
        return "JSON"
    if kind == "application/octet-stream":
        return "BINARY"
    return "TEXT" if kind == "text/plain" else data_type_of(body)


def _reason(run: HandRun) -> str:
    failures = [end for end in run.ends if end.relation == "Failure"]
    return "; ".join(f"{end.node}: {end.error or 'failed'}" for end in failures)


def _refusal(reason: str) -> Response:
    return Response(reason, status_code=400, media_type="text/plain")
