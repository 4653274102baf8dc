"""What happened to a record."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import Call
from tidemill.api.params import Numbered
from tidemill.api.record_trace import RecordId, RecordTracer
from tidemill.api.router import Routes

routes = Routes("Tidemill", "/api/tidemill/trace")


@routes.get("/{integration}/{topic}/{partition}/{offset}", actions.RECORD_READ)
async def trace(
    call: Call,
    integration: str,
    topic: str,
    partition: Numbered,
    offset: Annotated[int, Path(ge=0, lt=2**63)],
) -> Response:
    """A record's way: which routes saw it, what they made of it, what came of that and where it went."""
    services = call.services
    tracer = RecordTracer(services.places, services.subscriptions, services.executions, services.records)
    found = await tracer.trace(RecordId(integration, topic, partition, offset))
    if found["state"] == "unread":
        await services.integrations.get(integration)  # a wrong name is said to be one, where nothing else is known
    return json_answer(found)
