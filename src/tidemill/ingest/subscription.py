"""Topics of an integration, read under one consumer group, and the route that their records take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from tidemill.core.transaction import Transaction
from tidemill.ingest.patterns import is_meant
from tidemill.ingest.route import Route


class StartAt(msgspec.Struct, frozen=True):
    """Where a group starts on a partition that neither the database nor Kafka has an offset for."""

    kind: Literal["earliest", "latest", "offset", "time"] = "earliest"
    value: int = 0
    """The offset, or milliseconds since 1970."""


class RetryPolicy(msgspec.Struct, frozen=True):
    """How long a record may be tried again before it becomes a dead letter, and how many may wait behind it."""

    first_delay_ms: int = 200
    delay_ms_max: int = 30_000
    give_up_after_ms: int = 600_000
    parked_max: int = 1_000

    def delay_ms(self, attempts: int) -> int:
        """The wait after the `attempts`-th failure, doubling."""
        return min(self.first_delay_ms * (1 << min(max(attempts - 1, 0), 20)), self.delay_ms_max)

    def is_over(self, attempts: int) -> bool:
        """Whether a record that failed `attempts` times is given up. What counts is how long it was tried,
        not how long it stood behind others or how long no worker ran."""
        return sum(self.delay_ms(attempt) for attempt in range(1, attempts)) >= self.give_up_after_ms


class GroupKey(msgspec.Struct, frozen=True, order=True):
    """One consumer: all subscriptions of a group on an integration share it."""

    integration: str
    group: str


class Subscription(msgspec.Struct, frozen=True):
    """`patterns` mean topics that may come and go (`patterns.is_meant`)."""

    topics: frozenset[str]
    route: Route
    start: StartAt = StartAt()
    retry: RetryPolicy = RetryPolicy()
    patterns: frozenset[str] = frozenset()

    def reads(self, topic: str) -> bool:
        return topic in self.topics or any(is_meant(pattern, topic) for pattern in self.patterns)


class SubscriptionSet(msgspec.Struct, frozen=True):
    """All active subscriptions at one revision of the definitions."""

    revision: int
    groups: Mapping[GroupKey, Sequence[Subscription]]
    held: frozenset[str] = frozenset()
    """Integrations that are switched off or cannot be used now. What is parked for their routes waits with them."""
    by_time: Sequence[Subscription] = ()
    """Those that no pump feeds: their records are moments."""


class Subscriptions(Protocol):
    """Where the pumps learn what to read. The definitions behind it may change at any time, by any process."""

    async def current(self) -> SubscriptionSet:
        """The newest set; cheap when nothing has changed. Raises `Unavailable`."""
        ...

    async def verify(self, tx: Transaction, revision: int) -> None:
        """Raises `StaleWrite` unless the definitions are still at `revision`: what was computed with
        older ones must not be committed."""
        ...
