"""What the broker counts while it works, and what it says of itself. Counts only; decides nothing."""

from __future__ import annotations

from collections import Counter

import msgspec


class Traffic:
    """Shared by all connections of one broker, and only ever touched on its loop."""

    __slots__ = ("bytes_in", "bytes_out", "refused", "requests")

    def __init__(self) -> None:
        self.requests: Counter[int] = Counter()
        """By the API's key."""
        self.bytes_in = 0
        self.bytes_out = 0
        self.refused = 0
        """Connections: too many of them, or not authenticated."""


class BrokerMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of a broker. What is counted is counted since its start."""

    connections: int
    connections_refused: int
    requests: dict[str, int]
    """By the API's name."""
    bytes_in: int
    bytes_out: int
    topics: int
    partitions: int
    log_bytes: int
