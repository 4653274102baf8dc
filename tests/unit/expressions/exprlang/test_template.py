"""RuleGo's `${...}` templates: values, texts, and what is wrong with bad ones."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.core.clock import HeldClock
from tidemill.expressions.exprlang import (
    BadExpression,
    EvaluationError,
    as_json,
    compile_condition,
    compile_expression,
    compile_template,
)

ENV: dict[str, Any] = {
    "id": "m-1",
    "ts": 1700000000000,
    "msg": {
        "n": 3,
        "f": 1.5,
        "whole": 2.0,
        "small": 1e-7,
        "s": "a b",
        "none": None,
        "ok": True,
        "list": [1, 2.0],
        "m": {"k": "v"},
    },
    "metadata": {"type": "temp", "dev": "d1"},
    "node_1": {"msg": {"x": 5}},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{}$", "{}$"),
        ("$5", "$5"),
        ("${msg.n}", 3),
        ("  ${msg.n}\n", 3),
        ("${msg}", ENV["msg"]),
        ("${msg.none}", None),
        ("${missing}", None),
        ("${msg.n > 2 ? 'big' : 'small'}", "big"),
        ("${ {a: msg.n}.a }", 3),
        ("${filter(msg.list, {# > 1})}", [2.0]),
        ("${'}'}", "}"),
        ('${`}` + "}\\"}"}', '}}"}'),
        ("${msg.s + '${x}'}", "a b${x}"),
        ("${id}${ts}", "m-11700000000000"),
        ("devices/${metadata.dev}/${metadata.type}", "devices/d1/temp"),
        ("a${msg.none}b${missing}c", "abc"),
        ("${msg.f} ${msg.whole} ${msg.small} ${1/3.0}", "1.5 2 0.0000001 0.3333333333333333"),
        ("${msg.ok}, ${msg.list}, ${msg.m}", 'true, [1,2], {"k":"v"}'),
        ("<${duration('90s')}>", "<1m30s>"),
        ("<${date('2023-08-14')}>", "<2023-08-14 00:00:00 +0000 UTC>"),
        ("$${msg.n}", "$3"),
        ("${node_1.msg.x} of ${msg.n}", "5 of 3"),
        ("it's ${msg.s}'s", "it's a b's"),
    ],
)
def test_value(text: str, value: Any) -> None:
    template = compile_template(text)
    assert template.value(ENV) == value
    assert type(template.value(ENV)) is type(value)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("${msg.n}", "3"),
        ("${msg.whole}", "2"),
        ("${msg.none}", ""),
        ("${msg.ok}", "true"),
        ("${msg.m}", '{"k":"v"}'),
        ("${data}", "hé"),
        ("plain", "plain"),
    ],
)
def test_render_is_always_a_text(text: str, rendered: str) -> None:
    assert compile_template(text).render({**ENV, "data": "hé".encode()}) == rendered


def test_a_constant_reads_nothing() -> None:
    assert compile_template("no variable").is_constant
    assert compile_template("").is_constant
    assert not compile_template("${1}").is_constant
    assert compile_template("${a.b} and ${c}, ${a.d}").names == {("a", "b"), ("c", None), ("a", "d")}


def test_a_piece_that_fails_makes_the_whole_fail() -> None:
    template = compile_template("topic/${msg.missing.name}")
    with pytest.raises(EvaluationError, match="cannot get name from nil"):
        template.render(ENV)
    with pytest.raises(EvaluationError, match="cannot get name from nil"):
        template.value(ENV)
    with pytest.raises(EvaluationError, match="cannot be written as JSON"):
        compile_template("a ${[1 / 0]}").render(ENV)


def test_a_batch_gives_a_value_or_an_error_for_each() -> None:
    envs: list[dict[str, Any]] = [{"msg": {"n": 1}}, {}, {"msg": {"n": 2.0}}]
    for text in ("${msg.n}", "${msg.n}!"):
        template = compile_template(text)
        texts = template.render_all(envs)
        assert [str(item).rstrip("!") for item in (texts[0], texts[2])] == ["1", "2"]
        assert isinstance(texts[1], EvaluationError)
        values = template.value_all(envs)
        assert values[0] == ("1!" if "!" in text else 1)
        assert isinstance(values[1], EvaluationError)


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("a ${msg.n", 1, 3, "without its `}`"),
        ("a\nb ${'}", 2, 3, "without its `}`"),
        ("${}", 1, 3, "empty"),
        ("a ${1 +}", 1, 8, "ends too early"),
        ("a\n  b ${ uper('a') } c", 2, 8, "no function uper"),
        ("${1,\n 2}", 1, 4, "unexpected ','"),
        ("${1 +\n  * 2}", 2, 3, "unexpected '*'"),
        ("${include('/etc/passwd')}", 1, 3, "not offered here"),
        ("${a}" * 201, 1, 1, "more than 200 expressions"),
    ],
)
def test_a_bad_template_says_where_and_why(text: str, line: int, column: int, says: str) -> None:
    with pytest.raises(BadExpression) as caught:
        compile_template(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert says in caught.value.message


def test_a_text_that_gets_too_long_is_stopped() -> None:
    with pytest.raises(EvaluationError, match="longer than 1,000,000"):
        compile_template("${msg}" * 100).render({"msg": "x" * 20_000})


def test_a_long_text_alone_is_let_through() -> None:
    assert len(compile_template("${data}").render({"data": "x" * 2_000_000})) == 2_000_000


def test_now_asks_the_clock() -> None:
    assert compile_template("${now().UnixMilli()}", HeldClock(5)).value({}) == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("msg.n > 2", True),
        ("${msg.n} > 2", True),
        ("${msg.n + 1} * 2", 8),
        ("${metadata.type} == 'temp' && ${msg.n} > 5", False),
        ("metadata.type == '${x}'", False),
        ("'${x}' + \"${y}\" + `${z}`", "${x}${y}${z}"),
        ("${msg}", ENV["msg"]),
        ("'it''s' == ${id}", None),
    ],
)
def test_a_condition_may_have_its_variables_in_braces(text: str, value: Any) -> None:
    if value is None:
        with pytest.raises(BadExpression):
            compile_condition(text)
        return
    assert compile_condition(text).evaluate(ENV) == value


def test_a_bad_condition_says_where() -> None:
    with pytest.raises(BadExpression) as caught:
        compile_condition("${msg.n} > @")
    assert caught.value.column == 12
    with pytest.raises(BadExpression, match="without its"):
        compile_condition("${msg.n > 5")


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("{a: msg.whole, b: [msg.f, nil], c: msg.s}", '{"a":2,"b":[1.5,null],"c":"a b"}'),
        ("4 / 2", "2"),
        ("1e20 * 10", "1e21"),
        ("9007199254740993", "9007199254740993"),
        ("[duration('1s'), date('2023-08-14')]", '[1000000000,"2023-08-14T00:00:00Z"]'),
        ("groupBy([1, 2], # % 2)", '{"1":[1],"0":[2]}'),
        ("data", '"aMOp"'),
    ],
)
def test_whatever_an_expression_gives_can_be_written_as_json(text: str, encoded: str) -> None:
    assert as_json(compile_expression(text).evaluate({**ENV, "data": "hé".encode()})).decode() == encoded


@pytest.mark.parametrize("text", ["1 / 0", "[0 / 0]", "{a: {b: -1 / 0, c: nil}}", "timezone('Europe/Zurich')"])
def test_what_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises(EvaluationError, match="cannot be written as JSON"):
        as_json(compile_expression(text).evaluate({}))
