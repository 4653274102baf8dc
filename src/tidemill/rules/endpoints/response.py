"""What a processor after the chain answers to a record: a publication on the topic that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tidemill.core.errors import BadInput
from tidemill.ingest.publication import Publication
from tidemill.rules.effects import Publish
from tidemill.rules.endpoints.exchange import Exchange

TOPIC_HEADERS = ("responseTopic", "topic")
"""The first that is there counts: the document of Kafka endpoints has the second, RuleGo's code the first."""
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
PARTITION_MAX = 2**31 - 1


def responses(answers: Sequence[Exchange], integration: str, mark: str, now_ms: int) -> Sequence[Publish]:
    """Of the ends whose processors went through. `mark` makes their ids their own. Raises `BadInput`."""
    found = []
    for index, exchange in enumerate(answers):
        if exchange.failure is None:
            publication = response(exchange, f"{exchange.in_.message.id}:{mark}:{index}", integration, now_ms)
            if publication is not None:
                found.append(Publish(publication))
    return found


def response(exchange: Exchange, id_: str, integration: str, now_ms: int) -> Publication | None:
    """None without a body, or without a topic. Raises `BadInput`.

    The record's key decides on the partition unless `partition` does. With neither it is the first, as documented."""
    out = exchange.out
    topic = next((found for name in TOPIC_HEADERS if (found := out.headers.get(name))), None)
    if out.body is None or topic is None:
        return None
    if not TOPIC.fullmatch(topic) or topic in (".", ".."):
        raise BadInput(f"the response's topic {topic!r} is no name of a topic")
    key = out.headers.get("key")
    partition = _partition(out.headers, has_key=bool(key))
    return Publication(id_, integration, topic, partition, key.encode() if key else None, out.body, (), now_ms)


def _partition(headers: Mapping[str, str], *, has_key: bool) -> int | None:
    text = str(headers.get("partition", "")).strip()
    if not text:
        return None if has_key else 0
    if not (text.isascii() and text.isdigit() and int(text) <= PARTITION_MAX):
        raise BadInput(f"the response's partition must be a whole number, not {text!r}")
    return int(text)
