"""What endpoints read and chains publish, as ways from topic to topic: for finding data loops (`ingest.loops`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from tidemill.core.findings import Finding
from tidemill.ingest.loops import Flow, find_loops
from tidemill.rules.chains.compiled import Chain, Chains
from tidemill.rules.endpoints.kafka import KafkaEndpoint, KafkaRouter

DOMAIN = "rules"
PATH = "metadata.endpoints"


def chain_owner(id_: str) -> str:
    return f"rule chain {id_}"


def flows_of(chains: Chains) -> Iterator[Flow]:
    for chain in chains.by_id.values():
        for endpoint in chain.endpoints.kafka:
            for router in endpoint.routers:
                yield from _flows(chain.id, endpoint, router, chains)


def with_loops(shown: Sequence[Chain], chains: Chains, others: Sequence[Flow]) -> Sequence[Chain]:
    """With the loops that each of them is part of among its findings."""
    loops = find_loops([*flows_of(chains), *others])
    found = []
    for chain in shown:
        own: list[Finding] = [loop.finding(PATH) for loop in loops if chain_owner(chain.id) in loop.owners]
        found.append(msgspec.structs.replace(chain, findings=[*chain.findings, *own]) if own else chain)
    return found


def _flows(id_: str, endpoint: KafkaEndpoint, router: KafkaRouter, chains: Chains) -> Iterator[Flow]:
    target = router.router.destination.fixed
    if target is None or target.component is not None:
        return
    named = chains.setup.ports.clusters.named
    cluster = named(endpoint.cluster)
    reader = f"endpoint {router.router.name.removeprefix('endpoint:')}"
    for way in _ways(target.chain, chains.by_id):
        owners = frozenset(map(chain_owner, [id_, *way]))
        parts = (reader, *map(chain_owner, way))
        for server, topic in chains.by_id[way[-1]].built.publishes:
            for source in sorted(router.topics | router.patterns):
                yield Flow((cluster, source), parts, owners, (named(server), topic))


def _ways(id_: str, chains: Mapping[str, Chain]) -> Sequence[tuple[str, ...]]:
    """The chain, and for each that it runs, and those that these run, the shortest way there."""
    ways: list[tuple[str, ...]] = []
    pending: list[tuple[str, ...]] = [(id_,)]
    seen: set[str] = set()
    for way in pending:  # grows while it is walked: breadth first
        if way[-1] in chains and way[-1] not in seen:
            seen.add(way[-1])
            ways.append(way)
            pending += [(*way, call.chain) for call in chains[way[-1]].built.calls]
    return ways
