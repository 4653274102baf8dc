"""Every task kind alone: its example, and what it makes of what users write."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.fakes.plans import jq_of, publish_to, script_of, step, switch_on, terminate_with, wait_for
from tidemill.expressions.template import Template, compile_template
from tidemill.ingest.publication import Published
from tidemill.sandbox.script import Computed, Script, ScriptError
from tidemill.workflows.state.state import Task
from tidemill.workflows.tasks import BUILT_IN, KINDS, registry
from tidemill.workflows.tasks.directive import Complete, Compute, Directive, End, Fail, Publish, Wait
from tidemill.workflows.tasks.kind import Context
from tidemill.workflows.tasks.noop import NoopTask
from tidemill.workflows.tasks.publish import PublishSettings, parse_sink
from tidemill.workflows.tasks.script import ScriptSettings
from tidemill.workflows.tasks.switch import SwitchSettings

NOW_MS = 1_700_000_000_000


def _task(given: Any) -> Task:
    return Task(1, "t", "SCHEDULED", 0, input=given)


def _start(
    kind: str, settings: Any, given: Any = None, root: dict[str, Any] | None = None, now_ms: int = 0
) -> Directive:
    def render(template: Template) -> Any:
        return template.render(root or {})

    item = step("t", kind, settings)
    return KINDS[kind].start(item, _task(given if given is not None else {}), Context("x.1", now_ms, render))


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_kind_does_what_its_example_says(name: str) -> None:
    example = KINDS[name].example
    item = msgspec.structs.replace(step("t", name, example.settings), body=example.body)
    context = Context("x.1", 0, lambda template: template.render({}), example.expansion)
    assert KINDS[name].start(item, _task(example.input), context) == example.directive
    assert isinstance(example.settings, KINDS[name].config)
    assert KINDS[name].summary.endswith(".")


def test_a_kind_of_another_package_comes_in_by_the_same_door() -> None:
    class Third(NoopTask):
        name = "third"

    assert set(registry(BUILT_IN, [Third()])) == {*KINDS, "third"}
    with pytest.raises(ValueError, match="'noop' exists twice"):
        registry(BUILT_IN, [NoopTask()])


def test_publish_renders_sink_key_and_headers() -> None:
    settings = PublishSettings(
        compile_template("kafka:${workflow.input.to}"),
        key=compile_template("${workflow.input.key}"),
        headers=compile_template({"a": "x", "n": 1, "none": None}),
    )
    root = {"workflow": {"input": {"to": "shop:orders", "key": {"k": 1}}}}
    assert _start("publish", settings, {"b": 2}, root) == Publish(
        "shop", "orders", b'{"k":1}', b'{"b":2}', (("a", b"x"), ("n", b"1"), ("none", None))
    )


def test_publish_takes_the_task_id_as_key_and_null_for_none() -> None:
    by_id, keyless = (
        _start("publish", settings)
        for settings in (publish_to(), publish_to(key=compile_template("${workflow.input.nothing}")))
    )
    assert isinstance(by_id, Publish) and by_id.key == b"x.1"
    assert isinstance(keyless, Publish) and keyless.key is None


@pytest.mark.parametrize(
    "sink",
    [
        "",
        "kafka",
        "kafka:a",
        "kafka::b",
        "kafka:a:",
        "sqs:a:b",
        "kafka:a:b:c",
        3,
        None,
        # An outbox row that no database takes would stop all records of its batch.
        "kafka:with\x00nul:b",
        f"kafka:{'long' * 200}:b",
    ],
)
def test_publish_fails_for_good_on_a_sink_that_is_none(sink: Any) -> None:
    directive = _start("publish", PublishSettings(compile_template("${s}")), root={"s": sink})
    assert isinstance(directive, Fail) and directive.is_terminal and "kafka:<integration>:<topic>" in directive.reason
    with pytest.raises(ValueError, match="sink"):
        parse_sink(sink)


def test_publish_fails_on_headers_that_are_no_object() -> None:
    directive = _start("publish", publish_to(headers=compile_template("${h}")), root={"h": [1]})
    assert isinstance(directive, Fail) and "must be an object" in directive.reason


@pytest.mark.parametrize("is_async", [False, True])
def test_publish_shows_where_the_record_went(is_async: bool) -> None:
    item = step("t", "publish", publish_to(is_async_complete=is_async))
    answer = KINDS["publish"].acknowledged(item, _task({"a": 1}), Published("x.1", "out", 2, 17))
    output = {"a": 1, "topic": "out", "partition": 2, "offset": 17}
    assert answer == (Wait(None, output) if is_async else Complete(output))


@pytest.mark.parametrize("kind", ["script", "jq"])
def test_a_script_may_be_rendered_when_it_begins(kind: str) -> None:
    settings = ScriptSettings(Script("javascript", "", "expression"), compile_template("$.a + ${n}"))
    directive = _start(kind, settings, {"a": 1}, root={"n": {"b": 2}})
    assert directive == Compute(Script("javascript", '$.a + {"b":2}', "expression"), {"$": {"a": 1}})


def test_script_gives_its_value_or_fails_for_good() -> None:
    kind, item = KINDS["script"], step("t", "script", script_of("1"))
    assert kind.computed(item, _task({}), Computed([1])) == Complete({"result": [1]})
    error = ScriptError("throw", "x is not defined", 2, 5)
    thrown = kind.computed(item, _task({}), Computed(error=error))
    assert thrown == Fail(str(error), is_terminal=True, output={"error": "x is not defined (line 2, column 5)"})


def test_a_script_that_ran_out_of_time_may_be_tried_again() -> None:
    late = KINDS["script"].computed(
        step("t", "script", script_of("1")), _task({}), Computed(error=ScriptError("timeout", "too slow"))
    )
    assert isinstance(late, Fail) and not late.is_terminal


@pytest.mark.parametrize(("values", "first"), [([], None), ([1, 2], 1), ([[3]], [3])])
def test_jq_gives_the_first_result_and_all(values: list[Any], first: Any) -> None:
    done = KINDS["jq"].computed(step("t", "jq", jq_of(".[]")), _task({}), Computed(values))
    assert done == Complete({"result": first, "resultList": values})


@pytest.mark.parametrize(
    ("value", "case", "outlet"),
    [
        ("a", "a", "a"),
        ("z", "z", "default"),
        (2, "2", "2"),
        (2.0, "2", "2"),
        (True, "true", "true"),
        (None, "null", "default"),
        ({"k": 1}, '{"k":1}', "default"),
    ],
)
def test_switch_chooses_by_the_text_of_a_value(value: Any, case: str, outlet: str) -> None:
    expected = Complete({"evaluationResult": [case], "selectedCase": case}, outlet)
    assert _start("switch", switch_on("p", "a", "2", "true"), {"p": value}) == expected
    settings = SwitchSettings(frozenset({"a", "2", "true"}), script=Script("javascript", "$.p", "expression"))
    assert KINDS["switch"].computed(step("t", "switch", settings), _task({}), Computed(value)) == expected


def test_switch_fails_when_its_script_does() -> None:
    settings = SwitchSettings(frozenset(), script=Script("javascript", "x", "expression"))
    failed = KINDS["switch"].computed(
        step("t", "switch", settings), _task({}), Computed(error=ScriptError("throw", "no x"))
    )
    assert isinstance(failed, Fail) and failed.reason == "no x"


def test_terminate_renders_status_reason_and_output() -> None:
    root = {"s": "COMPLETED", "r": 17, "o": {"a": 1}}
    assert _start("terminate", terminate_with("${s}", "${r}", "${o}"), root=root) == End("COMPLETED", "17", {"a": 1})
    assert _start("terminate", terminate_with("TERMINATED")) == End("TERMINATED")
    wrong = _start("terminate", terminate_with("RUNNING"))
    assert isinstance(wrong, Fail) and "cannot end as 'RUNNING'" in wrong.reason


def test_wait_reads_duration_and_date() -> None:
    assert _start("wait", wait_for("2 hours 30 minutes"), now_ms=NOW_MS) == Wait(NOW_MS + 9_000_000)
    assert _start("wait", wait_for(until="2023-11-14 22:13 UTC")) == Wait(1_699_999_980_000)
    assert _start("wait", wait_for()) == Wait(None)
    wrong = _start("wait", wait_for("soon"))
    assert isinstance(wrong, Fail) and wrong.is_terminal and "'soon'" in wrong.reason
