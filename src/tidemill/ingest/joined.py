"""The subscriptions of several domains as one set, all at the same revision of the definitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.core.errors import StaleWrite
from tidemill.core.transaction import Transaction
from tidemill.ingest.effect import REPEATS_MAX
from tidemill.ingest.subscription import GroupKey, Subscription, Subscriptions, SubscriptionSet


class JoinedSubscriptions:
    """Implements `ingest.subscription.Subscriptions`."""

    def __init__(self, *parts: Subscriptions) -> None:
        self._parts = parts
        self._sets: Sequence[SubscriptionSet] = ()
        self._joined = SubscriptionSet(-1, {})

    async def current(self) -> SubscriptionSet:
        """The same set for as long as the definitions stay as they are."""
        for _ in range(REPEATS_MAX):
            sets = [await part.current() for part in self._parts]
            if len({each.revision for each in sets}) == 1:
                break
        else:
            raise StaleWrite("the definitions keep changing")
        if not self._sets or any(one is not other for one, other in zip(sets, self._sets, strict=True)):
            self._sets = sets
            held = frozenset[str]().union(*(each.held for each in sets))
            by_time = tuple(subscription for each in sets for subscription in each.by_time)
            self._joined = SubscriptionSet(sets[0].revision, _groups(sets), held, by_time)
        return self._joined

    async def verify(self, tx: Transaction, revision: int) -> None:
        await self._parts[0].verify(tx, revision)


def _groups(sets: Sequence[SubscriptionSet]) -> Mapping[GroupKey, Sequence[Subscription]]:
    found: dict[GroupKey, list[Subscription]] = {}
    for each in sets:
        for key, subscriptions in each.groups.items():
            found.setdefault(key, []).extend(subscriptions)
    return found
