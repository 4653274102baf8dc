"""Addresses of topics in definitions: `kafka:<integration>:<topic>`, as Orkes writes events and sinks."""

from __future__ import annotations

import re

from tidemill.core.findings import near
from tidemill.expressions.document import Fields
from tidemill.workflows.tasks.publish import parse_sink

_OTHER_BROKERS = ("amqp", "sqs", "azure", "nats", "gcp_pubsub", "ibm_mq", "kafka_confluent", "kafka_msk", "conductor")
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
"""What Kafka takes as the name of a topic."""


def read_address(fields: Fields, key: str, text: str) -> tuple[str, str]:
    """(integration, topic); two empty texts where there is a finding."""
    try:
        integration, topic = parse_sink(text)
    except ValueError:
        _explain(fields, key, text)
        return "", ""
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        fields.add(key, f"{topic!r} cannot be a topic: 1 to 249 letters, digits, '.', '_' and '-'")
        return "", ""
    return integration, topic


def _explain(fields: Fields, key: str, text: str) -> None:
    kind, *rest = text.split(":")
    if kind in _OTHER_BROKERS:
        fields.add(key, f"not yet supported: type {kind}", "not_supported")
    elif kind != "kafka" and len(rest) == 2:
        fields.add(key, f"unknown type {kind!r}{near(kind, ('kafka', *_OTHER_BROKERS))}")
    elif kind == "kafka" and len(rest) == 1:
        fields.add(key, f"names no integration: write kafka:<integration>:<topic>, not {text!r}")
    else:
        fields.add(key, f"must be kafka:<integration>:<topic>, not {text!r}")
