"""What is ours about expressions: places of mistakes, names, batches, and where we differ from Go on purpose."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from tidemill.core.clock import HeldClock
from tidemill.expressions.exprlang import BadExpression, EvaluationError, compile_expression

ENV: dict[str, Any] = {"msg": {"n": 3, "t": 1.5, "s": "abc", "list": [1, 2]}, "metadata": {"type": "a"}, "id": "m-1"}


def evaluated(text: str, env: dict[str, Any] | None = None) -> Any:
    return compile_expression(text).evaluate(ENV if env is None else env)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("msg.big", 9007199254740993),  # Go reads every number of a message as a float
        ("msg.big % 2", 1),
        ("msg.big == 9007199254740992", False),
        ("{in: 1, or: 2, let: 3}", {"in": 1, "or": 2, "let": 3}),
        ("'日本語'[0:1] + '日本語'[-1]", "日語"),  # Go counts bytes here, and characters in len()
        ("fromPairs([['a', 1]])", {"a": 1}),
        ("groupBy([1, 2, 3], # % 2)", {1: [1, 3], 0: [2]}),
        ("date('2023-08-14').Month() == 8", True),
        ("true == 1", False),
        ("1 in nil", False),
        ("get(nil, 'a')", None),
        ("let x = 1; let x = 2; x", 2),
        ("toJSON({a: 2.0, b: 0.5})", '{\n  "a": 2,\n  "b": 0.5\n}'),
        ("string(1500000)", "1500000"),
        ("any", None),
        ("keys({b: 1, a: 2})", ["b", "a"]),
    ],
)
def test_differs_from_go_on_purpose(text: str, value: Any) -> None:
    assert evaluated(text, {"msg": {"big": 9007199254740993}}) == value


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775807 + 1",
        "msg.max + 1",
        "msg.max * 2",
        "-9223372036854775807 - 2",
        "-(-9223372036854775807 - 1)",
        "abs(-9223372036854775807 - 1)",
        "int(1e30)",
        "sum([msg.max, 1])",
    ],
)
def test_a_whole_number_beyond_64_bits_is_an_error_and_does_not_go_round(text: str) -> None:
    with pytest.raises((BadExpression, EvaluationError), match=r"64 bits|no int"):
        evaluated(text, {"msg": {"max": (1 << 63) - 1}})


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("msg.n >", 1, 8, "ends too early"),
        ("", 1, 1, "empty"),
        ("  \n ", 1, 1, "empty"),
        ("1 +\n  * 2", 2, 3, "unexpected '*'"),
        ("msg.n > 'a", 1, 9, "closing quote"),
        ("msg.n @ 2", 1, 7, "unexpected '@'"),
        ("(1", 1, 1, "`(` is never closed"),
        ("(1]", 1, 3, "`]` does not close `(`"),
        ("1)", 1, 2, "`)` closes nothing"),
        ("msg.s |\n uper()", 2, 2, "there is no function uper(); did you mean 'upper'?"),
        ("len(1, 2)", 1, 1, "len() takes 1 arguments, not 2"),
        ("filter(msg.list)", 1, 1, "filter() takes 2 arguments, not 1"),
        ("# > 1", 1, 1, "`#` stands only in a predicate"),
        ("map(msg.list, #acc)", 1, 15, "`#acc` is not known in map()"),
        ("map(msg.list, #x)", 1, 15, "`#x` is not known in map()"),
        ("msg.a ?? 1 + 2", 1, 12, "parentheses"),
        ("1 + 'a'", 1, 3, "int + string is not defined"),
        ("msg.s matches '('", 1, 15, "no regular expression"),
        ("msg.s matches 'a(?=b)'", 1, 15, "no regular expression"),
        (r"'ab\q'", 1, 4, "no character"),
        ("let len = 1; len", 1, 5, "has a meaning already"),
        ("include('/etc/passwd')", 1, 1, "not offered here: it would read files"),
        ("fileExists('/etc/passwd')", 1, 1, "not offered here"),
    ],
)
def test_a_bad_expression_says_where_and_why(text: str, line: int, column: int, says: str) -> None:
    with pytest.raises(BadExpression) as caught:
        compile_expression(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("msg.missing > 50", "nil > int is not defined (line 1, column 13)"),
        ("missing > 50", "nil > int is not defined"),
        ("50 < msg.missing", "int < nil is not defined"),
        ("msg.s >= 50", "string >= int is not defined"),
        ("missing.x", "cannot get x from nil (line 1, column 8)"),
        ("msg.n.x", "cannot get x from int"),
        ("msg.n and true", "int and ... is not defined"),
        ("msg.n ? 1 : 2", "a condition must be true or false, not int"),
        ("filter(msg.list, #)", "filter(): its predicate must be true or false, not int"),
        ("filter(msg.s, true)", "filter(): it takes an array, not string"),
        ("upper(msg.n)", "upper(): it takes a string, not int (line 1, column 1)"),
        ("msg.list[2]", "index 2 is beyond the 2 that there are"),
        ("msg.list[0/0]", "NaN is no index"),
        ("msg.s.upper()", "string has no method upper"),
        ("now().Nope()", "time.Time has no method Nope"),
        ("duration('1h').Truncate()", "Truncate takes 1 arguments, not 0"),
        ("msg.n % 0", "division by zero"),
        ("toJSON(1 / 0)", "+Inf cannot be written as JSON"),
    ],
)
def test_an_evaluation_error_says_where_and_why(text: str, says: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluated(text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1 + 2", set()),
        ("id", {("id", None)}),
        ("msg.a.b > msg.c", {("msg", "a"), ("msg", "c")}),
        ("node_1.msg.x ?? metadata['k']", {("node_1", "msg"), ("metadata", "k")}),
        ("msg[id]", {("msg", None), ("id", None)}),
        ("msg?.a[0]", {("msg", "a")}),
        ("$env['node-1'].msg.x", {("node-1", "msg")}),
        ("$env['x']", {("x", None)}),
        ("$env", {("$env", None)}),
        ("let x = msg.a; x.b + y.c", {("msg", "a"), ("y", "c")}),
        ("filter(msg.items, .v > # and .w == other.z)", {("msg", "items"), ("other", "z")}),
        ("msg | len()", {("msg", None)}),
    ],
)
def test_names_are_what_it_reads(text: str, names: set[tuple[str, str | None]]) -> None:
    assert compile_expression(text).names == names


def test_a_batch_gives_a_value_or_an_error_for_each() -> None:
    expression = compile_expression("msg.n > 2")
    values = expression.evaluate_all([{"msg": {"n": 1}}, {"msg": {}}, {}, {"msg": {"n": 3}}])
    assert values[0] is False
    assert isinstance(values[1], EvaluationError)
    assert isinstance(values[2], EvaluationError)
    assert values[3] is True


def test_a_batch_counts_the_steps_of_each_by_itself() -> None:
    expression = compile_expression("sum(1..msg.n)")
    values = expression.evaluate_all([{"msg": {"n": 300_000}}] * 5)
    assert values == [300_000 * 300_001 // 2] * 5


def test_nothing_of_one_message_is_left_for_the_next() -> None:
    expression = compile_expression("let list = [1]; {kept: list, found: msg.x ?? 0}")
    first = expression.evaluate({"msg": {"x": 5}})
    first["kept"].append(2)
    assert expression.evaluate({"msg": {}}) == {"kept": [1], "found": 0}


def test_functions_change_nothing_that_they_are_given() -> None:
    env: dict[str, Any] = {"msg": {"list": [3, 1, 2]}}
    for text in [
        "sort(msg.list)",
        "reverse(msg.list)",
        "concat(msg.list, [1])",
        "sortBy(msg.list, #)",
        "uniq(msg.list)",
    ]:
        evaluated(text, env)
    assert env == {"msg": {"list": [3, 1, 2]}}


def test_now_asks_the_clock_it_was_given() -> None:
    clock = HeldClock(1_700_000_000_000)
    expression = compile_expression("now().UnixMilli()", clock)
    assert expression.evaluate({}) == 1_700_000_000_000
    clock.advance(2.5)
    assert expression.evaluate({}) == 1_700_000_002_500


def test_any_mapping_is_a_map() -> None:
    env = MappingProxyType({"msg": MappingProxyType({"a": MappingProxyType({"b": 5})})})
    assert compile_expression("msg.a.b + len(msg) + ('a' in msg ? 1 : 0)").evaluate(env) == 7


@pytest.mark.parametrize("name", ["__class__", "keys", "_secret", "secret"])
def test_attributes_of_objects_are_out_of_reach(name: str) -> None:
    class Thing:
        secret = _secret = 7

    for env in ({"thing": Thing()}, {"thing": Thing}, {"thing": len}):
        for text in (f"thing.{name}", f"thing['{name}']", f"thing.{name}()", f"get(thing, '{name}')"):
            with pytest.raises(EvaluationError):
                compile_expression(text).evaluate(env)
    assert evaluated(f"msg.{name}") is None
