"""What the pumps are to read for the event handlers (`ingest.subscription.Subscriptions`)."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.core.definitions import DefinitionStore
from tidemill.core.findings import errors
from tidemill.core.transaction import Transaction
from tidemill.ingest.subscription import GroupKey, Subscription, SubscriptionSet
from tidemill.sandbox.script import Sandbox
from tidemill.workflows.handlers.route import EventHandlerRoute
from tidemill.workflows.plans.compiled import CompiledPlans
from tidemill.workflows.plans.snapshot import Snapshot


class HandlerSubscriptions:
    """One subscription per active handler that can run, in the consumer group of its integration."""

    def __init__(self, plans: CompiledPlans, store: DefinitionStore, sandbox: Sandbox) -> None:
        self._plans = plans
        self._store = store
        self._sandbox = sandbox
        self._current = SubscriptionSet(-1, {})

    async def current(self) -> SubscriptionSet:
        """The same set, and in it the same routes, for as long as the definitions stay as they are."""
        revision = await self._plans.refresh()
        if self._current.revision != revision:
            self._current = self._collect(self._plans.snapshot)
        return self._current

    async def verify(self, tx: Transaction, revision: int) -> None:
        await self._store.verify(tx, revision)

    def _collect(self, snapshot: Snapshot) -> SubscriptionSet:
        groups: dict[GroupKey, list[Subscription]] = {}
        for key, subscription in self._subscriptions(snapshot):
            groups.setdefault(key, []).append(subscription)
        at_work = {name for name, info in snapshot.integrations.items() if info.is_enabled}
        return SubscriptionSet(snapshot.revision, groups, snapshot.integration_names - at_work)

    def _subscriptions(self, snapshot: Snapshot) -> Iterator[tuple[GroupKey, Subscription]]:
        for stored in snapshot.handlers.values():
            handler = stored.handler
            info = snapshot.integrations.get(handler.integration)
            if not handler.is_active or info is None or not info.is_enabled or errors(stored.findings):
                continue
            route = EventHandlerRoute(handler, info.sending_protocol, self._sandbox)
            yield GroupKey(info.name, info.group), Subscription(frozenset({handler.topic}), route)
