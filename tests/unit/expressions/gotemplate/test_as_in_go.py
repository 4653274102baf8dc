"""What templates give, against what Go's text/template gives: the table was checked with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tidemill.expressions.gotemplate import BadExpression, EvaluationError, compile_go_template

ENV: dict[str, Any] = {
    "msg": {
        "t": 60.5,
        "n": 3,
        "big": 1500000,
        "bigf": 1500000.0,
        "name": 'sé"n',
        "none": None,
        "ok": True,
        "list": [1, "a", None],
        "m": {"b": 1, "a": "x"},
        "empty": "",
        "el": [],
        "whole": 2.0,
    },
    "metadata": {"type": "a"},
    "id": "x1",
}
TABLE = Path(__file__).with_name("as_in_go.txt").read_text().splitlines()
CASES = [tuple(line.rsplit(" => ", 1)) for line in TABLE if line.startswith('"')]


@pytest.mark.parametrize(("source", "expected"), CASES, ids=[source for source, _ in CASES])
def test_gives_what_go_gives(source: str, expected: str) -> None:
    try:
        text = compile_go_template(json.loads(source)).render(ENV)
    except (BadExpression, EvaluationError):
        assert expected == "error"
        return
    assert json.dumps(text, ensure_ascii=False) == expected


def test_the_table_is_read() -> None:
    assert len(CASES) > 170
    assert {len(case) for case in CASES} == {2}
