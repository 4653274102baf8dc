"""No expression hangs the process, or eats its memory: each of these is refused, or done soon."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.expressions.odd_values import EVERYTHING
from tidemill.expressions.exprlang import (
    BadExpression,
    EvaluationError,
    Expression,
    as_json,
    as_text,
    bounds,
    compile_expression,
)
from tidemill.expressions.exprlang.functions import FUNCTIONS
from tidemill.expressions.exprlang.loops import LOOPS

STEPS = "needs more than 1,000,000 steps"
TEXT = "an expression may make 1,000,000"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1" * (bounds.LENGTH_MAX + 1), "characters; an expression may have 20,000"),
        ("(" * 51 + "1" + ")" * 51, "brackets within more than 50 brackets"),
        ("[" * 3000, "brackets within more than 50 brackets"),
        ("filter([1], {" * 51, "brackets within more than 50 brackets"),
        ("-" * 10_000 + "a", "nested deeper than 100"),
        ("not " * 3000 + "a", "nested deeper than 100"),
        ("a" + "**a" * 3000, "nested deeper than 100"),
        ("a" + "+a" * 3000, "nested deeper than 100"),
        ("true ? 1 : " * 1000 + "2", "nested deeper than 100"),
        ("let a = 1; " * 1000 + "a", "nested deeper than 100"),
        ("if a {1} else " * 500 + "{2}", "nested deeper than 100"),
        ("a" + "[0]" * 3000, "more than 100 members"),
        ("a" + "?.b" * 3000, "more than 100 members"),
        ("1" * 10_000, "is no number"),
        ("1e999", "too large"),
        (f"a matches '{'x' * 1001}'", "a pattern of 1,001 characters"),
        ("a matches '((a{900}){900}){900}'", "no regular expression"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_is_refused_when_it_is_compiled(text: str, says: str) -> None:
    with pytest.raises(BadExpression, match=says):
        compile_expression(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1..1000000000000", STEPS),
        ("1..9223372036854775807", STEPS),
        ("map(1..1000, map(1..1000, map(1..1000, #)))", STEPS),
        ("any(msg.big, any(msg.big, # > 5000))", STEPS),
        ("reduce(msg.big, sum(msg.big), 0)", STEPS),
        ("any(1..999, all(1..999, # > 0 and any(1..999, # < 0)))", STEPS),
        ("map(1..1000, repeat('abc', 300000))", STEPS),
        ("reduce(1..100000, concat(#acc, #acc), [1])", STEPS),
        ("reduce(1..100000, #acc + #acc, 'ab')", TEXT),
        ("let a = repeat('a', 500000); let b = a + a; b + b", TEXT),
        ("repeat('ab', 9223372036854775807)", TEXT),
        ("join(split(repeat('a,', 400000), ','), ',,,,')", TEXT),
        ("replace(repeat('a', 1000000), 'a', repeat('b', 1000000))", TEXT),
        ("replace(repeat('a', 1000000), '', repeat('b', 1000000))", TEXT),
        ("string(map(1..1000, repeat('a', 5000)))", TEXT),
        ("toJSON(map(1..1000, repeat('a', 5000)))", TEXT),
        ("string(1..200000)", TEXT),
        ("flatten(map(1..1000, 1..1000))", STEPS),
        ("uniq(map(1..100000, [#]))", STEPS),
        ("sort(reverse(1..200000))", STEPS),
        ("msg.big == msg.big and false or any(1..100000, msg.big == msg.other)", STEPS),
        ("any(1..100000, 'z' in msg.big)", STEPS),
        ("any(1..100000, msg.text contains 'zz')", STEPS),
        ("any(1..100000, upper(msg.text) == 'z')", STEPS),
        ("any(1..100000, msg.text matches '(x|x)*y')", STEPS),
        ("any(1..100000, len(msg.big[1:]) == 0)", STEPS),
        ("reduce(1..10000, [#acc], [])", "nested deeper than 200"),
        ("toJSON(reduce(1..10000, {{a: #acc}}, {}))", "nested deeper than 200"),
        ("fromJSON(repeat('[', 100000))", "nested too deeply"),
        ("bitshl(1, -1)", "cannot shift"),
        ("duration(repeat('1h', 100000))", "no duration"),
        ("date(repeat('1', 100000))", "no date"),
        ("date('1', repeat('2006', 1000))", "a layout of 4000 characters"),
        ("now().Format(repeat('2006', 1000))", "a layout of 4000 characters"),
        ("timezone('../../../../etc/passwd')", "no timezone"),
        ("int(repeat('9', 100000))", "is no int"),
        ("date('9999-12-31') + duration('100000h')", "outside of the years"),
    ],
)
def test_is_stopped_when_it_is_evaluated(text: str, says: str) -> None:
    env = {"msg": {"big": list(range(1000)), "other": [*range(999), 0], "text": "x" * 10_000}}
    with pytest.raises(EvaluationError, match=says):
        compile_expression(text).evaluate(env)


def test_a_pattern_takes_time_that_grows_with_the_text_only() -> None:
    """With backtracking this takes longer than the world has been there."""
    expression = compile_expression("msg matches '^(a+)+$' or msg matches '(a|aa)+$' or msg matches '(.*)*(.*)*b'")
    assert expression.evaluate({"msg": "a" * 100_000 + "!"}) is False


def test_a_long_chain_of_conditions_is_not_a_deep_one() -> None:
    assert compile_expression(" or ".join(["msg.a == 1"] * 1000)).evaluate({"msg": {"a": 2}}) is False
    assert compile_expression(" && ".join(["msg.a > 1"] * 1000)).evaluate({"msg": {"a": 2}}) is True


def test_what_is_as_deep_as_allowed_can_be_evaluated() -> None:
    assert compile_expression("(" * 49 + "1" + ")" * 49).evaluate({}) == 1
    assert compile_expression("a" + "+a" * 98).evaluate({"a": 1}) == 99
    assert compile_expression("not " * 98 + "a").evaluate({"a": True}) is True
    deep = "map(msg, " * 48 + "#" + ")" * 48
    assert compile_expression(deep).evaluate({"msg": []}) == []


def test_deep_values_are_an_error_not_a_crash() -> None:
    deep: Any = 1
    for _ in range(50_000):
        deep = [deep]
    for text in (
        "msg == other",
        "string(msg)",
        "toJSON(msg)",
        "flatten(msg)",
        "max(msg)",
        "mean(msg)",
        "uniq([msg, other])",
    ):
        with pytest.raises(EvaluationError):
            compile_expression(text).evaluate({"msg": deep, "other": [deep[0]]})


def words(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(text.split())


PIECES = words(
    "msg metadata nil true 1 2.5 0 -1 'a' \"b\" `c` # #acc #index .x ( ) [ ] { } , ; : ? ?. ?? . .. | + - * / % ** ^ "
    "== != < >= and or not ! && || in contains startsWith matches let x = if else // /* */ len( map( filter( reduce( "
    "sortBy( sum( upper( split( toJSON( date( now() duration( msg.a msg.list [0] [1:2] $env int( get( $ \\ é"
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=25))
def test_whatever_is_written_is_a_value_or_one_of_two_errors(pieces: list[str]) -> None:
    env = {"msg": {"a": 1, "list": [1, "a", None, {"x": 2}]}, "metadata": {"type": "a"}}
    with suppress(BadExpression, EvaluationError):
        compile_expression(" ".join(pieces)).evaluate(env)


OPERATORS = [
    *("+", "-", "*", "/", "%", "**", "..", "==", "!=", "<", "<=", ">", ">=", "in", "contains", "startsWith"),
    *("endsWith", "matches", "??", "and", "or"),
]
METHOD_CALLS = [f"now().{name}(a)" for name in ("Format", "Add", "In", "Sub", "After", "Year")]
ONE = [
    *(
        "-a",
        "+a",
        "not a",
        "a ? 1 : 2",
        "a.b",
        "a?.b.c",
        "a[:]",
        "{(a): 1}",
        "duration('1h').Truncate(a)",
        *METHOD_CALLS,
    ),
    *(f"{name}(a)" for name in FUNCTIONS),
    *(f"{name}(a, #)" for name in LOOPS),
]
TWO = [
    *(f"a {operator} b" for operator in OPERATORS),
    *("a[b]", "a[b:]", "a[:b]", "reduce(a, #acc + #, b)", "sortBy(a, #, b)", "map([a], # == b)", "[a, b] == [b, a]"),
    *(f"{name}(a, b)" for name in FUNCTIONS),
]


def offered(text: str) -> Expression | None:
    """None where so many arguments are not taken."""
    with suppress(BadExpression):
        return compile_expression(text)
    return None


@pytest.mark.parametrize("text", [text for text in ONE if offered(text)])
def test_takes_or_refuses_every_value(text: str) -> None:
    for a in EVERYTHING:
        with suppress(EvaluationError):
            value = compile_expression(text).evaluate({"a": a})
            with suppress(EvaluationError):
                as_json(value)
                as_text(value)


@pytest.mark.parametrize("text", [text for text in TWO if offered(text)])
def test_takes_or_refuses_every_two_values(text: str) -> None:
    compile_expression(text).evaluate_all([{"a": a, "b": b} for a in EVERYTHING for b in EVERYTHING])


def test_the_functions_that_are_tried_are_all() -> None:
    tried = [*ONE, *TWO]
    for name in FUNCTIONS:
        assert any(text.startswith(f"{name}(") and offered(text) for text in tried) or FUNCTIONS[name].least > 2
