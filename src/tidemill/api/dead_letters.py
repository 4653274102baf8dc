"""Dead letters: records that could not be processed, whole, with the reason; to be replayed or discarded."""

from __future__ import annotations

import base64
import contextlib
from typing import Annotated, Any

from fastapi import Query, Response

from tidemill.access import actions
from tidemill.api.answers import json_answer
from tidemill.api.call import Call
from tidemill.api.params import Text
from tidemill.api.router import Routes
from tidemill.ingest.ports import DeadLetter
from tidemill.ingest.record import Record

routes = Routes("Dead letters", "/api/tidemill/dead-letters")


@routes.get("", actions.DEAD_LETTER_READ)
async def find(
    call: Call,
    integration: Text = None,
    route: Text = None,
    state: Text = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    before: Text = None,
) -> Response:
    """The dead letters, newest first, without the records' content; `before` (an id) pages on."""
    letters = await call.services.places.dead_letters.find(
        integration=integration, route=route, state=state, limit=limit, before_id=before
    )
    return json_answer([letter_json(letter) for letter in letters])


@routes.get("/{letter_id}", actions.DEAD_LETTER_READ)
async def get(call: Call, letter_id: str) -> Response:
    """One dead letter, with the record as it came, in base64, and as text where it is text."""
    letter = await call.services.places.dead_letters.get(letter_id)
    return json_answer(letter_json(letter) | _content(letter.record))


@routes.post("/{letter_id}/replay", actions.DEAD_LETTER_SETTLE)
async def replay(call: Call, letter_id: str) -> Response:
    """Hands the record to its route again, as the route is now."""
    result = await call.services.replayer.replay(letter_id, call.author)
    await call.changed(actions.DEAD_LETTER_SETTLE, f"dead_letter:{letter_id}:replay")
    return json_answer(result)


@routes.post("/{letter_id}/discard", actions.DEAD_LETTER_SETTLE)
async def discard(call: Call, letter_id: str) -> Response:
    """Discards a dead letter."""
    result = await call.services.replayer.discard(letter_id, call.author)
    await call.changed(actions.DEAD_LETTER_SETTLE, f"dead_letter:{letter_id}:discard")
    return json_answer(result)


def letter_json(letter: DeadLetter) -> dict[str, Any]:
    record = letter.record
    return {
        "id": letter.id,
        "route": letter.route,
        "group": letter.group,
        "state": letter.state,
        "reason": letter.reason,
        "detail": letter.detail,
        "at": letter.at_ms,
        "integration": record.integration,
        "topic": record.topic,
        "topicId": record.topic_id,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "valueBytes": None if record.value is None else len(record.value),
    }


def _content(record: Record) -> dict[str, Any]:
    return {
        "key": _bytes_json(record.key),
        "value": _bytes_json(record.value),
        "headers": [{"name": name, "value": _bytes_json(value)} for name, value in record.headers],
    }


def _bytes_json(value: bytes | None) -> dict[str, Any] | None:
    """None for a tombstone, a missing key, or a header without value."""
    if value is None:
        return None
    shown: dict[str, Any] = {"base64": base64.b64encode(value).decode("ascii")}
    with contextlib.suppress(UnicodeDecodeError):
        shown["text"] = value.decode()
    return shown
