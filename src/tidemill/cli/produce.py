"""`tidemill produce`: send records of one's own to an integration's topic, as any Kafka client would."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tidemill.cli.client import DEFAULT_URL, ApiClient, Token, Url, fail

_PATIENCE = {"message.timeout.ms": 20_000, "topic.metadata.propagation.max.ms": 3_000}


def produce(
    integration: Annotated[str, typer.Argument(help="Name of the integration")],
    topic: Annotated[str, typer.Argument(help="Name of the topic")],
    value: Annotated[
        list[str] | None, typer.Argument(help="Values, a record each; lines of stdin if not given")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Key of the records")] = None,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Send records and print where each one went."""
    reached = ApiClient(url, token).post(f"/api/tidemill/integrations/{integration}/test")
    address = reached.get("address")
    if not address:
        fail(f"The integration {integration} has no address to send to: {reached.get('message', reached)}")
    values: Any = value or (line.rstrip("\n") for line in sys.stdin)
    failures = _send(address, topic, key, values)
    if failures:
        fail(f"{len(failures)} not delivered to {topic}: {failures[0]}")


def _send(address: str, topic: str, key: str | None, values: Iterable[str]) -> list[str]:
    """Why some did not arrive."""
    producer = Producer({"bootstrap.servers": address, "log_level": 0, **_PATIENCE})
    failures: list[str] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failures.append(error.str())
        else:
            typer.echo(f"{message.topic()} {message.partition()} {message.offset()}")

    for text in values:
        try:
            _send_one(producer, topic, text.encode(), key, delivered)
        except KafkaException as error:
            failures.append(error.args[0].str())
    producer.flush()  # ends: each is delivered or given up after a while
    return failures


def _send_one(producer: Producer, topic: str, value: bytes, key: str | None, delivered: Any) -> None:
    while True:
        try:
            producer.produce(topic, value, key=key, on_delivery=delivered)
        except BufferError:
            producer.poll(0.1)
            continue
        producer.poll(0)
        return
