"""produce: writes a record to a topic of a cluster that is named by its bootstrap servers."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tidemill.core.codec import to_json
from tidemill.expressions.template import Template, compile_template
from tidemill.ingest.publication import Published
from tidemill.workflows.effects import unfit
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Directive, Fail, Publish, Wait
from tidemill.workflows.tasks.kind import Context, Example, TaskKind
from tidemill.workflows.tasks.publish import record_headers

KeyForm = Literal["text", "int32", "int64"]


class ProduceSettings(msgspec.Struct, frozen=True):
    """Templates over the task's rendered input, not over the execution. `cluster` renders to bootstrap servers, or to
    the name of an integration; `target` is (cluster, topic) where both are constant. The record's value is the JSON
    of `value`, a text too. A key that renders to null, or that there is none of, gives a record without key."""

    cluster: Template
    topic: Template
    value: Template
    key: Template | None = None
    headers: Template | None = None
    key_form: KeyForm = "text"
    target: tuple[str, str] | None = None
    is_async_complete: bool = False


class ProduceTask(TaskKind):
    """Output: `topic`, `partition` and `offset` of the record. The integration whose bootstrap servers these are
    publishes it; the engine knows which one that is."""

    name = "produce"
    summary = (
        "Publishes a value as a record, to a cluster by its address; completes when the broker has acknowledged it."
    )
    config = ProduceSettings
    example = Example(
        settings=ProduceSettings(
            compile_template("${to}"),
            compile_template("orders"),
            compile_template("${value}"),
            key=compile_template("${key}"),
            key_form="int32",
        ),
        input={"to": "kafka.example.org:9092", "value": "new", "key": 17},
        directive=Publish("kafka.example.org:9092", "orders", key=b"\x00\x00\x00\x11", value=b'"new"'),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        settings: ProduceSettings = step.settings
        given = task.input
        try:
            cluster = _name(settings.cluster.render(given), "bootstrap servers")
            topic = _name(settings.topic.render(given), "topic")
            headers = record_headers(settings.headers.render(given)) if settings.headers else ()
            key = key_bytes(settings.key.render(given), settings.key_form) if settings.key else None
        except ValueError as error:
            return Fail(str(error), is_terminal=True)
        return Publish(cluster, topic, key, to_json(settings.value.render(given)), headers)

    def acknowledged(self, step: Step, task: Task, published: Published) -> Directive:
        place = {"topic": published.topic, "partition": published.partition, "offset": published.offset}
        return Wait(None, place) if step.settings.is_async_complete else Complete(place)


_WIDTHS = {"int32": 4, "int64": 8}


def key_bytes(key: Any, form: KeyForm) -> bytes | None:
    """As Kafka's serializers write it: whole numbers big endian. Raises `ValueError` for one that does not fit."""
    if key is None:
        return None
    if form == "text":
        return key.encode() if isinstance(key, str) else to_json(key)
    width = _WIDTHS[form]
    try:
        number = int(key) if isinstance(key, str) else key
        if isinstance(number, bool) or not isinstance(number, int):
            raise ValueError
        return number.to_bytes(width, "big", signed=True)
    except (ValueError, OverflowError):
        shown = to_json(key).decode()[:100]
        raise ValueError(f"the key must be a whole number of {width * 8} bits, not {shown}") from None


def _name(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"the record has no {what}")
    if problem := unfit(value):
        raise ValueError(f"the record's {what}: {problem}")
    return value
