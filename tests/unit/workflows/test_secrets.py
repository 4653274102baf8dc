"""Secrets in inputs: only where the definition names them, and only in what is handed over."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.core.errors import NotFound
from tidemill.expressions.template import Template, examine_template
from tidemill.workflows.secrets import KEEP, filled

SECRETS = {"A": "alpha", "B": "${workflow.secrets.A}", "C.d": "dotted"}


def template_of(value: Any) -> Template:
    template, findings = examine_template(value, keep=KEEP)
    assert findings == []
    return template


def given(value: Any, root: Any = None) -> Any:
    template = template_of(value)
    return filled(template, template.render(root), SECRETS)


def test_a_secret_alone_in_a_text_and_deep_inside() -> None:
    value = {"key": "${workflow.secrets.A}", "deep": [{"auth": "Bearer ${workflow.secrets.C.d}!"}], "n": 1}
    assert given(value) == {"key": "alpha", "deep": [{"auth": "Bearer dotted!"}], "n": 1}


def test_data_that_looks_like_a_secret_stays_data() -> None:
    """Or whoever can write a record could read every secret."""
    evil = "${workflow.secrets.A}"
    root = {"x": evil, "o": {"key": evil, "more": [evil]}}
    assert given({"a": "${x}", "b": "${o}", "c": "<${x}>"}, root) == {"a": evil, "b": root["o"], "c": f"<{evil}>"}
    assert given({"a": "${x} ${workflow.secrets.C.d}"}, root) == {"a": f"{evil} dotted"}


def test_a_secret_that_names_another_is_not_read_again() -> None:
    assert given("${workflow.secrets.B} ${workflow.secrets.A}") == "${workflow.secrets.A} alpha"


def test_an_escaped_expression_is_text() -> None:
    assert given({"a": "$${workflow.secrets.A}", "b": "${workflow.secrets.A}"}) == {
        "a": "${workflow.secrets.A}",
        "b": "alpha",
    }


def test_an_input_of_another_shape_is_left_alone() -> None:
    """Somebody ran the task again with an input of their own."""
    template = template_of({"a": "${workflow.secrets.A}", "b": ["${workflow.secrets.A}"]})
    values: list[Any] = [{"a": 5, "b": ["x", "y"], "c": "${workflow.secrets.A}"}, [], None, "${workflow.secrets.B}"]
    for value in values:
        assert filled(template, value, SECRETS) == value


def test_the_stored_value_is_not_touched() -> None:
    template = template_of({"a": {"b": "${workflow.secrets.A}"}})
    stored = template.render({})
    assert filled(template, stored, SECRETS) == {"a": {"b": "alpha"}}
    assert stored == {"a": {"b": "${workflow.secrets.A}"}}


def test_whoever_hands_over_learns_what_is_missing() -> None:
    template = template_of({"a": "${workflow.secrets.A}", "b": "${workflow.secrets.gone}"})
    with pytest.raises(NotFound, match="there is no secret 'gone'") as missing:
        filled(template, template.render({}), {"A": "alpha"})
    assert "alpha" not in str(missing.value)
    assert filled(template, template.render({}), {"A": "alpha", "gone": "here"}) == {"a": "alpha", "b": "here"}
