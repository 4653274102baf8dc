"""WAIT: until a time, or until somebody says so."""

from __future__ import annotations

from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType
from tidemill.workflows.tasks.moments import parse_date_ms, parse_duration_ms
from tidemill.workflows.tasks.wait import WaitSettings


def _read(source: Source) -> Draft:
    """The SDK's `WaitTask` says `wait_until` for `until`."""
    duration = source.moment("duration", parse_duration_ms)
    until = source.moment("until", parse_date_ms) or source.moment("wait_until", parse_date_ms)
    if duration is not None and until is not None:
        source.fields.add("inputParameters", "has both duration and until: give one of them")
    return Draft("wait", source.without(), WaitSettings(duration, until))


WAIT = TaskType(
    "WAIT",
    "Waits for a duration, until a date, or until somebody completes it.",
    _read,
    inputs={
        "duration": "`2 hours 30 minutes`, `1d 2h`, `30s`; a bare number is seconds",
        "until": "`2026-12-24 18:00 Europe/Oslo`, the same without zone (UTC) or time, or ISO 8601",
        "wait_until": "the same, as the SDK writes it",
    },
    output={"*": "what is reported, where somebody completes it"},
    notes="With neither it waits for somebody. Waits are rows: they outlive restarts and cost nothing meanwhile.",
)
