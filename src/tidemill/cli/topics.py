"""`tidemill topics`: list, create, describe and delete topics, as any admin client would."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ConfigSource, NewTopic, ResourceType

from tidemill.cli.client import DEFAULT_URL, Token, Url
from tidemill.cli.cluster import ASK_TIMEOUT_S, Cluster, plainly, settings_of
from tidemill.cli.failure import fail

topics = typer.Typer(help="The topics of a Kafka cluster.", no_args_is_help=True)
Topic = Annotated[str, typer.Argument(help="Name of the topic")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line")]


@topics.command("list")
def list_topics(cluster: Cluster, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False) -> None:
    """Print the topics with their number of partitions."""
    with plainly():
        found = AdminClient(settings_of(cluster, url, token)).list_topics(timeout=ASK_TIMEOUT_S).topics
    for name in sorted(found):
        count = len(found[name].partitions)
        typer.echo(json.dumps({"topic": name, "partitions": count}) if as_json else f"{name} {count}")


@topics.command("create")
def create(
    cluster: Cluster,
    topic: Topic,
    partitions: Annotated[int, typer.Option(help="The cluster's default if not given")] = -1,
    config: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, for example retention.ms=3600000")] = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Create a topic."""
    pairs = [entry.partition("=") for entry in config or ()]
    if not all(equals and name for name, equals, _ in pairs):
        fail(f"--config is NAME=VALUE, not {(config or [''])[0]!r}")
    wanted = NewTopic(topic, partitions, config={name: value for name, _, value in pairs})
    with plainly():
        admin = AdminClient(settings_of(cluster, url, token))
        admin.create_topics([wanted], request_timeout=ASK_TIMEOUT_S)[topic].result()


@topics.command("delete")
def delete(cluster: Cluster, topic: Topic, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Delete a topic with all its records."""
    with plainly():
        admin = AdminClient(settings_of(cluster, url, token))
        admin.delete_topics([topic], request_timeout=ASK_TIMEOUT_S)[topic].result()


@topics.command("describe")
def describe(
    cluster: Cluster, topic: Topic, url: Url = DEFAULT_URL, token: Token = "", as_json: AsJson = False
) -> None:
    """Print a topic's partitions with their offsets, and the settings that are its own."""
    with plainly():
        found = _described(settings_of(cluster, url, token), topic)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for part in found["partitions"]:
        typer.echo(f"{topic} {part['partition']}: offsets {part['start']} to {part['end']}")
    for name, value in found["config"].items():
        typer.echo(f"{name}={value}")


def _described(settings: dict[str, Any], topic: str) -> dict[str, Any]:
    """Raises `KafkaException`, and asks for no topic by its name: some brokers would make it."""
    admin = AdminClient(settings)
    found = admin.list_topics(timeout=ASK_TIMEOUT_S).topics.get(topic)
    if found is None:
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"there is no topic {topic!r}"))
    resource = ConfigResource(ResourceType.TOPIC, topic)
    configs = admin.describe_configs([resource], request_timeout=ASK_TIMEOUT_S)[resource].result()
    own = {
        name: entry.value
        for name, entry in sorted(configs.items())
        if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    }
    consumer = Consumer({**settings, "group.id": "tidemill-cli", "enable.auto.commit": False})
    try:
        ends = {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=ASK_TIMEOUT_S)
            for number in sorted(found.partitions)
        }
    finally:
        consumer.close()
    partitions = [{"partition": number, "start": start, "end": end} for number, (start, end) in ends.items()]
    return {"topic": topic, "partitions": partitions, "config": own}
