"""What the pumps are to read for the Kafka endpoints of rule chains (`ingest.subscription.Subscriptions`)."""

from __future__ import annotations

from collections.abc import Sequence

from tidemill.core.definitions import DefinitionStore
from tidemill.core.ids import derived_id
from tidemill.core.transaction import Transaction
from tidemill.graph.executor import Executor
from tidemill.graph.message import Message
from tidemill.ingest.record import Record
from tidemill.ingest.subscription import GroupKey, Subscription, SubscriptionSet
from tidemill.rules.chains.compiled import Chains
from tidemill.rules.endpoints.kafka import KafkaRouter
from tidemill.rules.endpoints.route import EndpointRoute
from tidemill.rules.endpoints.schedule import ScheduleRouter

BY_TIME = GroupKey(":time", "schedules")
"""Under which the places of schedules are kept. No integration has such a name."""


class EndpointSubscriptions:
    """One subscription per router of an endpoint. Whether its chain can run is asked for each batch, so that records
    wait for nobody and none is lost."""

    def __init__(self, chains: Chains, store: DefinitionStore, executor: Executor) -> None:
        self._chains = chains
        self._store = store
        self._executor = executor
        self._current = SubscriptionSet(-1, {})
        self.schedules: Sequence[ScheduleRouter] = ()
        """Beside `by_time` of what `current` gave last: at which moments."""

    async def current(self) -> SubscriptionSet:
        revision = await self._chains.refresh()
        if self._current.revision != revision:
            self._current = self._collect(revision)
        return self._current

    async def verify(self, tx: Transaction, revision: int) -> None:
        await self._store.verify(tx, revision)

    def _collect(self, revision: int) -> SubscriptionSet:
        groups: dict[GroupKey, list[Subscription]] = {}
        held: set[str] = set()
        at_work = [chain for chain in self._chains.by_id.values() if not chain.built.draft.is_disabled]
        self.schedules = [router for chain in at_work for router in chain.endpoints.schedules]
        for chain in at_work:
            for endpoint in chain.endpoints.kafka:
                cluster = self._chains.setup.ports.clusters.cluster(endpoint.cluster)
                if cluster is None:
                    continue
                if not cluster.is_enabled:
                    held.add(cluster.name)
                    continue
                for router in endpoint.routers:
                    group = GroupKey(cluster.name, router.group)
                    groups.setdefault(group, []).append(self._subscription(router, group))
        return SubscriptionSet(revision, groups, frozenset(held), [self._by_time(router) for router in self.schedules])

    def _subscription(self, router: KafkaRouter, group: GroupKey) -> Subscription:
        route = EndpointRoute(router.router, router.source, group, self._executor, router.policy)
        return Subscription(router.topics, route, router.start, patterns=router.patterns)

    def _by_time(self, router: ScheduleRouter) -> Subscription:
        def message(record: Record) -> Message:
            id_ = derived_id(record.offset, router.router.name, router.text, record.offset)
            metadata = {**router.metadata, "timestamp": str(record.timestamp_ms), "_triggerSource": "endpoint"}
            return Message(id_, record.timestamp_ms, router.text, record.value or b"", metadata, router.data_type)

        def messages(records: Sequence[Record]) -> list[Message]:
            return [message(record) for record in records]

        route = EndpointRoute(router.router, router.text, GroupKey("", ""), self._executor, router.policy, messages)
        return Subscription(frozenset({router.router.name}), route)
