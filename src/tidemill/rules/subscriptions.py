"""What the pumps are to read for the Kafka endpoints of rule chains (`ingest.subscription.Subscriptions`)."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.core.definitions import DefinitionStore
from tidemill.core.transaction import Transaction
from tidemill.graph.executor import Executor
from tidemill.ingest.subscription import GroupKey, Subscription, SubscriptionSet
from tidemill.rules.chains import Chain, Chains
from tidemill.rules.endpoint import EndpointRoute
from tidemill.rules.endpoints import KafkaEndpoint, kafka_endpoints


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
            for endpoint in _at_work(chain):
                cluster = self._chains.setup.ports.clusters.cluster(endpoint.server)
                if cluster is None:
                    continue
                if not cluster.is_enabled:
                    held.add(cluster.name)
                    continue
                group = GroupKey(cluster.name, endpoint.group)
                for subscription in self._subscriptions(endpoint):
                    groups.setdefault(group, []).append(subscription)
        return SubscriptionSet(revision, groups, frozenset(held))

    def _subscriptions(self, endpoint: KafkaEndpoint) -> Iterator[Subscription]:
        for router in endpoint.routers:
            route = EndpointRoute(router.name, router.chain, router.node, self._executor, endpoint.policy)
            yield Subscription(router.topics, route, endpoint.start)


def _at_work(chain: Chain) -> Iterator[KafkaEndpoint]:
    if not chain.built.draft.is_disabled:
        yield from kafka_endpoints(chain.built.draft)
