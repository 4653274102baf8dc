"""What a batch leaves in the database beside its effects: parked records, dead letters and history. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tidemill.core.ids import new_id
from tidemill.ingest.lane import Lane
from tidemill.ingest.ports import DeadLetter, Parked, Seen, SeenRun
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.subscription import GroupKey

BEHIND = "waits behind an earlier record"


@dataclass(slots=True)
class Ledger:
    """The rows of one transaction, and for whoever keeps count of them: how many of which outcome per route."""

    parked: list[Parked] = field(default_factory=list)
    unparked: list[Parked] = field(default_factory=list)
    postponed: list[Parked] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    runs: list[SeenRun] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)


def ledger_of(key: GroupKey, lanes: Sequence[Lane], now_ms: int) -> Ledger:
    ledger = Ledger()
    for lane in lanes:
        entries = _settled(ledger, key, lane, now_ms)
        entries += _parked_again(ledger, lane, now_ms) if lane.parked else _parked(ledger, lane, now_ms)
        if entries:
            name = lane.subscription.route.name
            topic_id = lane.records[0].topic_id
            ledger.runs.append(SeenRun(name, key.integration, lane.partition, topic_id, entries))
            for outcome, count in Counter([entry.outcome for entry in entries]).items():
                ledger.outcomes[name, outcome] += count
    return ledger


def letter_of(
    key: GroupKey, route: str, record: Record, reason: str | None, detail: Mapping[str, Any], now_ms: int
) -> DeadLetter:
    return DeadLetter(new_id(now_ms), key.group, route, record, reason or "no reason given", detail, now_ms)


def gone(parked: Sequence[Parked], key: GroupKey, now_ms: int) -> Ledger:
    """Parked records whose handler no longer reads their topic: dead letters, for somebody to decide."""
    ledger = Ledger(unparked=list(parked))
    for item in parked:
        record, reason = item.record, f"{item.route} no longer reads this topic"
        ledger.letters.append(letter_of(key, item.route, record, reason, {}, now_ms))
        where = PartitionKey(record.topic, record.partition)
        entry = Seen(record.offset, "invalid", now_ms, (), reason)
        ledger.runs.append(SeenRun(item.route, key.integration, where, record.topic_id, [entry]))
        ledger.outcomes[item.route, "invalid"] += 1
    return ledger


def _settled(ledger: Ledger, key: GroupKey, lane: Lane, now_ms: int) -> list[Seen]:
    entries: list[Seen] = []
    name = lane.subscription.route.name
    verdicts = lane.verdicts
    for index, (record, outcome) in enumerate(zip(lane.records[: lane.stop], lane.outcomes, strict=False)):
        results: Sequence[Any] = ()
        if index in verdicts:
            outcome, verdict = lane.final(index)
            results = verdict.results if verdict is not None else ()
        kind = outcome.kind
        entries.append(Seen(record.offset, kind, now_ms, results, outcome.reason, outcome.detail))
        if kind == "invalid":
            ledger.letters.append(letter_of(key, name, record, outcome.reason, outcome.detail, now_ms))
    ledger.unparked += lane.parked[: lane.stop]
    return entries


def _parked(ledger: Ledger, lane: Lane, now_ms: int) -> list[Seen]:
    """New records from the stop on. Those behind the first have not been tried; they are due when it is gone."""
    entries: list[Seen] = []
    name = lane.subscription.route.name
    for index in range(lane.stop, len(lane.records)):
        record = lane.records[index]
        is_head = index == lane.stop and not lane.is_blocked
        outcome = lane.outcomes[index] if is_head else None
        reason = (outcome.reason or "no reason given") if outcome else BEHIND
        due_ms = now_ms + lane.subscription.retry.delay_ms(1) if outcome else now_ms
        ledger.parked.append(Parked(0, name, record, int(is_head), now_ms, due_ms, reason))
        entries.append(Seen(record.offset, "retry", now_ms, (), reason, outcome.detail if outcome else {}))
    return entries


def _parked_again(ledger: Ledger, lane: Lane, now_ms: int) -> list[Seen]:
    if lane.stop == len(lane.parked):
        return []
    head, outcome = lane.parked[lane.stop], lane.outcomes[lane.stop]
    attempts = head.attempts + 1
    due_ms = now_ms + lane.subscription.retry.delay_ms(attempts)
    reason = outcome.reason or "no reason given"
    ledger.postponed.append(msgspec.structs.replace(head, attempts=attempts, due_ms=due_ms, reason=reason))
    return [Seen(head.record.offset, "retry", now_ms, (), reason, outcome.detail)]
