"""Points in time (`datetime`) and durations (nanoseconds), as Go's `time` reckons with them. Asks no clock."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tidemill.expressions.exprlang import layouts
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.values import Duration, as_number, is_number, kind, whole

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:ns|us|µs|μs|ms|s|m|h)){1,50})")
_PART = re.compile(r"([\d.]+)(ns|us|µs|μs|ms|s|m|h)")


def add(a: Any, b: Any) -> Any:
    """None where it is not defined; so for the others."""
    if isinstance(a, datetime) and type(b) is Duration:
        return _shifted(a, b)
    if type(a) is Duration and isinstance(b, datetime):
        return _shifted(b, a)
    if type(a) is Duration and type(b) is Duration:
        return Duration(whole(int(a) + int(b)))
    return None


def subtract(a: Any, b: Any) -> Any:
    if isinstance(a, datetime) and isinstance(b, datetime):
        return Duration(nanoseconds(a) - nanoseconds(b))
    if isinstance(a, datetime) and type(b) is Duration:
        return _shifted(a, -int(b))
    if type(a) is Duration and type(b) is Duration:
        return Duration(whole(int(a) - int(b)))
    return None


def multiply(a: Any, b: Any) -> Any:
    if type(b) is Duration:
        a, b = b, a
    if type(a) is Duration and is_number(b):
        if not math.isfinite(b):
            raise Misuse(f"a duration times {as_number(b)}")
        return Duration(whole(int(int(a) * b)))
    return None


def negate(value: Any) -> Any:
    if type(value) is Duration:
        return Duration(whole(-int(value)))
    raise Misuse(f"-{kind(value)} is not defined")


def are_comparable(a: Any, b: Any) -> bool:
    return (isinstance(a, datetime) and isinstance(b, datetime)) or (type(a) is Duration and type(b) is Duration)


def _shifted(moment: datetime, duration_ns: int) -> datetime:
    try:
        return moment + timedelta(microseconds=int(duration_ns) // 1000)
    except OverflowError:
        raise Misuse("a date outside of the years 1 to 9999") from None


def nanoseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def from_ms(time_ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=time_ms)


def parse_duration(text: str) -> Duration:
    if not _DURATION.fullmatch(text):
        raise Misuse(f"{text[:40]!r} is no duration; one is written like 1h30m")
    amount = sum(Decimal(number) * _UNITS_NS[unit] for number, unit in _PART.findall(text))
    return Duration(whole(int(-amount if text.startswith("-") else amount)))


def duration_text(duration: Duration) -> str:
    """`1h0m0.5s`, as Go."""
    left = abs(int(duration))
    sign = "-" if duration < 0 else ""
    if left < _UNITS_NS["s"]:
        unit = "ns" if left < 1_000 else "µs" if left < 1_000_000 else "ms"
        return f"{sign}{_decimal(left, _UNITS_NS[unit])}{unit}" if left else "0s"
    hours, left = divmod(left, _UNITS_NS["h"])
    minutes, left = divmod(left, _UNITS_NS["m"])
    seconds = f"{_decimal(left, _UNITS_NS['s'])}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _decimal(amount: int, unit: int) -> str:
    return format((Decimal(amount) / unit).normalize(), "f")


def time_zone(name: str) -> tzinfo:
    try:
        return UTC if name in ("", "UTC") else ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise Misuse(f"{name[:40]!r} is no timezone that is known here") from None


def _truncated(duration: Duration, to: Any) -> Duration:
    if type(to) is not Duration or to <= 0:
        return duration
    return Duration(
        int(duration) - int(duration) % int(to) if duration >= 0 else -(-int(duration) // int(to) * int(to))
    )


def _in_zone(moment: datetime, zone: Any) -> datetime:
    if not isinstance(zone, tzinfo):
        raise Misuse(f"In() takes a timezone, not {kind(zone)}")
    return moment.astimezone(zone)


def _formatted(moment: datetime, layout: Any) -> str:
    if type(layout) is not str:
        raise Misuse(f"Format() takes a layout, not {kind(layout)}")
    return layouts.format_moment(moment, layout)


def _added(moment: datetime, duration: Any) -> datetime:
    if type(duration) is not Duration:
        raise Misuse(f"Add() takes a duration, not {kind(duration)}")
    return _shifted(moment, duration)


def _since(moment: datetime, other: Any) -> Any:
    if not isinstance(other, datetime):
        raise Misuse(f"Sub() takes a date, not {kind(other)}")
    return subtract(moment, other)


def _compared(test: Callable[[datetime, datetime], bool]) -> Callable[..., Any]:
    def run(moment: datetime, other: Any) -> bool:
        if not isinstance(other, datetime):
            raise Misuse(f"a date is compared with {kind(other)}")
        return test(moment, other)

    return run


def moment_text(moment: datetime) -> str:
    return layouts.format_moment(moment, "2006-01-02 15:04:05.999999999 -0700 MST")


METHODS: dict[type, dict[str, tuple[int, Callable[..., Any]]]] = {
    datetime: {
        "Year": (0, lambda moment: moment.year),
        "Month": (0, lambda moment: moment.month),
        "Day": (0, lambda moment: moment.day),
        "Hour": (0, lambda moment: moment.hour),
        "Minute": (0, lambda moment: moment.minute),
        "Second": (0, lambda moment: moment.second),
        "Nanosecond": (0, lambda moment: moment.microsecond * 1000),
        "Weekday": (0, lambda moment: moment.isoweekday() % 7),
        "YearDay": (0, lambda moment: moment.timetuple().tm_yday),
        "Unix": (0, lambda moment: nanoseconds(moment) // 1_000_000_000),
        "UnixMilli": (0, lambda moment: nanoseconds(moment) // 1_000_000),
        "UnixMicro": (0, lambda moment: nanoseconds(moment) // 1_000),
        "UnixNano": (0, nanoseconds),
        "UTC": (0, lambda moment: moment.astimezone(UTC)),
        "In": (1, _in_zone),
        "Format": (1, _formatted),
        "Add": (1, _added),
        "Sub": (1, _since),
        "After": (1, _compared(lambda moment, other: moment > other)),
        "Before": (1, _compared(lambda moment, other: moment < other)),
        "Equal": (1, _compared(lambda moment, other: moment == other)),
        "String": (0, moment_text),
    },
    Duration: {
        "Hours": (0, lambda duration: int(duration) / _UNITS_NS["h"]),
        "Minutes": (0, lambda duration: int(duration) / _UNITS_NS["m"]),
        "Seconds": (0, lambda duration: int(duration) / _UNITS_NS["s"]),
        "Milliseconds": (0, lambda duration: int(int(duration) / 1_000_000)),
        "Microseconds": (0, lambda duration: int(int(duration) / 1_000)),
        "Nanoseconds": (0, int),
        "Abs": (0, lambda duration: Duration(whole(abs(int(duration))))),
        "Truncate": (1, _truncated),
        "String": (0, duration_text),
    },
}
"""How many arguments each takes, and what it does."""
