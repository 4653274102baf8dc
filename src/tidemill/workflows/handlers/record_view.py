"""`$record`: what conditions and templates see of a record beside its body."""

from __future__ import annotations

import base64
from typing import Any

from tidemill.ingest.record import Record


def record_view(record: Record) -> dict[str, Any]:
    """Keys and header values are text where they are UTF-8, else Base64. Of headers with one name the last counts."""
    return {
        "integration": record.integration,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "key": _text(record.key),
        "headers": {name: _text(value) for name, value in record.headers},
    }


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()
