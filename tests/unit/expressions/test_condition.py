"""Truth and bindings of conditions, without a sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.core.codec import from_json
from tidemill.expressions.condition import binding, is_true, reads_record


@pytest.mark.parametrize("value", [True, 1, 0.5, 10**30])
def test_true(value: Any) -> None:
    assert is_true(value)


@pytest.mark.parametrize("value", [False, 0, -1, 0.0, None, "", "true", "yes", [1], {"a": 1}])
def test_everything_else_is_false(value: Any) -> None:
    assert not is_true(value)


def test_a_script_sees_the_body_and_the_record() -> None:
    assert from_json(binding(b'{"a": [1, "\xc3\xa9"]}', {"topic": "t", "offset": 7})) == {
        "$": {"a": [1, "é"]},
        "$record": {"topic": "t", "offset": 7},
    }


def test_without_a_record_there_is_only_the_body() -> None:
    assert from_json(binding(b"null")) == {"$": None}


def test_a_script_that_names_the_record_reads_it() -> None:
    assert reads_record("$record.topic == 'x'")
    assert not reads_record("$.a > 1")
