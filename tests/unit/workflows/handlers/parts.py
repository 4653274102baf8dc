"""What the tests of event handlers share: documents, records, and a route made of them."""

from __future__ import annotations

from typing import Any

from tests.fakes.sandbox import FakeSandbox
from tidemill.core.codec import to_json
from tidemill.ingest.record import Headers, Record
from tidemill.ingest.route import Outcome
from tidemill.workflows.handlers.body import SendingProtocol
from tidemill.workflows.handlers.definition import read_handler
from tidemill.workflows.handlers.route import EventHandlerRoute


def document(*actions: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {
        "name": "orders",
        "event": "kafka:shop:orders-in",
        "actions": list(actions) or [start()],
        "active": True,
        **keys,
    }


def start(expand: bool | None = None, **parameters: Any) -> dict[str, Any]:
    action = {"action": "start_workflow", "start_workflow": {"name": "fulfil", **parameters}}
    return action if expand is None else {**action, "expandInlineJSON": expand}


def record(body: Any = None, *, offset: int = 7, raw: bytes | None = None, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "integration": "shop",
        "topic": "orders-in",
        "topic_id": "T1",
        "partition": 3,
        "offset": offset,
        "timestamp_ms": 1_700_000_000_000,
        "key": b"k1",
        "value": raw if raw is not None else to_json(body),
        "headers": HEADERS,
    }
    return Record(**{**fields, **changes})


HEADERS: Headers = (("h", b"1"), ("empty", None), ("h", b"2"), ("bin", b"\xff"))


def route(
    handler: dict[str, Any], sandbox: FakeSandbox | None = None, protocol: SendingProtocol = "String"
) -> EventHandlerRoute:
    read, findings = read_handler(handler)
    assert not findings, findings
    return EventHandlerRoute(read, protocol, sandbox or FakeSandbox())


async def outcome(handler: dict[str, Any], body: Any = None, **changes: Any) -> Outcome:
    (result,) = await route(handler).handle([record(body, **changes)])
    return result


async def effect(action: dict[str, Any], body: Any = None) -> Any:
    result = await outcome(document(action), body)
    assert result.kind == "done", result.reason
    return result.effects[0]
