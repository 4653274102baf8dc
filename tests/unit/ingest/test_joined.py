"""The subscriptions of several domains as one set."""

from __future__ import annotations

import pytest

from tests.fakes.places import FixedSubscriptions
from tidemill.core.errors import StaleWrite
from tidemill.core.transaction import Transaction
from tidemill.ingest.joined import JoinedSubscriptions
from tidemill.ingest.subscription import GroupKey, SubscriptionSet

SHOP, DOCK = GroupKey("shop", "g"), GroupKey("dock", "g")


class Part:
    def __init__(self, *sets: SubscriptionSet) -> None:
        self.sets = list(sets)

    async def current(self) -> SubscriptionSet:
        return self.sets.pop(0) if len(self.sets) > 1 else self.sets[0]

    async def verify(self, tx: Transaction, revision: int) -> None: ...


async def test_groups_of_all_parts_together() -> None:
    first = Part(SubscriptionSet(3, {SHOP: ["a"]}, frozenset({"x"})))  # type: ignore[list-item]
    second = Part(SubscriptionSet(3, {SHOP: ["b"], DOCK: ["c"]}, frozenset({"y"})))  # type: ignore[list-item]
    joined = JoinedSubscriptions(first, second)
    found = await joined.current()
    assert found == SubscriptionSet(3, {SHOP: ["a", "b"], DOCK: ["c"]}, frozenset("xy"))  # type: ignore[list-item]
    assert await joined.current() is found


async def test_parts_of_two_revisions_are_asked_again() -> None:
    late = Part(SubscriptionSet(3, {}), SubscriptionSet(4, {}))
    joined = JoinedSubscriptions(late, Part(SubscriptionSet(4, {})))
    assert (await joined.current()).revision == 4
    never = JoinedSubscriptions(Part(SubscriptionSet(3, {})), Part(SubscriptionSet(4, {})))
    with pytest.raises(StaleWrite):
        await never.current()


def test_a_fixed_set_is_subscriptions_too() -> None:
    JoinedSubscriptions(FixedSubscriptions())
