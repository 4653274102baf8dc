"""What is ours about Go templates: places of mistakes, names, bounds, and where we differ from Go on purpose."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.expressions.odd_values import EVERYTHING
from tidemill.expressions.gotemplate import BadExpression, EvaluationError, compile_go_template
from tidemill.expressions.gotemplate.functions import FUNCTIONS
from tidemill.expressions.gotemplate.printing import VERBS

ENV: dict[str, Any] = {"id": "m-1", "msg": {"n": 3, "f": 3.0, "s": "é", "list": [1, 2]}, "metadata": {"type": "a"}}


def rendered(source: str, env: dict[str, Any] | None = None) -> str:
    return compile_go_template(source).render(ENV if env is None else env)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ if eq .msg.n 3.0 }}same{{ end }}", "same"),  # Go compares no int with a float
        ("{{ lt .msg.n 3.5 }}", "true"),
        ("{{ eq .msg.list .msg.list }}", "true"),
        ("{{ len .msg.s }}", "1"),  # Go counts bytes
        ('{{ printf "%d %.1f" .msg.f .msg.n }}', "3 3.0"),
        ('{{ printf "%T" .msg.f }}', "float"),
        ("{{ range $i, $n := 2 }}{{ $i }}{{ $n }}{{ end }}", "0011"),
    ],
)
def test_differs_from_go_on_purpose(source: str, text: str) -> None:
    assert rendered(source) == text


@pytest.mark.parametrize(
    ("source", "line", "column", "says"),
    [
        ("a {{ .id", 1, 3, "`{{` without its `}}`"),
        ("a\n {{ 'ab' }}", 2, 5, "is not one character"),
        ("{{ if .id }}", 1, 1, "`if` without its `end`"),
        ("{{ range .a }}{{ else }}", 1, 1, "`range` without its `end`"),
        ("x{{ end }}", 1, 5, "`end` without an `if`, `with` or `range`"),
        ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", 1, 24, "`else` after `else`"),
        ("{{ upper .id }}", 1, 4, "there is no function upper"),
        ("{{ printff .id }}", 1, 4, "did you mean 'printf'?"),
        ("{{ escape }}", 1, 4, "escape takes 1 arguments, not 0"),
        ("{{ .id | escape .id }}", 1, 10, "escape takes 1 arguments, not 2"),
        ("{{ $x }}", 1, 4, "there is no variable $x"),
        ("{{ $.x := 1 }}", 1, 4, "cannot be declared"),
        ("{{ 1 | 2 }}", 1, 8, "is no function, and a pipe leads only to those"),
        ("{{ .id .id }}", 1, 8, "takes no arguments"),
        ("{{ break }}", 1, 4, "`break` stands only in `range`"),
        ('{{ define "a" }}{{ end }}', 1, 4, "`define` is not offered here"),
        ('{{ template "a" }}', 1, 4, "`template` is not offered here"),
        ("{{ call .id }}", 1, 4, "there is no function call"),
        ("{{ (1 }}", 1, 4, "`(` is never closed"),
        ("{{ 1) }}", 1, 5, "unexpected ')'"),
        ("{{ @ }}", 1, 4, "unexpected '@'"),
        ('{{ "abc }}', 1, 4, "closing quote"),
        ("{{ 99999999999999999999 }}", 1, 4, "too large"),
    ],
)
def test_a_bad_template_says_where_and_why(source: str, line: int, column: int, says: str) -> None:
    with pytest.raises(BadExpression) as caught:
        compile_go_template(source)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ .msg.n.x }}", "cannot get x from int (line 1, column 4)"),
        ("a\n{{ .msg.n | escape }}", "escape: it takes a string, not int (line 2, column 13)"),
        ("{{ .msg.missing | escape }}", "it takes a string, not nil"),
        ("{{ eq .id .msg.n }}", "eq cannot compare string with int"),
        ("{{ lt .msg.list .msg.list }}", "array < array is not defined"),
        ("{{ range .id }}{{ end }}", "range cannot go through string"),
        ('{{ printf "%d" .id }}', "%d is not for string"),
        ('{{ printf "%d" 1.5 }}', "%d is not for float"),
        ('{{ printf "%s" 5 }}', "%s is not for int"),
        ('{{ printf "%d %d" 1 }}', "%d has no argument"),
        ('{{ printf "%d" 1 2 }}', "1 arguments are left over"),
        ('{{ printf "%z" 1 }}', "%z is no verb"),
        ('{{ printf "100%" }}', "% is no verb"),
        ("{{ index .msg.list 5 }}", "index 5 is beyond the 2"),
        ("{{ slice .msg.list 2 1 }}", "2 is behind 1"),
    ],
)
def test_an_evaluation_error_says_where_and_why(source: str, says: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        rendered(source)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("text", set()),
        ("{{ .msg.a.b }}{{ .id }}", {("msg", "a"), ("id", None)}),
        (
            "{{ range .msg.list }}{{ .x }}{{ $.y.z }}{{ else }}{{ .w }}{{ end }}",
            {("msg", "list"), ("y", "z"), ("w", None)},
        ),
        ("{{ with .a }}{{ .b }}{{ else }}{{ .c }}{{ end }}{{ .d }}", {("a", None), ("c", None), ("d", None)}),
        ("{{ if .a }}{{ .b }}{{ end }}", {("a", None), ("b", None)}),
        ("{{ . }}", {("$env", None)}),
        ('{{ printf "%v" $ }}', {("$env", None)}),
        ('{{ index .node "x" }}', {("node", None)}),
    ],
)
def test_names_are_what_it_reads(source: str, names: set[tuple[str, str | None]]) -> None:
    assert compile_go_template(source).names == names


def test_a_batch_gives_a_text_or_an_error_for_each() -> None:
    template = compile_go_template("{{ $x := .msg.n }}{{ $x }}{{ .msg.n.y }}")
    texts = template.render_all([{"msg": {}}, {"msg": {"n": 1}}, {"msg": {"n": {"y": 2}}}])
    assert texts[0] == "<no value><no value>"
    assert isinstance(texts[1], EvaluationError)
    assert texts[2] == "map[y:2]2"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x" * 20_001, "a template may have 20,000"),
        ("{{ " + "(" * 60 + "1" + ")" * 60 + " }}", "brackets within more than 50 brackets"),
        ("{{ if 1 }}" * 60 + "{{ end }}" * 60, "blocks within more than 50 blocks"),
        ("{{ if 0 }}" + "{{ else if 0 }}" * 60 + "{{ end }}", "blocks within more than 50 blocks"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_is_refused_when_it_is_compiled(source: str, says: str) -> None:
    with pytest.raises(BadExpression, match=says):
        compile_go_template(source)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ range 1000000000000 }}x{{ end }}", "1,000,000 steps"),
        ("{{ range 900 }}{{ range 900 }}{{ range 900 }}x{{ end }}{{ end }}{{ end }}", "1,000,000 steps"),
        ("{{ range 999 }}{{ range 999 }}{{ $x := . }}{{ end }}{{ end }}", "1,000,000 steps"),
        ("{{ range 9999 }}{{ $.big }}{{ end }}", "gets longer than 1,000,000"),
        ('{{ printf "%100000d" 1 }}', "a width of 100000"),
        ('{{ printf "%.100000f" 1.0 }}', "a precision of 100000"),
        ('{{ $x := "ab" }}{{ range 99 }}{{ $x = print $x $x }}{{ end }}', "an expression may make 1,000,000"),
        ('{{ $x := "<<" }}{{ range 99 }}{{ $x = html $x $x }}{{ end }}', "an expression may make 1,000,000"),
        ('{{ range 99999 }}{{ $x := printf "%s%s" $.big $.big }}{{ end }}', "1,000,000 steps"),
        ("{{ range 99999 }}{{ $x := println $.big $.big }}{{ end }}", "1,000,000 steps"),
        ("{{ .deep }}", "nested deeper than 200"),
        ("{{ eq .deep .deeper }}", "nested deeper than 200"),
    ],
)
def test_is_stopped_when_it_is_rendered(source: str, says: str) -> None:
    deep: Any = 1
    for _ in range(10_000):
        deep = [deep]
    with pytest.raises(EvaluationError, match=says):
        rendered(source, {"big": "x" * 1000, "deep": deep, "deeper": [deep[0]]})


def test_attributes_of_objects_are_out_of_reach() -> None:
    class Thing:
        secret = 7

    for source in ("{{ .thing.secret }}", '{{ index .thing "secret" }}', "{{ .thing.__class__ }}", "{{ .id.upper }}"):
        with pytest.raises(EvaluationError):
            rendered(source, {"thing": Thing(), "id": "a"})


def words(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(text.split(" "))


PIECES = words(
    "{{ }} {{- -}} . .msg .msg.list $ $x $x.y := = | , ( ) 1 2.5 -3 \"a\" `b` 'c' true nil if else end range with "
    'break continue and or not eq lt len index slice print printf html js "%v%5d" escape text {{/* */}} \n define'
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25), st.booleans())
def test_whatever_is_written_is_a_text_or_one_of_two_errors(pieces: list[str], as_action: bool) -> None:
    source = " ".join(pieces)
    with suppress(BadExpression, EvaluationError):
        rendered(f"{{{{ {source} }}}}" if as_action else source)


ONE = [
    "{{ . }}",
    "{{ .a }}",
    "{{ if .a }}{{ end }}",
    "{{ range .a }}{{ . }}{{ end }}",
    "{{ with .a }}{{ .b }}{{ end }}",
]
ONE += [f"{{{{ {name} .a }}}}" for name in [*FUNCTIONS, "and", "or"]] + [
    f'{{{{ printf "%{verb}" .a }}}}' for verb in VERBS
]
TWO = [f"{{{{ {name} .a .b }}}}" for name in [*FUNCTIONS, "and", "or"]] + [
    "{{ slice .a .b .b }}",
    "{{ index .a .b .b }}",
]


def offered(source: str) -> bool:
    with suppress(BadExpression):
        return bool(compile_go_template(source))
    return False


@pytest.mark.parametrize("source", [source for source in [*ONE, *TWO] if offered(source)])
def test_takes_or_refuses_every_value(source: str) -> None:
    template = compile_go_template(source)
    template.render_all([{"a": a, "b": b} for a in EVERYTHING for b in (EVERYTHING if ".b" in source else [None])])


def test_the_functions_that_are_tried_are_all() -> None:
    assert all(offered(f"{{{{ {name} .a }}}}") or offered(f"{{{{ {name} .a .b }}}}") for name in FUNCTIONS)
