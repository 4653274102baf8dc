"""Go's layouts of dates (`2006-01-02 15:04:05`): read and written, for the parts that stand for a number or a name."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from tidemill.expressions.exprlang.errors import Misuse

DEFAULTS = (
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
)
"""What `date()` tries when it is given no layout."""
LAYOUT_MAX = 200

_MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_PART = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|Z07:00|Z0700|-07:00|-0700|-07|[.,]0+(?!\d)|[.,]9+(?!\d)|002|01|02|03|04|05|06"
    r"|15|PM|pm|_2|1|2|3|4|5"
)
_READ = {
    "2006": r"(?P<year>\d{4})",
    "06": r"(?P<short_year>\d{2})",
    "01": r"(?P<month>\d{2})",
    "1": r"(?P<month>\d{1,2})",
    "January": f"(?P<month_name>{'|'.join(_MONTHS)})",
    "Jan": f"(?P<month_name>{'|'.join(name[:3] for name in _MONTHS)})",
    "02": r"(?P<day>\d{2})",
    "2": r"(?P<day>\d{1,2})",
    "_2": r"\s?(?P<day>\d{1,2})",
    "002": r"(?P<day_of_year>\d{3})",
    "Monday": f"(?:{'|'.join(_DAYS)})",
    "Mon": f"(?:{'|'.join(name[:3] for name in _DAYS)})",
    "15": r"(?P<hour>\d{1,2})",
    "03": r"(?P<hour>\d{2})",
    "3": r"(?P<hour>\d{1,2})",
    "04": r"(?P<minute>\d{2})",
    "4": r"(?P<minute>\d{1,2})",
    "05": r"(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?",
    "5": r"(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?",
    "PM": r"(?P<half>AM|PM)",
    "pm": r"(?P<half>am|pm)",
    "MST": r"(?P<zone_name>[A-Z]{3,4}|[+-]\d{2})",
    "Z07:00": r"(?P<offset>Z|[+-]\d{2}:\d{2})",
    "Z0700": r"(?P<offset>Z|[+-]\d{4})",
    "-07:00": r"(?P<offset>[+-]\d{2}:\d{2})",
    "-0700": r"(?P<offset>[+-]\d{4})",
    "-07": r"(?P<offset>[+-]\d{2})",
}


def parse_moment(text: str, layout: str, zone: tzinfo = UTC) -> datetime:
    """Raises `Misuse`. What the layout does not have is Go's zero: the first of January of the year 1 (0 in Go)."""
    try:
        found = re.compile(_pattern(layout)).fullmatch(text)
        if found is None:
            raise Misuse(f"{text[:60]!r} is no date like {layout!r}")
        return _moment(found.groupdict(), zone)
    except (ValueError, OverflowError, re.error) as error:
        raise Misuse(f"{text[:60]!r} is no date like {layout!r}: {error}") from error


def _pattern(layout: str) -> str:
    """Each part is bounded in length and no part repeats, so that it is quick on every text."""
    if len(layout) > LAYOUT_MAX:
        raise Misuse(f"a layout of {len(layout)} characters; it may have {LAYOUT_MAX}")
    pattern, position = "", 0
    for part in _PART.finditer(layout):
        pattern += re.escape(layout[position : part.start()])
        position = part.end()
        if part[0][0] in ".,":
            pattern += "" if pattern.endswith((_READ["05"], _READ["5"])) else r"[.,]\d{1,9}"
        else:
            pattern += _READ[part[0]]
    return pattern + re.escape(layout[position:])


def _moment(found: dict[str, str | None], zone: tzinfo) -> datetime:
    def number(name: str, otherwise: int) -> int:
        return int(found.get(name) or otherwise)

    year = number("year", 1)
    if short := found.get("short_year"):
        year = int(short) + (1900 if int(short) >= 69 else 2000)
    month = number("month", 1)
    if name := found.get("month_name"):
        month = next(n for n, known in enumerate(_MONTHS, 1) if known.startswith(name))
    hour = number("hour", 0)
    if half := found.get("half"):
        hour = hour % 12 + (12 if half.lower() == "pm" else 0)
    microsecond = int((found.get("fraction") or "").ljust(6, "0")[:6])
    moment = datetime(
        max(year, 1),
        month,
        number("day", 1),
        hour,
        number("minute", 0),
        number("second", 0),
        microsecond,
        _zone(found, zone),
    )
    return moment + timedelta(days=number("day_of_year", 1) - 1)


def _zone(found: dict[str, str | None], otherwise: tzinfo) -> tzinfo:
    offset = found.get("offset")
    if offset is None:
        return UTC if found.get("zone_name") in ("UTC", "GMT") else otherwise
    if offset == "Z":
        return UTC
    digits = offset[1:].replace(":", "").ljust(4, "0")
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-shift if offset[0] == "-" else shift)


def format_moment(moment: datetime, layout: str) -> str:
    """Raises `Misuse`."""
    if len(layout) > LAYOUT_MAX:
        raise Misuse(f"a layout of {len(layout)} characters; it may have {LAYOUT_MAX}")
    return _PART.sub(lambda part: _written(moment, part[0]), layout)


def _written(moment: datetime, part: str) -> str:
    if part[0] in ".,":
        digits = f"{moment.microsecond:06d}000"[: len(part) - 1]
        if part[1] == "0":
            return part[0] + digits
        digits = digits.rstrip("0")
        return part[0] + digits if digits else ""
    return _WRITE[part](moment)


def _offset(moment: datetime, colon: str, zulu: bool = False) -> str:
    shift = moment.utcoffset() or timedelta()
    if zulu and not shift:
        return "Z"
    minutes = abs(shift) // timedelta(minutes=1)
    return f"{'-' if shift < timedelta() else '+'}{minutes // 60:02d}{colon}{minutes % 60:02d}"


_WRITE: dict[str, Callable[[datetime], str]] = {
    "2006": lambda moment: f"{moment.year:04d}",
    "06": lambda moment: f"{moment.year % 100:02d}",
    "01": lambda moment: f"{moment.month:02d}",
    "1": lambda moment: str(moment.month),
    "January": lambda moment: _MONTHS[moment.month - 1],
    "Jan": lambda moment: _MONTHS[moment.month - 1][:3],
    "02": lambda moment: f"{moment.day:02d}",
    "2": lambda moment: str(moment.day),
    "_2": lambda moment: f"{moment.day:2d}",
    "002": lambda moment: f"{moment.timetuple().tm_yday:03d}",
    "Monday": lambda moment: _DAYS[moment.weekday()],
    "Mon": lambda moment: _DAYS[moment.weekday()][:3],
    "15": lambda moment: f"{moment.hour:02d}",
    "03": lambda moment: f"{(moment.hour + 11) % 12 + 1:02d}",
    "3": lambda moment: str((moment.hour + 11) % 12 + 1),
    "04": lambda moment: f"{moment.minute:02d}",
    "4": lambda moment: str(moment.minute),
    "05": lambda moment: f"{moment.second:02d}",
    "5": lambda moment: str(moment.second),
    "PM": lambda moment: "PM" if moment.hour >= 12 else "AM",
    "pm": lambda moment: "pm" if moment.hour >= 12 else "am",
    "MST": lambda moment: moment.tzname() or "UTC",
    "Z07:00": lambda moment: _offset(moment, ":", zulu=True),
    "Z0700": lambda moment: _offset(moment, "", zulu=True),
    "-07:00": lambda moment: _offset(moment, ":"),
    "-0700": lambda moment: _offset(moment, ""),
    "-07": lambda moment: _offset(moment, "")[:3],
}
