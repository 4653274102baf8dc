"""`tidemill consume`: print the records of a topic, as any Kafka client would read them. Joins no group."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from tidemill.cli.client import DEFAULT_URL, Token, Url
from tidemill.cli.cluster import ASK_TIMEOUT_S, Cluster, plainly, settings_of
from tidemill.cli.failure import fail
from tidemill.core.clock import SystemClock

POLL_S = 0.5
PLACES = {"beginning": OFFSET_BEGINNING, "end": OFFSET_END}


def consume(
    cluster: Cluster,
    topic: Annotated[str, typer.Argument(help="Name of the topic")],
    start: Annotated[str, typer.Option("--from", help="beginning, end, or an offset (with --partition)")] = "beginning",
    partition: Annotated[int | None, typer.Option(help="This one only; all if not given")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many records")] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", "-f", help="Wait for more at the end, and for a topic that is not there yet, until Ctrl-C"
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line")] = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Print a topic's records: partition, offset, key, headers and value. Only what is committed."""
    if start not in PLACES and not start.isdecimal():
        fail(f"--from is beginning, end or an offset, not {start!r}")
    if start not in PLACES and partition is None:
        fail("an offset is one partition's: say which with --partition")
    settings = settings_of(cluster, url, token)
    consumer = Consumer(
        {
            **settings,
            "group.id": "tidemill-cli",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
        }
    )
    try:
        with plainly():
            place = PLACES[start] if start in PLACES else int(start)
            if not _assign(consumer, topic, partition, place):
                if not follow:
                    fail(f"There is no topic {topic!r}. --follow waits for it.")
                typer.echo(f"There is no topic {topic!r} yet.", err=True)
                while not _assign(consumer, topic, partition, place):
                    asyncio.run(SystemClock().sleep(POLL_S))
            for shown, message in enumerate(_records(consumer, is_endless=follow), 1):
                typer.echo(_line(message, as_json))
                if shown == count:
                    break
    except KeyboardInterrupt:
        return
    finally:
        consumer.close()


def _assign(consumer: Consumer, topic: str, partition: int | None, offset: int) -> bool:
    """Whether there is such a topic. Asks for none by its name: some brokers would make it."""
    found = consumer.list_topics(timeout=ASK_TIMEOUT_S).topics.get(topic)
    if found is None:
        return False
    if partition is not None and partition not in found.partitions:
        fail(f"The topic {topic!r} has no partition {partition}: it has {len(found.partitions)}, from 0 on.")
    wanted = sorted(found.partitions) if partition is None else [partition]
    consumer.assign([TopicPartition(topic, number, offset) for number in wanted])
    return True


def _records(consumer: Consumer, *, is_endless: bool) -> Iterator[Message]:
    """Until the end of each partition, unless it is endless. Raises `KafkaException`."""
    unread = {part.partition for part in consumer.assignment()}
    while unread or is_endless:
        message = consumer.poll(POLL_S)
        if message is None:
            continue
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            unread.discard(message.partition())
        elif not error.retriable() and error.code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
            raise KafkaException(error)


def _line(message: Message, as_json: bool) -> str:
    if as_json:
        return json.dumps(_as_json(message), ensure_ascii=False)
    parts = [f"{message.topic()} {message.partition()} {message.offset()}"]
    if message.key() is not None:
        parts.append(f"key={_shown(message.key())}")
    parts += [f"{name}={_shown(value)}" for name, value in _headers(message)]
    return f"{' '.join(parts)}: {_shown(message.value())}"


def _as_json(message: Message) -> dict[str, Any]:
    """Text as text; what is none as `{"base64": ...}`."""
    kind, timestamp_ms = message.timestamp()
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        "key": _json_text(message.key()),
        "headers": [[name, _json_text(value)] for name, value in _headers(message)],
        "value": _json_text(message.value()),
    }


def _headers(message: Message) -> list[tuple[str, Any]]:
    found: Any = message.headers()
    return list(found or ())


def _json_text(value: bytes | str | None) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def _shown(value: bytes | str | None) -> str:
    if value is None:
        return "null"
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
