"""The history of a route in the words of Conductor's event monitor. Pure.

The history keeps what became of a record, not its body: payloads are read again from the topic, those of the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tidemill.ingest.ports import Seen, SeenRun, SeenTotals
from tidemill.ingest.record import PartitionKey, Record
from tidemill.workflows.handlers.body import decode
from tidemill.workflows.handlers.record_view import record_view

ENTRIES_MAX = 10_000
"""Records of one handler in one answer, the newest."""
PAYLOADS_MAX = 1_000
"""Records whose payload is in one answer, the newest."""

Records = Mapping[tuple[PartitionKey, int], Record]

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


def payloads_wanted(runs: Iterable[SeenRun], from_ms: int) -> tuple[dict[str, str], dict[PartitionKey, set[int]]]:
    """The topics' ids, and the offsets of the newest records. A topic's newest id counts: what was in its namesake
    that was deleted before it is gone."""
    newest = sorted(
        ((entry.at_ms, entry.offset, run) for run in runs for entry in run.entries if entry.at_ms >= from_ms),
        key=lambda each: each[:2],
        reverse=True,
    )[:PAYLOADS_MAX]
    topic_ids: dict[str, str] = {}
    wanted: dict[PartitionKey, set[int]] = {}
    for _, offset, run in newest:
        if topic_ids.setdefault(run.partition.topic, run.topic_id) == run.topic_id:
            wanted.setdefault(run.partition, set()).add(offset)
    return topic_ids, wanted


def monitor_entries(
    handler: Mapping[str, Any], runs: Sequence[SeenRun], from_ms: int, records: Records
) -> list[dict[str, Any]]:
    """One entry per record and action; a record that was filtered or failed has one with its first action.

    `payload` is the record's body as the handler saw it, null where `records` does not have it."""
    return [
        _entry(handler, run, entry, index, kind) | _payload(run, entry, records.get((run.partition, entry.offset)))
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
    }


def _payload(run: SeenRun, entry: Seen, record: Record | None) -> dict[str, Any]:
    if record is None or record.topic_id != run.topic_id:
        place = {"topic": run.partition.topic, "partition": run.partition.partition, "offset": entry.offset}
        return {"payload": None, "fullMessagePayload": {"integration": run.integration, **place}}
    body = decode(record.value, "String")
    payload = body.value if body.error is None else None
    return {"payload": payload, "fullMessagePayload": {**record_view(record), "payload": payload}}
