"""`tidemill produce`: send records of one's own to a topic, as any Kafka client would."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tidemill.cli.client import DEFAULT_URL, Token, Url
from tidemill.cli.cluster import Cluster, settings_of
from tidemill.cli.failure import fail

_PATIENCE = {"message.timeout.ms": 20_000, "topic.metadata.propagation.max.ms": 3_000}


def produce(
    cluster: Cluster,
    topic: Annotated[str, typer.Argument(help="Name of the topic")],
    value: Annotated[
        list[str] | None, typer.Argument(help="Values, a record each; lines of stdin if not given")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Key of the records")] = None,
    header: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, as often as wanted")] = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Send records and print where each one went."""
    pairs = [entry.partition("=") for entry in header or ()]
    if not all(name and equals for name, equals, _ in pairs):
        fail(f"--header is NAME=VALUE, not {(header or [''])[0]!r}")
    values: Any = value or (line.rstrip("\n") for line in sys.stdin)
    rest = {"key": key, "headers": [(name, text.encode()) for name, _, text in pairs]}
    failures = _send(settings_of(cluster, url, token), topic, values, rest)
    if failures:
        fail(f"{len(failures)} not delivered to {topic}: {failures[0]}")


def _send(settings: Mapping[str, Any], topic: str, values: Iterable[str], rest: Mapping[str, Any]) -> list[str]:
    """Why some did not arrive. `rest` is what all of them have: key and headers."""
    producer = Producer({**settings, **_PATIENCE})
    failures: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(error.str())
        else:
            typer.echo(f"{message.topic()} {message.partition()} {message.offset()}")

    for text in values:
        try:
            _send_one(producer, topic, text.encode(), rest, delivered)
        except KafkaException as error:
            failures.append(error.args[0].str())
    producer.flush()  # ends: each is delivered or given up after a while
    return failures


def _send_one(producer: Producer, topic: str, value: bytes, rest: Mapping[str, Any], delivered: Any) -> None:
    while True:
        try:
            producer.produce(topic, value, **rest, on_delivery=delivered)
        except BufferError:
            producer.poll(0.1)
            continue
        producer.poll(0)
        return
