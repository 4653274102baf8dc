"""Records for a cluster that a task names by its address."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import step
from tidemill.expressions.template import Template, compile_template
from tidemill.ingest.publication import Published
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks.directive import Complete, Directive, Fail, Publish, Wait
from tidemill.workflows.tasks.kind import Context
from tidemill.workflows.tasks.produce import KeyForm, ProduceSettings, ProduceTask


def _settings(key_form: KeyForm = "text", is_async: bool = False) -> ProduceSettings:
    cluster, topic, value, key = (compile_template(f"${{r.{name}}}") for name in ("cluster", "topic", "value", "key"))
    headers_of = compile_template({"a": "${r.header}"})
    return ProduceSettings(cluster, topic, value, key, headers_of, key_form, is_async_complete=is_async)


def _start(key_form: KeyForm = "text", **given: Any) -> Directive:
    def render(template: Template) -> Any:
        raise AssertionError("the templates are over the task's input")

    task = Task(1, "t", "SCHEDULED", 0, input={"r": {"cluster": "k:9092", "topic": "out", **given}})
    return ProduceTask().start(step("t", "produce", _settings(key_form)), task, Context("x.1", 0, render))


@pytest.mark.parametrize(
    ("form", "key", "sent"),
    [
        ("text", "k", b"k"),
        ("text", 17, b"17"),
        ("text", None, None),
        ("int32", 17, b"\x00\x00\x00\x11"),
        ("int32", "-1", b"\xff\xff\xff\xff"),
        ("int64", 2**40, b"\x00\x00\x01\x00\x00\x00\x00\x00"),
        ("int64", None, None),
    ],
)
def test_a_key_is_written_as_its_serializer_does(form: KeyForm, key: Any, sent: bytes | None) -> None:
    headers = (("a", b"h"),)
    assert _start(form, key=key, value={"n": 1}, header="h") == Publish("k:9092", "out", sent, b'{"n":1}', headers)


@pytest.mark.parametrize(("value", "sent"), [("text", b'"text"'), (None, b"null"), ([1], b"[1]")])
def test_a_value_is_json_also_where_it_is_a_text(value: Any, sent: bytes) -> None:
    directive = _start(value=value)
    assert isinstance(directive, Publish) and directive.value == sent


@pytest.mark.parametrize(
    ("form", "given", "reason"),
    [
        ("text", {"cluster": None}, "no bootstrap servers"),
        ("text", {"topic": 3}, "no topic"),
        ("text", {"topic": "a\x00"}, "NUL"),
        ("int32", {"key": 2**31}, "a whole number of 32 bits"),
        ("int32", {"key": True}, "a whole number of 32 bits"),
        ("int64", {"key": "1.5"}, "a whole number of 64 bits"),
        ("int64", {"key": 1.5}, "a whole number of 64 bits"),
    ],
)
def test_what_is_no_record_fails_for_good(form: KeyForm, given: dict[str, Any], reason: str) -> None:
    directive = _start(form, **given)
    assert isinstance(directive, Fail) and directive.is_terminal and reason in directive.reason


@pytest.mark.parametrize("is_async", [False, True])
def test_the_output_says_where_the_record_went(is_async: bool) -> None:
    place = {"topic": "out", "partition": 2, "offset": 17}
    task = Task(1, "t", "IN_PROGRESS", 0, input={})
    item = step("t", "produce", _settings(is_async=is_async))
    answer = ProduceTask().acknowledged(item, task, Published("x.1", "out", 2, 17))
    assert answer == (Wait(None, place) if is_async else Complete(place))
