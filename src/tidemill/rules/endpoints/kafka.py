"""Kafka endpoints of chains, read and checked: which topics of which cluster go where, and how."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidemill.core.findings import errors, near
from tidemill.ingest.patterns import pattern_error
from tidemill.ingest.subscription import StartAt
from tidemill.rules.chains.draft import EndpointDraft, RouterDraft
from tidemill.rules.endpoints.building import Workshop
from tidemill.rules.endpoints.config import GROUP, FailurePolicy, KafkaConfig, RouterConfig, credentials, start_at
from tidemill.rules.endpoints.response import TOPIC
from tidemill.rules.endpoints.router import Router
from tidemill.rules.ports import DERIVED, Stranger

TYPES = frozenset({"endpoint/kafka", "kafka"})
_KEYS = frozenset(field.alias or name for name, field in KafkaConfig.model_fields.items())


class KafkaRouter(msgspec.Struct, frozen=True):
    """`patterns` are those of `^...`."""

    router: Router
    topics: frozenset[str]
    patterns: frozenset[str]
    group: str
    start: StartAt
    policy: FailurePolicy

    @property
    def source(self) -> str:
        """As processors see it."""
        return ",".join([*sorted(self.topics), *sorted(self.patterns)])


class KafkaEndpoint(msgspec.Struct, frozen=True):
    """`cluster` is an integration's name, or bootstrap servers."""

    cluster: str
    routers: Sequence[KafkaRouter]


def kafka_endpoint(shop: Workshop, endpoint: EndpointDraft) -> KafkaEndpoint | None:
    """None where an error in its own configuration was found. A router with an error is left out."""
    path = f"{endpoint.path}.configuration"
    known = len(shop.findings)
    config = shop.config(KafkaConfig, shop.connected(endpoint.config, _KEYS, path), path)
    if config is not None:
        _check_cluster(shop, config, path)
    routers = [found for router in endpoint.routers if (found := _router(shop, endpoint, router, config)) is not None]
    if config is None or any(each.path.startswith(path) for each in errors(shop.findings[known:])):
        return None
    return KafkaEndpoint(config.cluster, routers)


def _router(
    shop: Workshop, endpoint: EndpointDraft, draft: RouterDraft, config: KafkaConfig | None
) -> KafkaRouter | None:
    known = len(shop.findings)
    own = shop.config(RouterConfig, draft.source_config, f"{draft.path}.from.configuration")
    topics, patterns = _topics(shop, draft)
    router = shop.router(endpoint, draft)
    if router is None or own is None or config is None or errors(shop.findings[known:]):
        return None
    return KafkaRouter(
        router,
        topics,
        patterns,
        (own.group or config.group or "").strip() or GROUP,
        start_at(own.start or config.start or config.offset_reset or "earliest"),
        own.on_failure or config.on_failure or "dead_letter",
    )


def _topics(shop: Workshop, router: RouterDraft) -> tuple[frozenset[str], frozenset[str]]:
    topics: set[str] = set()
    patterns: set[str] = set()
    at = f"{router.path}.from.path"
    for source in router.sources:
        text = shop.text(source).strip()
        # A pattern may have commas of its own.
        for name in [text] if text.startswith("^") else text.split(","):
            name = name.strip()
            if name.startswith("^"):
                error = pattern_error(name)
                if error is not None:
                    shop.add(at, f"{name!r} is no pattern: {error}")
                patterns.add(name)
            elif TOPIC.fullmatch(name) is not None and name not in (".", ".."):
                topics.add(name)
            elif name:
                shop.add(at, f"{name!r} is no name of a topic; a pattern begins with '^'")
    if not topics and not patterns:
        shop.add(at, "names no topic", "missing")
    return frozenset(topics), frozenset(patterns)


def _check_cluster(shop: Workshop, config: KafkaConfig, path: str) -> None:
    clusters = shop.setup.ports.clusters
    shop.servers.append(config.cluster)
    if config.integration and config.server:
        shop.add(f"{path}.server", "is without effect beside `integration`", level="warning")
    key = "integration" if config.integration else "server"
    cluster = clusters.cluster(config.cluster)
    if cluster is None:
        if config.integration or ":" not in config.cluster:
            message = f"there is no integration {config.cluster!r}{near(config.cluster, clusters.integrations)}"
            shop.add(f"{path}.{key}", message, "unknown_integration")
        else:
            message = f"no integration has the servers {config.cluster}; one is made when the chain is saved"
            shop.add(f"{path}.{key}", message, "unknown_integration", "warning")
            shop.strangers.append(Stranger(path, config.cluster, credentials(config.sasl, config.tls)))
        return
    if not cluster.is_enabled:
        message = f"the integration {cluster.name!r} is switched off: nothing is read until it is on"
        shop.add(f"{path}.{key}", message, "integration_off", "warning")
    if cluster.name.startswith(DERIVED):
        message = f"is reached by the integration {cluster.name!r}, which was made for it"
        shop.add(f"{path}.{key}", message, "derived_integration", "warning")
    elif config.sasl.enable or config.tls.enable:
        message = f"is without effect: the integration {cluster.name!r} says how its cluster is reached"
        shop.add(f"{path}.{'sasl' if config.sasl.enable else 'tls'}", message, level="warning")
