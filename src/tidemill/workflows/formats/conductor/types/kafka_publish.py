"""KAFKA_PUBLISH: a record on a topic of a cluster that is named by its bootstrap servers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.core.findings import near
from tidemill.expressions.document import Fields
from tidemill.expressions.template import Template, compile_template
from tidemill.workflows.formats.conductor.source import Draft, Source, TaskType
from tidemill.workflows.tasks.produce import KeyForm, ProduceSettings

_REQUEST = "kafka_request"
_FORMS: Mapping[str, KeyForm] = {"StringSerializer": "text", "IntegerSerializer": "int32", "LongSerializer": "int64"}


def _read(source: Source) -> Draft:
    """`kafka_request` may be one expression; what it must have is then known only when it runs."""
    request = source.raw(_REQUEST)
    is_open = isinstance(request, str) and "${" in request
    fields = Fields({} if is_open else request, source.fields.at(f"inputParameters.{_REQUEST}"), source.fields.findings)
    if not is_open and isinstance(request, dict):
        fields.name("bootStrapServers")
        fields.name("topic")
        if fields.raw("value") is None:
            fields.add("value", "is missing", "missing")
    target = _target(fields.value)
    settings = ProduceSettings(
        cluster=_at("bootStrapServers"),
        topic=_at("topic"),
        value=_at("value"),
        key=_at("key"),
        headers=_at("headers") if is_open or fields.raw("headers") is not None else None,
        key_form=_key_form(fields),
        target=target,
        is_async_complete=source.fields.flag("asyncComplete"),
    )
    clusters = [(f"inputParameters.{_REQUEST}.bootStrapServers", target)] if target else []
    return Draft("produce", source.without(), settings, clusters=clusters)


def _target(request: Mapping[str, Any]) -> tuple[str, str] | None:
    cluster, topic = request.get("bootStrapServers"), request.get("topic")
    if isinstance(cluster, str) and isinstance(topic, str) and cluster and topic and "${" not in cluster + topic:
        return cluster, topic
    return None


def _key_form(fields: Fields) -> KeyForm:
    """By the class's own name, whatever package it is in."""
    name = fields.text("keySerializer").rpartition(".")[2] or "StringSerializer"
    if name not in _FORMS:
        fields.add("keySerializer", f"must be one of {', '.join(_FORMS)}, not {name!r}{near(name, _FORMS)}")
    return _FORMS.get(name, "text")


def _at(key: str) -> Template:
    return compile_template(f"${{{_REQUEST}.{key}}}")


KAFKA_PUBLISH = TaskType(
    "KAFKA_PUBLISH",
    "Publishes a record to a cluster that is named by its bootstrap servers; completes when the broker has it.",
    _read,
    keys={"asyncComplete": "true: the acknowledgement leaves the task in progress, until somebody reports on it"},
    inputs={
        "kafka_request.bootStrapServers": "those of an integration, or an integration's name; required",
        "kafka_request.topic": "required",
        "kafka_request.value": "the record's value: its JSON; required",
        "kafka_request.key": "the record's key; without it the record has none",
        "kafka_request.keySerializer": "`StringSerializer` (default), `IntegerSerializer` or `LongSerializer`",
        "kafka_request.headers": "an object: the record's headers",
        "kafka_request.requestTimeoutMs": "read and without effect, as maxBlockMs: the outbox waits for the broker",
    },
    output={"topic": "where the record is", "partition": "", "offset": ""},
    notes="The record goes out once, through the integration that has these bootstrap servers, with its security. "
    "[EVENT](event.md) names the integration itself.",
)
