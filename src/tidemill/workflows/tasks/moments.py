"""Durations and dates as people write them in definitions. Raises `ValueError` with a sentence for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SPELLINGS = {
    **dict.fromkeys(("ms", "milli", "millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
    **dict.fromkeys(("w", "week", "weeks"), "w"),
}
_PART = re.compile(r"\s*(\d{1,12}(?:\.\d{1,9})?)\s*([a-z]+)\s*,?")
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?")
_ABBREVIATIONS = {"PST": "PST8PDT", "CST": "CST6CDT", "IST": "Asia/Kolkata", "CET": "Europe/Paris", "JST": "Asia/Tokyo"}
"""Names of zones that people write and the zone database lacks or reads without summer time."""
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_DURATION_MS_MAX = 100 * 365 * 86_400_000
_DATE_MS_MAX = 253_402_300_799_999


def parse_duration_ms(value: Any) -> int:
    """`2 hours 30 minutes`, `1d 2h`, `30s`; a bare number is seconds. At most 100 years."""
    duration_ms = _number_ms(value)
    if duration_ms is None:
        duration_ms = _parts_ms(value)
    if not 0 <= duration_ms <= _DURATION_MS_MAX:
        raise ValueError(f"a duration is from 0 to 100 years, not {value!r}")
    return duration_ms


def _number_ms(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return round(float(value) * 1_000)
    except ValueError:
        return None
    except OverflowError:
        return -1


def _parts_ms(value: Any) -> int:
    text = value.strip().lower() if isinstance(value, str) else ""
    total, at = 0.0, 0
    while at < len(text):
        part = _PART.match(text, at)
        unit = _SPELLINGS.get(part[2]) if part else None
        if part is None or unit is None:
            break
        total += float(part[1]) * _UNITS_MS[unit]
        at = part.end()
    if not text or at < len(text):
        raise ValueError(f"cannot read {value!r} as a duration: write it like '2 hours 30 minutes' or '1d 2h'")
    return round(total)


def parse_date_ms(value: Any) -> int:
    """`2026-12-24 18:00 Europe/Oslo`, the same without zone (UTC) or time, ISO 8601, or ms since 1970."""
    if isinstance(value, int) and not isinstance(value, bool):
        if not 0 <= value <= _DATE_MS_MAX:
            raise ValueError(f"a date is from 1970 to the year 9999, not {value!r} ms")
        return value
    moment = _moment(value.strip()) if isinstance(value, str) else None
    if moment is None:
        raise ValueError(f"cannot read {value!r} as a date: write it like '2026-12-24 18:00 GMT+01:00'")
    return round(moment.timestamp() * 1_000)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        pass
    when, _, zone_name = text.rpartition(" ")
    zone = _zone(zone_name)
    for pattern in _FORMATS if zone else ():
        try:
            return datetime.strptime(when, pattern).replace(tzinfo=zone)
        except ValueError:
            continue
    return None


def _zone(name: str) -> tzinfo | None:
    offset = _OFFSET.fullmatch(name)
    if offset:
        sign = -1 if offset[1] == "-" else 1
        shift = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        return timezone(sign * shift) if shift < timedelta(hours=24) else None
    if name in ("UTC", "GMT", "Z"):
        return UTC
    try:
        return ZoneInfo(_ABBREVIATIONS.get(name, name))
    except (ValueError, OSError, KeyError):
        # The zone database raises any of these for a name that is no zone, or no file name at all.
        return None
