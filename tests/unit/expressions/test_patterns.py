"""Patterns of ThingsBoard's nodes."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.expressions.patterns import Pattern

METADATA = {"deviceName": "SN-111", "ts": "17", "trap": "$[n]"}
DATA = {"n": 1.5, "on": True, "nothing": None, "name": "x", "in": {"side": "y", "a.b": 1}, "list": [1]}


@pytest.mark.parametrize(
    ("pattern", "rendered"),
    [
        ("plain", "plain"),
        ("a-${deviceName}-$[n]-b", "a-SN-111-1.5-b"),
        ("${deviceName}${ts}", "SN-11117"),
        ("$[in.side] $[on] $[nothing] $[name]", "y true null x"),
        ("${missing} $[missing] $[in.missing] $[n.deeper]", "${missing} $[missing] $[in.missing] $[n.deeper]"),
        ("$[in] $[list]", "$[in] $[list]"),
        ("$[] ${} $ {", "$[] ${} $ {"),
        ("${trap}", "$[n]"),
        ("${open", "${open"),
    ],
)
def test_what_is_there_takes_the_place_of_its_name(pattern: str, rendered: str) -> None:
    assert Pattern(pattern).render(METADATA, lambda: DATA) == rendered


@pytest.mark.parametrize("data", [None, "text", [1], 7])
def test_data_without_fields_leave_the_pattern_as_it_is(data: Any) -> None:
    assert Pattern("$[n]-${ts}").render(METADATA, lambda: data) == "$[n]-17"


def test_data_are_read_only_where_the_pattern_asks_for_them() -> None:
    def unread() -> Any:
        raise AssertionError("nobody asked")

    assert Pattern("t-${deviceName}").render(METADATA, unread) == "t-SN-111"
    assert Pattern("t").is_constant and not Pattern("${ts}").is_constant
