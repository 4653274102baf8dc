"""What the subscriptions of one group want, at the revision that was read last, of the topics that were seen last."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
        self._these: Sequence[Subscription] = ()
        self._there: frozenset[str] = frozenset()
        self.revision = -1
        self.by_topic: ByTopic = {}

    @property
    def is_anything(self) -> bool:
        """Whether there is a subscription, be it one whose patterns mean no topic yet."""
        return bool(self._these)

    @property
    def has_patterns(self) -> bool:
        return any(each.patterns for each in self._these)

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
        self.revision = current.revision
        self._these = current.groups.get(self._key, ())
        self._gather()

    def see(self, topics: Collection[str]) -> None:
        """All that the cluster has, for patterns to choose from."""
        there = frozenset(topics)
        if there != self._there:
            self._there = there
            self._gather()

    def _gather(self) -> None:
        by_topic: dict[str, list[Subscription]] = {}
        for subscription in self._these:
            topics = set(subscription.topics)
            if subscription.patterns:
                topics.update(filter(subscription.reads, self._there))
            for topic in sorted(topics):
                by_topic.setdefault(topic, []).append(subscription)
        self.by_topic = by_topic
