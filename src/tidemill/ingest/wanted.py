"""What the subscriptions of one group want, at the revision that was read last."""

from __future__ import annotations

from tidemill.core.clock import Clock
from tidemill.ingest.subscription import GroupKey, Subscription, Subscriptions
from tidemill.ingest.waiting import ByTopic


class Wanted:
    """Looks at the definitions now and then; whoever commits has them verified in the transaction."""

    def __init__(self, key: GroupKey, subscriptions: Subscriptions, clock: Clock, every_s: float) -> None:
        self._key = key
        self._subscriptions = subscriptions
        self._clock = clock
        self._every_s = every_s
        self._due_s = 0.0
        self.revision = -1
        self.by_topic: ByTopic = {}

    @property
    def topics(self) -> frozenset[str]:
        return frozenset(self.by_topic)

    @property
    def is_due(self) -> bool:
        return self._clock.monotonic_s() >= self._due_s

    def notify(self) -> None:
        """They have changed."""
        self._due_s = 0.0

    async def refresh(self) -> None:
        """Raises `Unavailable`, and leaves what was known."""
        current = await self._subscriptions.current()
        self._due_s = self._clock.monotonic_s() + self._every_s
        if current.revision == self.revision:
            return
        by_topic: dict[str, list[Subscription]] = {}
        for subscription in current.groups.get(self._key, ()):
            for topic in sorted(subscription.topics):
                by_topic.setdefault(topic, []).append(subscription)
        self.revision = current.revision
        self.by_topic = by_topic
