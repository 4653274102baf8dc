"""Functions of dates, durations and timezones. `now` is not here: it needs a clock, and the compiler has it."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from tidemill.expressions.exprlang.bounds import Frame
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.functions.shape import Function, text
from tidemill.expressions.exprlang.layouts import DEFAULTS, parse_moment
from tidemill.expressions.exprlang.moments import parse_duration, time_zone
from tidemill.expressions.exprlang.values import Duration


def _duration(_frame: Frame, value: Any) -> Duration:
    return parse_duration(text(value))


def _date(frame: Frame, *values: Any) -> datetime:
    """`date(text)`, `date(text, layout)`, `date(text, layout, "Europe/Zurich")`, each also with a zone before all."""
    frame.charge(10)
    zone: tzinfo = UTC
    if isinstance(values[0], tzinfo):
        zone, values = values[0], values[1:]
    if not 1 <= len(values) <= 3:
        raise Misuse("it takes a text, perhaps a layout, perhaps a timezone")
    if len(values) == 3:
        zone = time_zone(text(values[2]))
    if len(values) >= 2:
        return parse_moment(text(values[0]), text(values[1]), zone)
    for layout in DEFAULTS:
        try:
            return parse_moment(text(values[0]), layout, zone)
        except Misuse:
            continue
    raise Misuse(f"{text(values[0])[:60]!r} is no date")


def _time_zone(_frame: Frame, name: Any) -> tzinfo:
    return time_zone(text(name))


FUNCTIONS = {
    "duration": Function(_duration, 1, 1),
    "date": Function(_date, 1, 4),
    "timezone": Function(_time_zone, 1, 1),
}
