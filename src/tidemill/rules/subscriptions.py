"""What the pumps are to read for the Kafka endpoints of rule chains (`ingest.subscription.Subscriptions`)."""

from __future__ import annotations

from tidemill.core.definitions import DefinitionStore
from tidemill.core.transaction import Transaction
from tidemill.graph.executor import Executor
from tidemill.ingest.subscription import GroupKey, Subscription, SubscriptionSet
from tidemill.rules.chains import Chains
from tidemill.rules.endpoint import EndpointRoute
from tidemill.rules.endpoints.kafka import KafkaRouter


class EndpointSubscriptions:
    """One subscription per router of an endpoint. Whether its chain can run is asked for each batch, so that records
    wait for nobody and none is lost."""

    def __init__(self, chains: Chains, store: DefinitionStore, executor: Executor) -> None:
        self._chains = chains
        self._store = store
        self._executor = executor
        self._current = SubscriptionSet(-1, {})

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
        for chain in self._chains.by_id.values():
            for endpoint in chain.endpoints.kafka if not chain.built.draft.is_disabled else ():
                cluster = self._chains.setup.ports.clusters.cluster(endpoint.cluster)
                if cluster is None:
                    continue
                if not cluster.is_enabled:
                    held.add(cluster.name)
                    continue
                for router in endpoint.routers:
                    group = GroupKey(cluster.name, router.group)
                    groups.setdefault(group, []).append(self._subscription(router, cluster.name))
        return SubscriptionSet(revision, groups, frozenset(held))

    def _subscription(self, router: KafkaRouter, integration: str) -> Subscription:
        source = ",".join([*sorted(router.topics), *sorted(router.patterns)])
        route = EndpointRoute(router.router, source, integration, self._executor, router.policy)
        return Subscription(router.topics, route, router.start, patterns=router.patterns)
