"""Durations and dates as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.workflows.tasks.moments import parse_date_ms, parse_duration_ms

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("30s", 30_000),
        ("2 hours 30 minutes", 2 * HOUR_MS + 1_800_000),
        ("1d 2h", 26 * HOUR_MS),
        ("1D2H", 26 * HOUR_MS),
        ("1 day, 2 hours", 26 * HOUR_MS),
        ("250ms", 250),
        ("1.5 m", 90_000),
        ("1 week", 168 * HOUR_MS),
        (" 5 sec ", 5_000),
        (7, 7_000),
        (0.25, 250),
        ("15", 15_000),
        ("0s", 0),
    ],
)
def test_durations(text: Any, expected_ms: int) -> None:
    assert parse_duration_ms(text) == expected_ms


@pytest.mark.parametrize(
    "value",
    ["", "soon", "5 parsecs", "s", "-5s", -1, "1h x", None, True, [], "200 years", 1e300, "nan", "inf", float("nan")],
)
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(ValueError, match=r"duration"):
        parse_duration_ms(value)


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("2026-12-24", 1_798_070_400_000),
        ("2026-12-24 18:00", 1_798_135_200_000),
        ("2026-12-24 18:00 UTC", 1_798_135_200_000),
        ("2026-12-24 18:00 GMT+01:00", 1_798_131_600_000),
        ("2026-12-24 18:00 GMT+1", 1_798_131_600_000),
        ("2026-12-24 18:00:30 +0100", 1_798_131_630_000),
        ("2026-12-24T18:00:00Z", 1_798_135_200_000),
        ("2026-12-24T18:00:00.5+01:00", 1_798_131_600_500),
        (1_798_131_600_500, 1_798_131_600_500),
    ],
)
def test_dates(text: Any, expected_ms: int) -> None:
    assert parse_date_ms(text) == expected_ms


@pytest.mark.parametrize(
    "value",
    [
        "",
        "tomorrow",
        "2026-13-01",
        "2026-12-24 18:00 Nowhere/City",
        "2026-12-24 18:00 ../../etc",
        "2026-12-24 18:00 +99:00",
        None,
        True,
        1.5,
        -1,
        2**63,
        18_446_744_073_709_551_615,
    ],
)
def test_what_is_no_date(value: Any) -> None:
    with pytest.raises(ValueError, match="date"):
        parse_date_ms(value)


@given(st.one_of(st.text(max_size=40), st.integers(), st.floats(), st.none()))
def test_anything_is_read_or_refused_in_a_sentence(value: Any) -> None:
    for parse in (parse_duration_ms, parse_date_ms):
        try:
            parsed = parse(value)
        except ValueError as error:
            assert str(error)
        else:
            assert isinstance(parsed, int)
            assert -(2**63) <= parsed < 2**63, "a timer's column takes no more"
