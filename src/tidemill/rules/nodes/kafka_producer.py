"""x/kafkaProducer: the message becomes a record on a topic, through the outbox: it appears once, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from tidemill.core.findings import Finding, near
from tidemill.expressions.exprlang import BadExpression, EvaluationError
from tidemill.expressions.exprlang.template import Template, compile_template
from tidemill.graph.component import Component, Config
from tidemill.graph.message import Message
from tidemill.graph.node import SUCCESS, Batch, Wake
from tidemill.ingest.publication import Publication
from tidemill.ingest.record import HOPS_HEADER, ID_HEADER, TRACEPARENT_HEADER, Headers
from tidemill.rules.effects import Publish
from tidemill.rules.endpoints.config import SERVER, SaslConfig, TlsConfig, credentials
from tidemill.rules.fields.fields import Sight, field_findings, nodes_asked
from tidemill.rules.ports import Stranger
from tidemill.rules.site import Site
from tidemill.rules.waiting.acknowledged import acknowledged, until_acknowledged

PARTITION_MAX = 2**31 - 1
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_RESERVED = (HOPS_HEADER, ID_HEADER, TRACEPARENT_HEADER)


class KafkaProducerConfig(Config):
    server: str = Field(SERVER, description="The cluster: an integration's name, or bootstrap servers with commas.")
    topic: str = Field(min_length=1, description="The topic; a template.")
    key: str = Field("", description="The record's key; a template. One that is empty is no key.")
    partition: int | str | None = Field(None, description="The partition; a template. Else the key decides.")
    headers: Mapping[str, str] = Field({}, description="Headers of the record; their values are templates.")
    sasl: SaslConfig = Field(SaslConfig(), description="Credentials of `server`, where no integration has it yet.")
    tls: TlsConfig = Field(TlsConfig(), description="Encryption of `server`, where no integration has it yet.")
    await_ack: bool = Field(
        False, alias="awaitAck", description="Go on when the broker has acknowledged, with its partition and offset."
    )


class KafkaProducer:
    def __init__(self, config: KafkaProducerConfig, site: Site) -> None:
        self._site = site
        self._server = config.server
        self._is_awaited = config.await_ack
        self._topic = compile_template(config.topic)
        self._known_topic: str | None = None
        """The last one that was found to be a name of a topic."""
        self._key = compile_template(config.key)
        self._partition = None if config.partition in (None, "") else compile_template(str(config.partition))
        self._headers = [(name, compile_template(text)) for name, text in config.headers.items()]
        templates = [self._topic, self._key, *(each for _, each in self._headers)]
        self._sight = Sight(site, [*templates, self._partition] if self._partition is not None else templates)

    async def process(self, batch: Batch) -> None:
        cluster = self._site.ports.clusters.cluster(self._server)
        if cluster is None:
            for index in range(len(batch.items)):
                batch.fail(index, f"there is no integration {self._server!r}")
            return
        now_ms = self._site.ports.clock.now_ms()
        seen = self._sight.of_all(batch)
        rendered = zip(seen, self._topic.render_all(seen), self._key.render_all(seen), strict=True)
        for index, (each, topic, key) in enumerate(rendered):
            try:
                publication = Publication(
                    batch.unique(index),
                    cluster.name,
                    self._checked(topic),
                    None if self._partition is None else _partition(self._partition, each),
                    _key(key),
                    batch.items[index].message.data,
                    self._rendered_headers(each) if self._headers else (),
                    now_ms,
                )
            except (EvaluationError, ValueError) as error:
                batch.fail(index, str(error))
                continue
            batch.effect(index, Publish(publication))
            if self._is_awaited:
                batch.hold(index, until_acknowledged(publication.id, now_ms))
            else:
                batch.tell(index, SUCCESS)

    def wake(self, message: Message, wake: Wake) -> tuple[str, Message]:
        return acknowledged(message, wake)

    def _checked(self, topic: str | EvaluationError) -> str:
        """Raises `EvaluationError`, and `ValueError` for what Kafka would never take."""
        if isinstance(topic, EvaluationError):
            raise topic
        if topic != self._known_topic:
            if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
                raise ValueError(f"{topic!r} is no name of a topic")
            self._known_topic = topic
        return topic

    def _rendered_headers(self, seen: Mapping[str, Any]) -> Headers:
        return tuple((name, each.render(seen).encode()) for name, each in self._headers)


def _key(key: str | EvaluationError) -> bytes | None:
    if isinstance(key, EvaluationError):
        raise key
    return key.encode() if key else None


def _partition(template: Template, seen: Mapping[str, Any]) -> int | None:
    text = template.render(seen).strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= PARTITION_MAX):
        raise ValueError(f"the partition must be a whole number, not {text!r}")
    return int(text)


def _clusters(config: KafkaProducerConfig, site: Site) -> Sequence[Stranger]:
    is_known = site.ports.clusters.cluster(config.server) is not None
    if is_known or ":" not in config.server:
        return ()
    return [Stranger(site.path, config.server, credentials(config.sasl, config.tls))]


def _publishes(config: KafkaProducerConfig) -> Sequence[tuple[str, str]]:
    return () if "${" in config.topic else [(config.server, config.topic)]


def _check(config: KafkaProducerConfig, site: Site) -> Iterator[Finding]:
    clusters = site.ports.clusters
    if clusters.cluster(config.server) is None:
        hint = near(config.server, clusters.integrations)
        yield site.finding(
            "server", f"there is no integration {config.server!r}{hint}", "unknown_integration", "warning"
        )
    yield from field_findings(site, _templates(config))
    for name in config.headers:
        if name in _RESERVED:
            yield site.finding(f"headers.{name}", "is a header that Tidemill sets itself")
    if isinstance(config.partition, int) and not 0 <= config.partition <= PARTITION_MAX:
        yield site.finding("partition", f"must be from 0 to {PARTITION_MAX}, not {config.partition}")


def _templates(config: KafkaProducerConfig) -> Mapping[str, str]:
    headers = {f"headers.{name}": text for name, text in config.headers.items()}
    return {"topic": config.topic, "key": config.key, "partition": str(config.partition or ""), **headers}


def _nodes(config: KafkaProducerConfig) -> Sequence[str]:
    try:
        return nodes_asked(_templates(config).values())
    except BadExpression:
        return ()


COMPONENT = Component(
    "x/kafkaProducer",
    "external",
    "Publishes the message to a Kafka topic, once.",
    KafkaProducerConfig,
    KafkaProducer,
    check=_check,
    clusters=_clusters,
    servers=lambda config: [config.server],
    publishes=_publishes,
    asks_for=_nodes,
    holds=lambda config: config.await_ack,
    is_pure=True,
    examples=({"server": "embedded", "topic": "readings", "key": "${metadata.deviceId}"},),
    notes=(
        "The record's value is the message's data. It goes out with the commit of the record that the message came"
        " from, and only once: whoever reads `read_committed` sees it once. Success means that it is stored to go"
        " out; with `awaitAck` that the broker has it, and a refusal is a Failure with the broker's reason."
    ),
)
