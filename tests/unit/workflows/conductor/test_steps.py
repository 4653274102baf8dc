"""Each task type: what its JSON becomes in a plan."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflows.conductor.parts import compiled, plan_of, task, told, workflow
from tidemill.sandbox.script import Script
from tidemill.workflows.formats.conductor.task_definition import read_task_definition
from tidemill.workflows.plans.plan import Limits, Retry, Step
from tidemill.workflows.tasks.kind import Context
from tidemill.workflows.tasks.wait import WaitSettings

SCOPE: dict[str, Any] = {
    "workflow": {
        "workflowId": "E1",
        "workflowType": "w",
        "version": 1,
        "correlationId": "c",
        "taskToDomain": {"a": "x"},
        "input": {"n": 2, "key": "K", "status": "FAILED"},
    }
}


def step(item: dict[str, Any]) -> Step:
    return plan_of(workflow(item)).steps["a"]


def test_simple() -> None:
    simple = step(task("a", inputs={"n": "${workflow.input.n}"}))
    assert (simple.kind, simple.name, simple.input.render(SCOPE)) == ("worker", "a_name", {"n": 2})
    assert (simple.retry.count, simple.response_timeout_s) == (0, 0)


def test_the_type_is_simple_where_none_is_given() -> None:
    item = task("a")
    del item["type"]
    assert step(item).kind == "worker"


def test_event_body_has_what_conductor_puts_into_it() -> None:
    event = step(task("a", "EVENT", {"n": "${workflow.input.n}", "correlationId": "mine"}, sink="kafka:shop:out"))
    assert event.kind == "publish"
    assert event.input.render(SCOPE) == {
        "n": 2,
        "workflowInstanceId": "E1",
        "workflowType": "w",
        "workflowVersion": 1,
        "correlationId": "c",
        "taskToDomain": {"a": "x"},
        "sink": "kafka:shop:out",
        "asyncComplete": False,
        "event_produced": "kafka:shop:out",
    }
    assert event.settings.target == ("shop", "out")
    assert (event.settings.key, event.settings.headers, event.settings.is_async_complete) == (None, None, False)


def test_event_key_and_headers_are_inputs_and_not_in_the_body() -> None:
    inputs = {"_key": "${workflow.input.key}", "_headers": {"h": "${workflow.input.n}"}}
    event = step(task("a", "EVENT", inputs, sink="kafka:shop:out", asyncComplete=True))
    assert event.settings.key.render(SCOPE) == "K"
    assert event.settings.headers.render(SCOPE) == {"h": 2}
    assert event.settings.is_async_complete
    assert {"_key", "_headers"}.isdisjoint(event.input.render(SCOPE))


def test_event_with_a_templated_sink_has_no_target() -> None:
    result = compiled(workflow(task("a", "EVENT", sink="kafka:shop:${workflow.input.key}")))
    settings = result.plan.steps["a"].settings
    assert (settings.target, settings.sink.render(SCOPE)) == (None, "kafka:shop:K")
    assert result.sinks == [] and result.findings == []


@pytest.mark.parametrize("evaluator", ["javascript", "graaljs", None])
def test_inline(evaluator: str | None) -> None:
    inputs = {"evaluatorType": evaluator, "expression": "$.n + 1", "n": "${workflow.input.n}"}
    if evaluator is None:
        del inputs["evaluatorType"]
    result = compiled(workflow(task("a", "INLINE", inputs)))
    inline = result.plan.steps["a"]
    script = Script("javascript", "$.n + 1", "expression")
    assert (inline.kind, inline.settings.script, inline.input.render(SCOPE)) == ("script", script, {"n": 2})
    assert result.scripts == [("tasks[0].inputParameters.expression", script)]


def test_inline_by_value_param() -> None:
    inline = step(task("a", "INLINE", {"evaluatorType": "value-param", "expression": "n", "n": 1}))
    assert inline.settings.script.source == '$["n"]'


def test_template_literals_of_javascript_are_left_alone() -> None:
    inline = step(task("a", "INLINE", {"expression": "`${$.n} and ${other}`"}))
    assert inline.settings.script.source == "`${$.n} and ${other}`"


@pytest.mark.parametrize(
    ("kind", "key", "text", "rendered"),
    [
        ("INLINE", "expression", "${workflow.input.n} + ${b.output.x}", "2 + 5"),
        ("LAMBDA", "scriptExpression", "return ${workflow.input.n}", "(function(){return 2\n})()"),
        ("JSON_JQ_TRANSFORM", "queryExpression", ".items[${workflow.input.n}]", ".items[2]"),
    ],
)
def test_templates_in_scripts_are_put_into_their_text(kind: str, key: str, text: str, rendered: str) -> None:
    result = compiled(workflow(task("b"), task("a", kind, {key: text})))
    root = {**SCOPE, "b": {"output": {"x": 5}}}
    step = result.plan.steps["a"]
    assert (result.findings, result.scripts) == ([], [])
    assert step.settings.rendered(Context("x.1", 0, lambda template: template.render(root))).source == rendered


def test_templates_in_conditions_are_not_read() -> None:
    item = task("a", "SWITCH", evaluatorType="javascript", expression="${workflow.input.n} > 1", decisionCases={})
    ((path, message, level),) = told(compiled(workflow(item)).findings)
    assert (path, level) == ("tasks[0].expression", "error")
    assert message.startswith("${...} of the workflow is not read here")


def test_jq() -> None:
    jq = step(task("a", "JSON_JQ_TRANSFORM", {"queryExpression": ".n", "n": "${workflow.input.n}"}))
    assert (jq.kind, jq.settings.script, jq.input.render(SCOPE)) == ("jq", Script("jq", ".n", "query"), {"n": 2})


def test_set_variable_and_noop() -> None:
    assert step(task("a", "SET_VARIABLE", {"x": 1})).kind == "set_variables"
    assert step(task("a", "NOOP")).kind == "noop"


def test_terminate() -> None:
    inputs = {"terminationStatus": "${workflow.input.status}", "terminationReason": "why", "workflowOutput": {"a": 1}}
    end = step(task("a", "TERMINATE", inputs)).settings
    assert (end.status.render(SCOPE), end.reason.render(SCOPE), end.output.render(SCOPE)) == ("FAILED", "why", {"a": 1})


@pytest.mark.parametrize(
    ("inputs", "duration", "until"),
    [
        ({"duration": "5s"}, "5s", None),
        ({"until": "2026-12-24 18:00"}, None, "2026-12-24 18:00"),
        ({"wait_until": "2026-12-24 18:00"}, None, "2026-12-24 18:00"),
        ({}, None, None),
    ],
)
def test_wait(inputs: dict[str, Any], duration: str | None, until: str | None) -> None:
    settings = step(task("a", "WAIT", inputs)).settings
    rendered = [each.render(SCOPE) if each else None for each in (settings.duration, settings.until)]
    assert rendered == [duration, until]


def test_tasks_follow_each_other() -> None:
    plan = plan_of(workflow(task("a"), task("b"), task("c", "NOOP")))
    assert plan.entry == "a"
    assert {ref: each.edges for ref, each in plan.steps.items()} == {
        "a": {"next": "b"},
        "b": {"next": "c"},
        "c": {"next": None},
    }


def switch(**keys: Any) -> dict[str, Any]:
    return task("s", "SWITCH", {"v": "${workflow.input.n}"}, evaluatorType="value-param", expression="v", **keys)


def test_switch_by_value() -> None:
    cases = {"A": [task("a1"), task("a2")], "B": []}
    plan = plan_of(workflow(switch(decisionCases=cases, defaultCase=[task("d")]), task("z")))
    settings = plan.steps["s"].settings
    assert (settings.script, settings.param, settings.cases) == (None, "v", {"A", "B"})
    assert plan.steps["s"].edges == {"A": "a1", "B": "d", "default": "d"}
    assert [plan.steps[ref].edges["next"] for ref in ("a1", "a2", "d", "z")] == ["a2", "z", "z", None]


@pytest.mark.parametrize("evaluator", ["javascript", "graaljs"])
def test_switch_by_script(evaluator: str) -> None:
    item = task("s", "SWITCH", evaluatorType=evaluator, expression="$.v", decisionCases={"A": [task("a")]})
    result = compiled(workflow(item))
    assert result.plan.steps["s"].settings.script == Script("javascript", "$.v", "expression")
    assert result.plan.steps["s"].edges == {"A": "a", "default": None}
    assert [path for path, _ in result.scripts] == ["tasks[0].expression"]


def test_switches_inside_switches() -> None:
    inner = {**switch(decisionCases={"I": [task("i")]}), "taskReferenceName": "inner"}
    plan = plan_of(workflow(switch(decisionCases={"A": [inner]}), task("z")))
    assert plan.steps["inner"].edges == {"I": "i", "default": "z"}
    assert plan.steps["i"].edges == {"next": "z"}


def test_retries_come_from_the_task_definition_and_the_task_overrides_them() -> None:
    definition, findings = read_task_definition(
        {
            "name": "a_name",
            "retryCount": 5,
            "retryLogic": "EXPONENTIAL_BACKOFF",
            "retryDelaySeconds": 2,
            "maxRetryDelaySeconds": 60,
            "backoffScaleFactor": 3,
            "backoffJitterMs": 100,
            "responseTimeoutSeconds": 30,
            "inputTemplate": {"x": 1, "y": 2},
        }
    )
    assert findings == []
    plan = plan_of(
        workflow(task("a", inputs={"y": 3}), task("b", name="a_name", retryCount=1), task("c", retryCount=2)),
        {"a_name": definition},
    )
    a, b, c = (plan.steps[ref] for ref in "abc")
    assert a.retry == Retry(5, "exponential", 2, 60, 3, 100)
    assert (a.response_timeout_s, a.input.render(SCOPE)) == (30, {"x": 1, "y": 3})
    assert (b.retry.count, b.retry.logic) == (1, "exponential")
    assert (c.retry.count, c.retry.delay_s, c.response_timeout_s) == (2, 60, 0)


def test_an_embedded_task_definition_wins() -> None:
    registered, _ = read_task_definition({"name": "a_name", "retryCount": 5})
    embedded = task("a", taskDefinition={"retryCount": 1, "retryDelaySeconds": 4})
    plan = plan_of(workflow(embedded), {"a_name": registered})
    assert (plan.steps["a"].retry.count, plan.steps["a"].retry.delay_s) == (1, 4)


def test_defaults_of_a_task_definition() -> None:
    definition, findings = read_task_definition({"name": "t"})
    assert findings == []
    assert (definition.retry, definition.response_timeout_s) == (Retry(count=3), 3600)


def test_limits_come_from_the_task_definition() -> None:
    definition, findings = read_task_definition(
        {
            "name": "a_name",
            "pollTimeoutSeconds": 1,
            "timeoutSeconds": 2,
            "totalTimeoutSeconds": 3,
            "timeoutPolicy": "RETRY",
            "concurrentExecLimit": 4,
            "rateLimitPerFrequency": 5,
            "rateLimitFrequencyInSeconds": 6,
        }
    )
    assert findings == []
    assert plan_of(workflow(task("a")), {"a_name": definition}).steps["a"].limits == Limits(1, 2, 3, "retry", 4, 5, 6)
    assert step(task("a")).limits == Limits()


@pytest.mark.parametrize(
    ("policy", "meant"), [("RETRY", "retry"), ("TIME_OUT_WF", "end"), ("ALERT_ONLY", "alert"), (None, "end")]
)
def test_timeout_policies(policy: str | None, meant: str) -> None:
    definition, _ = read_task_definition({"name": "t", "timeoutPolicy": policy, "rateLimitFrequencyInSeconds": 0})
    assert (definition.limits.on_timeout, definition.limits.rate_s) == (meant, 1)


def test_human() -> None:
    human = step(task("a", "HUMAN", {"__humanTaskDefinition": {"displayName": None}}))
    assert (human.kind, human.settings) == ("wait", WaitSettings())
    assert human.input.render(SCOPE) == {"__humanTaskDefinition": {"displayName": None}}


def test_lambda_is_the_body_of_a_function() -> None:
    body = "if ($.n == 1) { return {ok: true} } // else nothing"
    old = step(task("a", "LAMBDA", {"scriptExpression": body, "n": 1}))
    assert old.settings.script == Script("javascript", f"(function(){{{body}\n}})()", "expression")
    assert old.input.render(SCOPE) == {"n": 1}


def test_decision_by_value_and_by_script() -> None:
    cases = {"A": [task("x")]}
    by_value = plan_of(workflow(task("s", "DECISION", {"v": 1}, caseValueParam="v", decisionCases=cases))).steps["s"]
    assert (by_value.kind, by_value.settings.param, by_value.edges) == ("switch", "v", {"A": "x", "default": None})
    script = task("s", "DECISION", {"v": 1}, caseValueParam="v", caseExpression="$.v", decisionCases=cases)
    result = compiled(workflow(script))
    assert result.plan.steps["s"].settings.script == Script("javascript", "$.v", "expression")
    assert [path for path, _ in result.scripts] == ["tasks[0].caseExpression"]


def test_every_alias_reads_as_its_type() -> None:
    assert step(task("a", "USER_DEFINED")).kind == "worker"


@pytest.mark.parametrize("keys", [{"optional": True}, {"permissive": True}])
def test_optional_tasks(keys: dict[str, Any]) -> None:
    assert step(task("a", startDelay=5, **keys)).is_optional
    assert step(task("a", startDelay=5)).start_delay_s == 5
