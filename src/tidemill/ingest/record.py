"""What Kafka delivered. Values here are bytes as they came: decoding is the route's."""

from __future__ import annotations

import msgspec

Headers = tuple[tuple[str, bytes | None], ...]

HOPS_HEADER = "tidemill-hops"
ID_HEADER = "tidemill-id"
TRACEPARENT_HEADER = "traceparent"


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One record. `topic_id` tells a topic from its namesake that was deleted before it; empty where the
    broker has no topic ids. `value` is None for a tombstone."""

    integration: str
    topic: str
    topic_id: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    def header(self, name: str) -> bytes | None:
        """The last header of that name, as Kafka's own `lastHeader`; None where absent or without value."""
        for key, value in reversed(self.headers):
            if key == name:
                return value
        return None

    @property
    def hops(self) -> int:
        """How often this record's causes have been through a Tidemill; rubbish in the header counts as 0."""
        text = (self.header(HOPS_HEADER) or b"0")[:9]
        return int(text) if text.isdigit() else 0

    @property
    def traceparent(self) -> str | None:
        value = self.header(TRACEPARENT_HEADER)
        return value.decode("ascii", "replace") if value else None


class PartitionKey(msgspec.Struct, frozen=True, order=True):
    topic: str
    partition: int
