"""x/kafkaProducer: the message becomes a record on a topic, through the outbox: it appears once, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.expressions.exprlang.template import compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.node import SUCCESS, Batch
from tidemill.ingest.publication import Publication
from tidemill.rules.effects import Publish
from tidemill.rules.ports import Stranger
from tidemill.rules.seen import environment
from tidemill.rules.site import Site


class KafkaProducerConfig(Config):
    server: str = Field("127.0.0.1:9092", description="An integration's name, or its bootstrap servers.")
    topic: str = Field(min_length=1, description="The topic; a template.")
    key: str = Field("", description="The record's key; a template. Without it the record has none.")


class KafkaProducer:
    def __init__(self, config: KafkaProducerConfig, site: Site) -> None:
        self._site = site
        self._server = config.server
        self._topic = compile_template(config.topic)
        self._key = compile_template(config.key) if config.key else None

    async def process(self, batch: Batch) -> None:
        cluster = self._site.ports.clusters.cluster(self._server)
        now_ms = self._site.ports.clock.now_ms()
        for index, item in enumerate(batch.items):
            if cluster is None:
                batch.fail(index, f"there is no integration for {self._server!r}")
                continue
            message = item.message
            seen = environment(batch, index, self._site)
            key = self._key.render(seen).encode() if self._key is not None else None
            id_ = batch.unique(index)
            topic = self._topic.render(seen)
            publication = Publication(id_, cluster.name, topic, None, key, message.data, (), now_ms)
            batch.effect(index, Publish(publication))
            batch.tell(index, SUCCESS)


def _clusters(config: KafkaProducerConfig, site: Site) -> Sequence[Stranger]:
    is_known = site.ports.clusters.cluster(config.server) is not None
    return () if is_known or ":" not in config.server else [Stranger(site.path, config.server)]


def _check(config: KafkaProducerConfig, site: Site) -> Iterator[Finding]:
    if site.ports.clusters.cluster(config.server) is None:
        yield site.finding("server", f"there is no integration for {config.server!r}", "unknown_integration", "warning")


def _build(config: Any, site: Site) -> KafkaProducer:
    return KafkaProducer(config, site)


COMPONENT = Component(
    "x/kafkaProducer",
    "external",
    "Publishes the message to a Kafka topic, once.",
    KafkaProducerConfig,
    _build,
    check=_check,
    clusters=_clusters,
    examples=({"server": "embedded", "topic": "readings"},),
)
