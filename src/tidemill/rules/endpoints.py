"""Endpoints as chains declare them: which topics go to which chain, from where on, and what becomes of failures."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tidemill.ingest.subscription import StartAt
from tidemill.rules.draft import ChainDraft, RouterDraft
from tidemill.rules.endpoint import FailurePolicy

KAFKA = frozenset({"endpoint/kafka", "kafka"})
GROUP = "rulego"


class KafkaRouter(msgspec.Struct, frozen=True):
    """`node` None is the chain's first."""

    name: str
    topics: frozenset[str]
    chain: str
    node: str | None


class KafkaEndpoint(msgspec.Struct, frozen=True):
    server: str
    group: str
    routers: tuple[KafkaRouter, ...]
    start: StartAt = StartAt()
    policy: FailurePolicy = "dead_letter"


def kafka_endpoints(draft: ChainDraft) -> Iterator[KafkaEndpoint]:
    for endpoint in draft.endpoints:
        if endpoint.type in KAFKA:
            config = endpoint.config
            routers = tuple(_router(draft, endpoint.id, router) for router in endpoint.routers)
            server = config.get("server") or config.get("brokers") or "127.0.0.1:9092"
            server = ",".join(server) if isinstance(server, list) else str(server)
            yield KafkaEndpoint(server, str(config.get("groupId") or GROUP), routers)


def _router(draft: ChainDraft, endpoint: str, router: RouterDraft) -> KafkaRouter:
    topics = frozenset(topic.strip() for topic in router.source.split(",") if topic.strip())
    chain, _, node = router.to.removeprefix("chain:").partition(":")
    return KafkaRouter(f"endpoint:{draft.id}:{endpoint}:{router.id}", topics, chain or draft.id, node or None)
