"""TbKafkaNode: the message becomes a record on a topic, through the outbox: it appears once, or not at all."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from tidemill.core.findings import Finding
from tidemill.expressions.patterns import Pattern
from tidemill.graph.component import Component
from tidemill.graph.message import Message
from tidemill.graph.node import FAILURE, SUCCESS, Batch, Wake
from tidemill.graph.secret import Secret, by_name
from tidemill.ingest.clusters import IntegrationInfo
from tidemill.ingest.publication import Publication
from tidemill.rules.effects import Publish
from tidemill.rules.nodes.tb_config import TbConfig, unknown_keys
from tidemill.rules.ports import Credentials, Stranger
from tidemill.rules.site import Site
from tidemill.rules.waiting.acknowledged import acknowledged, until_acknowledged

HEADER_PREFIX = "tb_msg_md_"

_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_LOGIN = re.compile(r"""\b(username|password)\s*=\s*"((?:[^"\\]|\\.)*)\"""")
_OF_CONNECTION = frozenset({"security.protocol", "sasl.mechanism", "sasl.jaas.config"})


class TbKafkaConfig(TbConfig):
    topic: str = Field("my-topic", alias="topicPattern", min_length=1, description="The topic; a pattern.")
    key: str = Field("", alias="keyPattern", description="The record's key; a pattern. Without it the record has none.")
    server: str = Field(
        "localhost:9092", alias="bootstrapServers", description="An integration's name, or its bootstrap servers."
    )
    retries: int = Field(0, description="Without effect: what is published is tried until it is there.")
    batch_size: int = Field(16_384, alias="batchSize", description="Without effect.")
    linger: int = Field(0, description="Without effect.")
    buffer_memory: int = Field(33_554_432, alias="bufferMemory", description="Without effect.")
    acks: str = Field("-1", description="Without effect: all replicas must have it.", coerce_numbers_to_str=True)
    other_properties: Annotated[dict[str, Any], Secret(by_name, is_needed=False)] = Field(
        default_factory=dict,
        alias="otherProperties",
        description="Of these, protocol, SASL mechanism and JAAS login count, for an integration that is made of them.",
        repr=False,
    )
    has_headers: bool = Field(
        False,
        alias="addMetadataKeyValuesAsKafkaHeaders",
        description=f"The metadata become headers, with {HEADER_PREFIX} before their keys.",
    )
    charset: str = Field("UTF-8", alias="kafkaHeadersCharset", description="How the headers are written.")
    key_serializer: str = Field("", alias="keySerializer", description="Without effect: a key is text.")
    value_serializer: str = Field("", alias="valueSerializer", description="Without effect: the data are sent as is.")


class TbKafka:
    def __init__(self, config: TbKafkaConfig, site: Site) -> None:
        self._site = site
        self._config = config
        self._topic = Pattern(config.topic)
        self._key = Pattern(config.key) if config.key else None

    async def process(self, batch: Batch) -> None:
        """Where nobody hears of it, nobody waits for the broker."""
        is_awaited = batch.leads(SUCCESS) or batch.leads(FAILURE)
        cluster = self._site.ports.clusters.cluster(self._config.server)
        now_ms = self._site.ports.clock.now_ms()
        for index, item in enumerate(batch.items):
            message = item.message
            topic = self._topic.render(message.metadata, message.value)
            refusal = self._refusal(cluster, topic)
            if cluster is None or refusal:
                batch.fail(index, refusal, message.told(metadata={**message.metadata, "error": refusal}))
                continue
            key = self._key.render(message.metadata, message.value).encode() if self._key is not None else None
            record = (cluster.name, topic, None, key, message.data, self._headers(message))
            publication = Publication(batch.unique(index), *record, now_ms)
            batch.effect(index, Publish(publication))
            told = message.told(metadata={**message.metadata, "topic": topic})
            if is_awaited:
                batch.hold(index, until_acknowledged(publication.id, now_ms), told)
            else:
                batch.tell(index, SUCCESS, told)

    def wake(self, message: Message, wake: Wake) -> tuple[str, Message]:
        relation, told = acknowledged(message, wake)
        if relation == FAILURE:
            told = told.told(metadata={**told.metadata, "error": told.metadata["errorMsg"]})
        return relation, told

    def _refusal(self, cluster: IntegrationInfo | None, topic: str) -> str:
        if cluster is None:
            return f"there is no integration for {self._config.server!r}"
        return "" if _is_topic(topic) else f"{topic[:300]!r} is no name of a topic"

    def _headers(self, message: Message) -> tuple[tuple[str, bytes], ...]:
        if not self._config.has_headers:
            return ()
        charset = self._config.charset
        return tuple((HEADER_PREFIX + key, value.encode(charset, "replace")) for key, value in message.metadata.items())


def _is_topic(name: str) -> bool:
    return _TOPIC.fullmatch(name) is not None and name not in (".", "..")


def _publishes(config: TbKafkaConfig) -> Sequence[tuple[str, str]]:
    return [(config.server, config.topic)] if Pattern(config.topic).is_constant else ()


def _clusters(config: TbKafkaConfig, site: Site) -> Sequence[Stranger]:
    is_known = site.ports.clusters.cluster(config.server) is not None
    if is_known or ":" not in config.server:
        return ()
    return [Stranger(site.path, config.server, _credentials(config.other_properties))]


def _credentials(properties: Mapping[str, Any]) -> Credentials | None:
    protocol = str(properties.get("security.protocol", "PLAINTEXT")).upper()
    if protocol == "PLAINTEXT":
        return None
    said = _LOGIN.findall(str(properties.get("sasl.jaas.config", "")))
    login = {key: re.sub(r"\\(.)", r"\1", value) for key, value in said}
    mechanism = str(properties.get("sasl.mechanism", "PLAIN")) if protocol.startswith("SASL") else ""
    user, password = login.get("username", ""), login.get("password", "")
    return Credentials(mechanism, user, password, is_tls=protocol.endswith("SSL"), is_any_certificate_trusted=False)


def _check(config: TbKafkaConfig, site: Site) -> Iterator[Finding]:
    yield from unknown_keys(config, site)
    if site.ports.clusters.cluster(config.server) is None:
        message = f"there is no integration for {config.server!r}"
        yield site.finding("bootstrapServers", message, "unknown_integration", "warning")
    if Pattern(config.topic).is_constant and not _is_topic(config.topic):
        yield site.finding("topicPattern", f"{config.topic!r} is no name of a topic")
    for name in config.other_properties:
        if name not in _OF_CONNECTION:
            message = "has no effect: how Tidemill connects is said in the integration"
            yield site.finding(f"otherProperties.{name}", message, "no_effect", "warning")
    try:
        codecs.lookup(config.charset)
    except (LookupError, ValueError):
        yield site.finding("kafkaHeadersCharset", f"there is no charset {config.charset!r}")


def _build(config: Any, site: Site) -> TbKafka:
    return TbKafka(config, site)


COMPONENT = Component(
    "org.thingsboard.rule.engine.kafka.TbKafkaNode",
    "external",
    "Publishes the message to a Kafka topic, once.",
    TbKafkaConfig,
    _build,
    check=_check,
    clusters=_clusters,
    servers=lambda config: [config.server],
    publishes=_publishes,
    holds=lambda config: True,
    is_pure=True,
    examples=(
        {"topicPattern": "readings-${deviceType}", "keyPattern": "$[serial]", "bootstrapServers": "kafka.example:9092"},
    ),
    notes=(
        "In a pattern, `${key}` is metadata and `$[a.b]` a field of the data; what is not there stays as it is written."
        "\n\nThe record is published with the commit of what caused it. Where an edge leads on, the message waits for"
        " the broker, in the database, and then has `topic`, `partition` and `offset` in its metadata, as texts; with"
        " `Failure`, `metadata.error` has the reason. Where nothing follows, nobody waits, and what the broker refuses"
        " is a dead letter."
    ),
)
