"""The history of a route in the words of Conductor's event monitor. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidemill.ingest.ports import Seen, SeenRun, SeenTotals

ENTRIES_MAX = 10_000
"""Records of one handler in one answer, the newest."""

_STATUS = {"done": "COMPLETED", "filtered": "SKIPPED", "retry": "IN_PROGRESS", "invalid": "FAILED"}


def handler_totals(handler: Mapping[str, Any], totals: SeenTotals | None) -> dict[str, Any]:
    """An action that was carried out has one result."""
    return {
        "name": handler["name"],
        "event": handler["event"],
        "active": bool(handler.get("active", False)),
        "numberOfMessages": totals.records if totals else 0,
        "numberOfActions": totals.results if totals else 0,
    }


def monitor_entries(handler: Mapping[str, Any], runs: Sequence[SeenRun], from_ms: int) -> list[dict[str, Any]]:
    """One entry per record and action; a record that was filtered or failed has one with its first action."""
    return [
        _entry(handler, run, entry, index, kind)
        for run in runs
        for entry in run.entries
        if entry.at_ms >= from_ms
        for index, kind in enumerate(_shown_actions(handler, entry))
    ]


def _shown_actions(handler: Mapping[str, Any], entry: Seen) -> Sequence[str]:
    kinds = _actions(handler, entry) or [""]
    return kinds if entry.outcome == "done" else kinds[:1]


def _actions(handler: Mapping[str, Any], entry: Seen) -> Sequence[str]:
    """As they were when the record came, where the history says so; else those of the handler now."""
    noted = entry.detail.get("actions")
    return noted if isinstance(noted, list) else [str(each.get("action", "")) for each in handler.get("actions") or ()]


def message_id(run: SeenRun, entry: Seen) -> str:
    return f"{run.partition.topic}-{run.partition.partition}-{entry.offset}"


def _entry(handler: Mapping[str, Any], run: SeenRun, entry: Seen, index: int, kind: str) -> dict[str, Any]:
    record = message_id(run, entry)
    return {
        "id": f"{record}_{index}",
        "messageId": record,
        "name": handler["name"],
        "event": handler["event"],
        "created": entry.at_ms,
        "status": _STATUS.get(entry.outcome, entry.outcome.upper()),
        "action": kind,
        "output": {"ids": list(entry.results)},
        "statusDescription": entry.reason,
        "detail": entry.detail,
        "payload": {},
        "fullMessagePayload": {
            "integration": run.integration,
            "topic": run.partition.topic,
            "partition": run.partition.partition,
            "offset": entry.offset,
        },
    }
