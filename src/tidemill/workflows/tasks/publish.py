"""publish: writes a record to a topic, and completes when the broker has it."""

from __future__ import annotations

from typing import Any

import msgspec

from tidemill.core.codec import to_json
from tidemill.expressions.template import Template, compile_template
from tidemill.ingest.publication import Published
from tidemill.ingest.record import Headers
from tidemill.workflows.effects import unfit
from tidemill.workflows.plans.plan import Step
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Directive, Fail, Publish, Wait
from tidemill.workflows.tasks.kind import Context, Example, TaskKind


class PublishSettings(msgspec.Struct, frozen=True):
    """`sink` renders to `kafka:<integration>:<topic>`; `target` is (integration, topic) where the sink is
    constant. `key` None: the task's id; one that renders to null gives a record without key. `headers`
    renders to an object. With `is_async_complete` the acknowledgement leaves the task in progress, until
    somebody reports on it. The body is the JSON of the step's whole input."""

    sink: Template
    target: tuple[str, str] | None = None
    key: Template | None = None
    headers: Template | None = None
    is_async_complete: bool = False


class PublishTask(TaskKind):
    """Output: the body, and `topic`, `partition` and `offset` of the record."""

    name = "publish"
    summary = "Publishes its input as a record; completes when the broker has acknowledged it."
    config = PublishSettings
    example = Example(
        settings=PublishSettings(compile_template("kafka:shop:orders"), ("shop", "orders"), compile_template("17")),
        input={"order": 17},
        directive=Publish("shop", "orders", key=b"17", value=b'{"order":17}'),
    )

    def start(self, step: Step, task: Task, context: Context) -> Directive:
        settings: PublishSettings = step.settings
        try:
            integration, topic = settings.target or parse_sink(context.render(settings.sink))
            headers = record_headers(context.render(settings.headers)) if settings.headers else ()
        except ValueError as error:
            return Fail(str(error), is_terminal=True)
        key = _bytes(context.render(settings.key)) if settings.key else context.task_id.encode()
        return Publish(integration, topic, key, to_json(task.input), headers)

    def acknowledged(self, step: Step, task: Task, published: Published) -> Directive:
        place = {"topic": published.topic, "partition": published.partition, "offset": published.offset}
        output = {**task.input, **place}
        return Wait(None, output) if step.settings.is_async_complete else Complete(output)


def parse_sink(sink: Any) -> tuple[str, str]:
    """(integration, topic). Raises `ValueError` with a sentence for people."""
    parts = sink.split(":") if isinstance(sink, str) else []
    if len(parts) != 3 or parts[0] != "kafka" or not parts[1] or not parts[2]:
        raise ValueError(f"the sink must be kafka:<integration>:<topic>, not {_short(sink)}")
    for part in parts[1:]:
        if problem := unfit(part):
            raise ValueError(f"the sink must be kafka:<integration>:<topic>, not {_short(sink)}: {problem}")
    return parts[1], parts[2]


def _short(sink: Any) -> str:
    text = repr(sink)
    return text if len(text) <= 200 else f"{text[:200]}..."


def record_headers(value: Any) -> Headers:
    """Raises `ValueError` for what is no object."""
    if not isinstance(value, dict):
        raise ValueError(f"the record's headers must be an object, not {type(value).__name__}")
    return tuple((str(name), _bytes(item)) for name, item in value.items())


def _bytes(value: Any) -> bytes | None:
    """Text as it is, null as no value, everything else as JSON."""
    if value is None:
        return None
    return value.encode() if isinstance(value, str) else to_json(value)
