"""What `${...}` templates render to, and what is wrong with bad ones."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import Any

import pytest

from tidemill.core.errors import BadInput
from tidemill.expressions.template import NESTED_MAX, compile_template, examine_template

ROOT = {
    "orderId": "o-1",
    "version": 2,
    "price": 1.5,
    "paid": True,
    "none": None,
    "a": {"b": [{"c": 7}, {"c": 8}], "d-e": "dash", "f.g": "dotted", "}": "brace"},
    "which": "b",
    "items": [{"n": 1, "ok": True}, {"n": 2, "ok": False}],
    "some-task_1": {"output": {"x": 5}},
}
RECORD = {"topic": "orders", "partition": 3, "offset": 42, "key": "k", "headers": {"trace": "t"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${orderId}", "o-1"),
        ("${version}", 2),
        ("${paid}", True),
        ("${none}", None),
        ("${missing.deep[3].x}", None),
        ("${a.b[0].c}", 7),
        ("${a.b[-1].c}", 8),
        ("${a.b[9].c}", None),
        ("${orderId[0]}", None),
        ("${orderId.x}", None),
        ("${a.b.c}", None),
        ("${$}", ROOT),
        ("${$.a.b[1].c}", 8),
        ("${$['a']['f.g']}", "dotted"),
        ('${a["f.g"]}', "dotted"),
        ("${a.d-e}", "dash"),
        ("${some-task_1.output.x}", 5),
        ("${a['}']}", "brace"),
        ("${ version }", 2),
        ("${items[*].n}", [1, 2]),
        ("${items[?(@.ok == true)].n}", [1]),
        ("${items[?@.ok==true && @.n<2].n}", [1]),
        ("${$..c}", [7, 8]),
        ("${nothing[*]}", []),
        ("${some-task_1.output.*}", [5]),
        ("${items[0:1].n}", [1]),
        ("${a.${which}[0].c}", 7),
        ("${a.${missing}[0].c}", None),
        ("${${which}}", None),
        ("${$record.topic}", "orders"),
        ("${$record.headers.trace}", "t"),
        ("${$record['offset']}", 42),
        ("${$record}", RECORD),
        ("${items[?@['n'] == 2].n}", [2]),
        ('${items[?@["n"] == 2].n}', [2]),
        ("${}", ""),
        ("a${}b", "ab"),
        ("order ${orderId} v${version} ${paid} ${none} ${price}", "order o-1 v2 true null 1.5"),
        ("${a.b}!", '[{"c":7},{"c":8}]!'),
        ("$${orderId}", "${orderId}"),
        ("$${orderId} is ${orderId}", "${orderId} is o-1"),
        ("$${a.${which}}", "${a.b}"),
        ("price: $5 {x} }", "price: $5 {x} }"),
        ("${orderId}${version}", "o-12"),
        ("${items[?(@.n == 2)].ok} ${which}", "[false] b"),
    ],
)
def test_an_expression_gives(text: str, value: Any) -> None:
    assert compile_template(text).render(ROOT, RECORD) == value


def test_maps_and_lists_are_walked_and_keys_are_not() -> None:
    template = compile_template({"${version}": ["${version}", {"x": "v${version}"}, 3], "c": {"d": [1]}})
    assert template.render(ROOT) == {"${version}": [2, {"x": "v2"}, 3], "c": {"d": [1]}}


def test_one_rendering_does_not_show_in_the_next() -> None:
    template = compile_template({"x": "${version}", "y": ["${version}"]})
    first = template.render({"version": 1})
    first["x"] = first["y"][0] = "changed"
    assert template.render({"version": 2}) == {"x": 2, "y": [2]}


def test_the_environment_does_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_SECRET", "s3cret")
    names = ["TIDEMILL_SECRET", *list(os.environ)[:20]]
    assert [compile_template(f"${{{name}}}").render({}) for name in names if name.isidentifier()] == [None] * len(
        [name for name in names if name.isidentifier()]
    )


def test_without_a_record_its_paths_are_null() -> None:
    assert compile_template("${$record.topic}").render(ROOT) is None


def test_any_json_value_may_be_the_root() -> None:
    assert compile_template("${$[1].x}").render([0, {"x": 1}]) == 1
    assert compile_template("${$}").render(5) == 5
    assert compile_template("${a.b}").render(None) is None
    assert compile_template("${a[*]}").render(MappingProxyType({"a": [1, 2]})) == [1, 2]


@pytest.mark.parametrize(
    ("value", "roots"),
    [
        ("${workflow.input.x} ${some_ref.output}", {"workflow", "some_ref"}),
        ({"a": ["${x[0]}", "${['odd name'].y}"]}, {"x", "odd name"}),
        ("${$}", {"$"}),
        ("${$.a}", {"a"}),
        ("${$..a}", {"$"}),
        ("${$[0]}", {"$"}),
        ("${a.${b.c}}", {"$", "b"}),
        ("${items[?@.n == $.a].n}", {"$", "items"}),
        ("${$record.topic}", set()),
    ],
)
def test_roots_are_the_first_names(value: Any, roots: set[str]) -> None:
    assert compile_template(value).roots == roots


@pytest.mark.parametrize("value", [1, None, "text", [1, {"a": "b"}], "$${a}", {"a": []}])
def test_what_reads_nothing_is_constant(value: Any) -> None:
    template = compile_template(value)
    assert template.is_constant
    assert template.roots == frozenset()
    assert template.source is value


def test_what_reads_something_is_not_constant() -> None:
    assert not compile_template({"a": "${$record.topic}"}).is_constant


def test_all_mistakes_come_together_with_their_places() -> None:
    document = {
        "a": {"b": "${x[}"},
        "list": ["fine", "${unclosed"],
        "odd.key": "${a b}",
        "m": "${x[?match(@.a,'b')]}",
        "r": "${$recorder}",
    }
    with pytest.raises(BadInput) as caught:
        compile_template(document, "actions[0].input")
    assert [finding.path for finding in caught.value.findings] == [
        "actions[0].input.a.b",
        "actions[0].input.list[1]",
        'actions[0].input["odd.key"]',
        "actions[0].input.m",
        "actions[0].input.r",
    ]
    assert {finding.kind for finding in caught.value.findings} == {"expression"}
    assert "$${" in caught.value.findings[1].message


@pytest.mark.parametrize("depth", [NESTED_MAX + 1, 5_000])
def test_expressions_that_are_nested_too_deep_are_a_mistake(depth: int) -> None:
    assert compile_template("${" * NESTED_MAX + "a" + "}" * NESTED_MAX).render(ROOT) is None
    for text in ("${" * depth + "a" + "}" * depth, "${" * depth):
        with pytest.raises(BadInput, match="nested deeper than 20 levels"):
            compile_template(text)


def test_what_is_not_mistaken_is_looked_at_all_the_same() -> None:
    value = {"a": "${x[} ${b.c} ${a b}", "d": ["${e} ${f.${g"], "h": "${x[}"}
    template, findings = examine_template(value)
    assert [finding.path for finding in findings] == ["a", "a", "d[0]", "h"]
    assert "'${f.${g'" in findings[2].message
    assert template.roots == {"b", "e"}
    assert not template.is_constant
    assert template.render({"b": {"c": 1}, "e": 2}) == {"a": "null 1 null", "d": ["2 null"], "h": None}


def test_what_is_kept_stays_as_it_is_written() -> None:
    value = {"a": "${ keep.x }", "b": "v ${keep.y} ${version}", "c": "$${keep.z}", "d": ["${keeper.x}"]}
    template, findings = examine_template(value, keep="keep.")
    assert findings == []
    assert template.render(ROOT) == {"a": "${keep.x}", "b": "v ${keep.y} 2", "c": "${keep.z}", "d": [None]}
    assert template.kept == {"keep.x", "keep.y"}
    assert template.roots == {"version", "keeper"}
    assert compile_template("${keep.x}").kept == frozenset()


@pytest.mark.parametrize("text", ["${keep.${which}}", "${a.${keep.x}}", "${keep.x} ${a.${keep.x}}"])
def test_what_is_kept_is_neither_computed_nor_a_part_of_what_is(text: str) -> None:
    _, findings = examine_template({"p": text}, keep="keep.")
    assert [(finding.path, finding.kind) for finding in findings] == [("p", "expression")]
