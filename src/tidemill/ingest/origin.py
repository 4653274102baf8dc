"""Where reading begins: a stored position set against the log as it is now, or the first one of a new partition.

Asks the broker; writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidemill.ingest.ports import Gap, PartitionLog, Position, RecordSource
from tidemill.ingest.record import PartitionKey
from tidemill.ingest.subscription import StartAt
from tidemill.ingest.waiting import ByTopic

Logs = Mapping[PartitionKey, PartitionLog]


async def origins(
    source: RecordSource,
    stored: Mapping[PartitionKey, Position],
    logs: Logs,
    by_topic: ByTopic,
    now_ms: int,
) -> tuple[dict[PartitionKey, Position], list[Gap]]:
    """The position from which each of these logs is to be read, and what is gone. One without an answer from
    the broker is missing. `stored` has all partitions of the group: empty, the database has never seen it."""
    new = [key for key in logs if key not in stored]
    known = dict(stored)
    if new and not stored:
        in_kafka = await source.committed(new)
        known = {key: Position(logs[key].topic_id, offset) for key, offset in in_kafka.items()}
    starts = await _starts(source, [key for key in new if key not in known], by_topic)
    placed = {key: Position(logs[key].topic_id, max(offset, logs[key].log_start)) for key, offset in starts.items()}
    gaps: list[Gap] = []
    for key, now in logs.items():
        if key in known:
            placed[key], gap = fit(key, known[key], now, now_ms)
            gaps += [gap] if gap else []
    return placed, gaps


def fit(partition: PartitionKey, position: Position, now: PartitionLog, now_ms: int) -> tuple[Position, Gap | None]:
    """The position on the log as it is now, and what was lost. A topic that was made again starts from its
    beginning; a log that was cut is read on at its end."""
    topic_id = now.topic_id or position.topic_id
    offset = 0 if are_different(position.topic_id, now.topic_id) else position.next_offset
    if offset < now.log_start:
        return Position(topic_id, now.log_start), Gap(partition, offset, now.log_start - 1, "retention", now_ms)
    if offset > now.log_end:
        return Position(topic_id, now.log_end), Gap(partition, now.log_end, offset - 1, "truncation", now_ms)
    return Position(topic_id, offset), None


def are_different(one: str, other: str) -> bool:
    """Whether two topic ids tell two topics apart; a broker without ids tells nothing."""
    return bool(one) and bool(other) and one != other


async def _starts(
    source: RecordSource, partitions: Iterable[PartitionKey], by_topic: ByTopic
) -> dict[PartitionKey, int]:
    """Of several subscriptions the one that starts first decides: none misses a record that it asked for."""
    asked: dict[StartAt, list[PartitionKey]] = {}
    for partition in partitions:
        for start in dict.fromkeys(each.start for each in by_topic.get(partition.topic, ())):
            asked.setdefault(start, []).append(partition)
    starts: dict[PartitionKey, int] = {}
    for start, these in asked.items():
        for partition, offset in (await source.starts(these, start)).items():
            starts[partition] = min(offset, starts.get(partition, offset))
    return starts
