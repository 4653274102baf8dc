"""What expressions give, against what expr-lang itself gives: the table was checked with its Go library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tidemill.expressions.exprlang import BadExpression, EvaluationError, compile_expression

ENV: dict[str, Any] = {
    "msg": {
        "temperature": 60.5,
        "count": 3,
        "name": "sensor-1",
        "list": [1, 2, 3],
        "nested": {"a": {"b": 7}},
        "items": [{"name": "b", "v": 2}, {"name": "a", "v": 1}],
        "flag": True,
        "pattern": "^s",
        "big": 9007199254740993,
    },
    "metadata": {"type": "a"},
}
TABLE = Path(__file__).with_name("as_in_go.txt").read_text().splitlines()
CASES = [tuple(line.rsplit(" => ", 1)) for line in TABLE if not line.startswith("# expression") and " => " in line]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_gives_what_expr_lang_gives(text: str, expected: str) -> None:
    try:
        value = compile_expression(text).evaluate(ENV)
    except (BadExpression, EvaluationError):
        assert expected == "error"
        return
    assert json.dumps(value, ensure_ascii=False) == expected


def test_the_table_is_read() -> None:
    assert len(CASES) > 350
    assert {len(case) for case in CASES} == {2}
