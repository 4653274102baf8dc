"""What people are shown of messages and their ends, in RuleGo's keys."""

from __future__ import annotations

from typing import Any

import msgspec

from tidemill.graph.message import Message
from tidemill.graph.node import Effect, End
from tidemill.ingest.publication import Publication
from tidemill.rules.effects import Publish


def message_json(message: Message) -> dict[str, Any]:
    """BINARY data in hexadecimal digits."""
    data = message.data.hex() if message.data_type == "BINARY" else message.text
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


def effect_json(effect: Effect) -> dict[str, Any]:
    """What a chain wants to happen: a publication, or another effect under its name."""
    if isinstance(effect, Publish):
        return {"publication": publication_json(effect.publication)}
    return {"effect": {"kind": type(effect).__name__, **msgspec.to_builtins(effect, str_keys=True)}}


def publication_json(publication: Publication) -> dict[str, Any]:
    return {
        "integration": publication.integration,
        "topic": publication.topic,
        "partition": publication.partition,
        "key": _text(publication.key),
        "value": _text(publication.value),
        "headers": {name: _text(value) for name, value in publication.headers},
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")
