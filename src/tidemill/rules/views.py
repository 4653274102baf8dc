"""What people are shown of messages and their ends, in RuleGo's keys."""

from __future__ import annotations

import base64
from typing import Any

from tidemill.graph.message import Message
from tidemill.graph.node import End


def message_json(message: Message) -> dict[str, Any]:
    """BINARY data as base64."""
    data = base64.b64encode(message.data).decode() if message.data_type == "BINARY" else message.text
    return {
        "ts": message.ts_ms,
        "id": message.id,
        "dataType": message.data_type,
        "type": message.type,
        "data": data,
        "metadata": dict(message.metadata),
    }


def end_json(end: End) -> dict[str, Any]:
    """One line of `tidemill chain run`."""
    shown = message_json(end.message)
    line = {"node": end.node, "relation": end.relation, "type": shown["type"], "dataType": shown["dataType"]}
    line |= {"data": shown["data"], "metadata": shown["metadata"]}
    return {**line, "error": end.error} if end.error is not None else line
