"""The settings of a topic under Kafka's names: what each may be, what it is if nobody says, and their typed view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cached_property

import msgspec

from tidemill.broker.errors import Refused
from tidemill.broker.protocol.error_code import ErrorCode

LONG_MAX = 2**63 - 1
INT_MAX = 2**31 - 1
DAY_MS = 24 * 60 * 60 * 1000


class ConfigType(IntEnum):
    """As DescribeConfigs names them."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    LONG = 5
    DOUBLE = 6
    LIST = 7


class Setting(msgspec.Struct, frozen=True):
    """`check` raises `ValueError` for a text that is no value."""

    type: ConfigType
    default: str
    check: Callable[[str], object]
    documentation: str


def integer(low: int, high: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}")
        return value

    return check


def ratio(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError("must be from 0 to 1")
    return value


def choice(*words: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return check


def cleanup_policy(text: str) -> frozenset[str]:
    words = frozenset(word.strip() for word in text.split(",") if word.strip())
    if not words <= {"delete", "compact"}:
        raise ValueError("must be delete, compact or both")
    return words


SETTINGS: dict[str, Setting] = {
    "cleanup.policy": Setting(
        ConfigType.LIST, "delete", cleanup_policy, "Old records are deleted, or compacted by key."
    ),
    "compression.type": Setting(
        ConfigType.STRING,
        "producer",
        choice("producer"),
        "Batches are kept as the producer compressed them.",
    ),
    "delete.retention.ms": Setting(
        ConfigType.LONG, str(DAY_MS), integer(0, LONG_MAX), "How long compaction keeps the mark of a deleted key."
    ),
    "max.compaction.lag.ms": Setting(
        ConfigType.LONG, str(LONG_MAX), integer(1, LONG_MAX), "When a record is compacted at the latest."
    ),
    "max.message.bytes": Setting(ConfigType.INT, "1048588", integer(0, INT_MAX), "The largest batch that is taken."),
    "message.timestamp.after.max.ms": Setting(
        ConfigType.LONG, str(60 * 60 * 1000), integer(0, LONG_MAX), "How far a record's time may lie in the future."
    ),
    "message.timestamp.before.max.ms": Setting(
        ConfigType.LONG, str(LONG_MAX), integer(0, LONG_MAX), "How far a record's time may lie in the past."
    ),
    "message.timestamp.type": Setting(
        ConfigType.STRING,
        "CreateTime",
        choice("CreateTime", "LogAppendTime"),
        "Whose clock a record's timestamp is from.",
    ),
    "min.compaction.lag.ms": Setting(
        ConfigType.LONG, "0", integer(0, LONG_MAX), "How long a record is safe from compaction."
    ),
    "min.cleanable.dirty.ratio": Setting(
        ConfigType.DOUBLE, "0.5", ratio, "The share of a log that has changed before it is compacted."
    ),
    "min.insync.replicas": Setting(ConfigType.INT, "1", integer(1, 1), "There is one replica."),
    "retention.bytes": Setting(ConfigType.LONG, "-1", integer(-1, LONG_MAX), "The most that a partition keeps."),
    "retention.ms": Setting(ConfigType.LONG, str(7 * DAY_MS), integer(-1, LONG_MAX), "How long records are kept."),
    "segment.bytes": Setting(ConfigType.INT, str(1 << 30), integer(14, INT_MAX), "When a new file is begun, by size."),
    "segment.ms": Setting(ConfigType.LONG, str(7 * DAY_MS), integer(1, LONG_MAX), "When a new file is begun, by age."),
}

# Settings of Apache Kafka that clients pass along and that have no meaning with one node and one kind of file. They are
# taken, shown and kept, so that a program that creates topics for Kafka works.
WITHOUT_EFFECT = frozenset(
    {
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "follower.replication.throttled.replicas",
        "index.interval.bytes",
        "leader.replication.throttled.replicas",
        "message.downconversion.enable",
        "message.timestamp.difference.max.ms",
        "preallocate",
        "segment.index.bytes",
        "segment.jitter.ms",
        "unclean.leader.election.enable",
    }
)


class TopicSettings:
    """What a topic does. Made from what was set on it; every value is checked by then."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.given: Mapping[str, str] = dict(given or {})

    def text(self, name: str) -> str:
        return self.given.get(name, SETTINGS[name].default)

    @cached_property
    def is_compacted(self) -> bool:
        return "compact" in cleanup_policy(self.text("cleanup.policy"))

    @cached_property
    def is_deleted(self) -> bool:
        """Whether age and size remove records."""
        return "delete" in cleanup_policy(self.text("cleanup.policy"))

    @cached_property
    def is_log_append_time(self) -> bool:
        return self.text("message.timestamp.type") == "LogAppendTime"

    @cached_property
    def batch_bytes_max(self) -> int:
        return int(self.text("max.message.bytes"))

    @cached_property
    def segment_bytes(self) -> int:
        return int(self.text("segment.bytes"))

    @cached_property
    def segment_ms(self) -> int:
        return int(self.text("segment.ms"))

    @cached_property
    def retention_ms(self) -> int | None:
        """None keeps for ever."""
        value = int(self.text("retention.ms"))
        return value if value >= 0 else None

    @cached_property
    def retention_bytes(self) -> int | None:
        value = int(self.text("retention.bytes"))
        return value if value >= 0 else None

    @cached_property
    def delete_retention_ms(self) -> int:
        return int(self.text("delete.retention.ms"))

    @cached_property
    def compaction_lag_min_ms(self) -> int:
        return int(self.text("min.compaction.lag.ms"))

    @cached_property
    def compaction_lag_max_ms(self) -> int:
        return int(self.text("max.compaction.lag.ms"))

    @cached_property
    def timestamp_after_max_ms(self) -> int:
        return int(self.text("message.timestamp.after.max.ms"))

    @cached_property
    def timestamp_before_max_ms(self) -> int:
        return int(self.text("message.timestamp.before.max.ms"))

    @cached_property
    def dirty_ratio_min(self) -> float:
        return float(self.text("min.cleanable.dirty.ratio"))


def checked(given: Mapping[str, str | None]) -> dict[str, str]:
    """What is set, without what is null. Raises `Refused` with INVALID_CONFIG and a sentence that names the setting."""
    kept = {}
    for name, value in given.items():
        if name not in SETTINGS and name not in WITHOUT_EFFECT:
            raise Refused(ErrorCode.INVALID_CONFIG, f"Unknown topic config name: {name}")
        if value is None:
            continue
        if name in SETTINGS:
            try:
                SETTINGS[name].check(value)
            except ValueError as error:
                message = f"Invalid value {value} for configuration {name}: {error}"
                raise Refused(ErrorCode.INVALID_CONFIG, message) from error
        kept[name] = value
    return kept
