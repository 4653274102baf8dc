"""The route: one outcome per record, one call of the sandbox per batch, and no record that harms another."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.sandbox import FakeSandbox
from tests.unit.workflows.handlers.parts import document, record, route, start
from tests.unit.workflows.handlers.test_body import json_values
from tidemill.core.codec import pack, to_json
from tidemill.core.errors import Unavailable
from tidemill.sandbox.script import Computed, Script
from tidemill.workflows.handlers.body import SendingProtocol

SCRIPT = "$.n > 1"


def sandbox() -> FakeSandbox:
    return FakeSandbox({SCRIPT: lambda bindings: bindings["$"]["n"] > 1, "$.v": lambda bindings: bindings["$"]["v"]})


async def test_outcomes_are_in_order_and_the_batch_is_one_call() -> None:
    engine = sandbox()
    handler = route(document(condition=SCRIPT), engine)
    outcomes = await handler.handle([record({"n": n}, offset=n) for n in (0, 1, 2, 3)])
    assert [outcome.kind for outcome in outcomes] == ["filtered", "filtered", "done", "done"]
    assert [outcome.detail.get("condition") for outcome in outcomes] == [False, False, True, True]
    assert len(engine.calls) == 1
    assert outcomes[2].detail["actions"] == ["start_workflow"]


async def test_a_condition_sees_the_body_as_it_came() -> None:
    engine = sandbox()
    raw = b'{"n":  2, "big": 123456789012345678901234567890}'
    await route(document(condition=SCRIPT), engine).handle([record(raw=raw)])
    ((script, (given_,)),) = engine.calls
    assert script == Script("javascript", SCRIPT, "expression")
    assert given_ == b'{"$":' + raw + b"}"


async def test_a_condition_that_asks_for_it_sees_the_record_too() -> None:
    engine = FakeSandbox({"$record.offset": lambda bindings: bindings["$record"]["offset"] == 7})
    (outcome,) = await route(document(condition="$record.offset"), engine).handle([record({})])
    assert outcome.kind == "done"


async def test_a_condition_sees_json_inside_texts_expanded() -> None:
    engine = FakeSandbox({"$.inner.n > 1": lambda bindings: bindings["$"]["inner"]["n"] > 1})
    handler = route(document(start(input={"inner": "${inner}"}), condition="$.inner.n > 1"), engine)
    (outcome,) = await handler.handle([record({"inner": '{"n": 2}'})])
    assert outcome.kind == "done"
    assert outcome.effects[0].input["inner"] == '{"n": 2}'


@pytest.mark.parametrize("condition", [None, "", "true", "false"])
async def test_constant_conditions_need_no_sandbox(condition: str | None) -> None:
    engine = sandbox()
    (outcome,) = await route(document(condition=condition), engine).handle([record({})])
    assert outcome.kind == ("filtered" if condition == "false" else "done")
    assert engine.calls == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "done"),
        (False, "filtered"),
        (1, "done"),
        (0.5, "done"),
        (0, "filtered"),
        (-1, "filtered"),
        ("true", "filtered"),
        ("", "filtered"),
        (None, "filtered"),
        ([1], "filtered"),
        ({"a": 1}, "filtered"),
    ],
)
async def test_conductors_rule_of_truth(value: Any, kind: str) -> None:
    (scripted,) = await route(document(condition="$.v"), sandbox()).handle([record({"v": value})])
    (by_param,) = await route(document(condition="v", evaluatorType="value-param")).handle([record({"v": value})])
    assert (scripted.kind, by_param.kind) == (kind, kind)


async def test_a_throw_is_the_failure_of_its_record_alone() -> None:
    handler = route(document(condition=SCRIPT), sandbox())
    good, bad, also_good = await handler.handle([record({"n": 2}), record({"x": 1}), record({"n": 3})])
    assert (good.kind, bad.kind, also_good.kind) == ("done", "invalid", "done")
    assert bad.reason == "condition: KeyError: 'n' (line 1, column 1)"


async def test_logs_are_kept() -> None:
    class Talking(FakeSandbox):
        async def run(self, script: Script, inputs: Any) -> Any:
            return [Computed(True, logs=("seen",)) for _ in inputs]

    (outcome,) = await route(document(condition=SCRIPT), Talking()).handle([record({"n": 2})])
    assert outcome.detail == {"condition": True, "actions": ["start_workflow"], "logs": ["seen"]}


async def test_a_body_that_cannot_be_read_is_never_shown_to_a_script() -> None:
    engine = sandbox()
    handler = route(document(condition=SCRIPT), engine, "JSON")
    outcomes = await handler.handle([record(raw=b""), record({"n": 2}), record(raw=b"\xff"), record(raw=b"x")])
    assert [outcome.kind for outcome in outcomes] == ["invalid", "done", "invalid", "invalid"]
    assert len(engine.calls[0][1]) == 1
    assert outcomes[0].reason == "the body is empty, and the integration's sending protocol is JSON"


async def test_only_unreadable_bodies_make_no_call_at_all() -> None:
    engine = sandbox()
    await route(document(condition=SCRIPT), engine, "JSON").handle([record(raw=b"")])
    assert engine.calls == []


async def test_value_param_of_something_else_than_an_object() -> None:
    (outcome,) = await route(document(condition="v", evaluatorType="value-param")).handle([record([1])])
    assert outcome.reason == "condition: the evaluator value-param reads 'v' of an object"


async def test_a_sandbox_that_is_away_is_not_the_records_fault() -> None:
    class Away(FakeSandbox):
        async def run(self, script: Script, inputs: Any) -> Any:
            raise Unavailable("no child can be started")

    with pytest.raises(Unavailable):
        await route(document(condition=SCRIPT), Away()).handle([record({})])


async def test_with_string_any_text_is_a_body() -> None:
    (outcome,) = await route(document(start(input={"all": "${$}"}))).handle([record(raw=b"hello")])
    assert outcome.effects[0].input["all"] == "hello"


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


templates = st.sampled_from(
    [
        "${$}",
        "${a}",
        "${a.b[0]}",
        "x${a}y",
        "${$record.key}",
        "${a..b}",
        "${$.a[?@.b > 1]}",
        "${b.${a}}",
        "$${a}",
        "${}",
    ]
)


@given(
    values=st.lists(st.binary(max_size=40) | json_values.map(_json), max_size=5),
    template=templates,
    expand=st.booleans(),
    protocol=st.sampled_from(["String", "JSON"]),
)
async def test_always_an_outcome(values: list[bytes], template: str, expand: bool, protocol: SendingProtocol) -> None:
    parameters = {"input": {"x": template}, "correlationId": template, "version": template, "idempotencyKey": template}
    handler = route(document(start(expand, **parameters), start(name=f"a{template}")), protocol=protocol)
    outcomes = await handler.handle([record(raw=value) for value in values])
    assert len(outcomes) == len(values)
    for outcome in outcomes:
        assert (outcome.kind == "done") == (len(outcome.effects) == 2) == (outcome.reason is None)
        for each in outcome.effects:
            pack(each.input)
            to_json(each.input)
