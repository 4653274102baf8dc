"""When a schedule's moments are: cron with seconds, `@hourly` and the like, and `@every 1h30m`. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

_PART = re.compile(r"(\d+)(ms|s|m|h)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_SHORT = {"@midnight": "@daily", "@annually": "@yearly"}


class Moments:
    """Times in ms since 1970. Raises `ValueError` for a text that is no schedule."""

    def __init__(self, text: str, zone: str = "") -> None:
        self._zone = _zone(zone)
        self._every_ms = _interval_ms(text) if text.startswith("@every") else 0
        self._text = _SHORT.get(text, text).replace("?", "*")
        if not self._every_ms:
            self.after(0)

    def after(self, at_ms: int) -> int:
        """The first one later than that."""
        if self._every_ms:
            return at_ms - at_ms % self._every_ms + self._every_ms
        return self._ms(self._cron(at_ms).get_next(datetime))

    def last_until(self, at_ms: int) -> int:
        """The last one that is not later than that."""
        if self._every_ms:
            return at_ms - at_ms % self._every_ms
        return self._ms(self._cron(at_ms + 1).get_prev(datetime))

    def _cron(self, at_ms: int) -> Any:
        from croniter import croniter  # only who has schedules pays for it

        return croniter(self._text, datetime.fromtimestamp(at_ms / 1000, self._zone), second_at_beginning=True)

    def _ms(self, moment: datetime) -> int:
        return round(moment.timestamp() * 1000)


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error


def _interval_ms(text: str) -> int:
    """Of `@every 1h30m`, at least a second."""
    given = text.removeprefix("@every").strip()
    if not given or _PART.sub("", given):
        raise ValueError(f"{text!r} is no interval, as in '@every 1h30m' or '@every 10s'")
    interval_ms = sum(int(number) * _UNIT_MS[unit] for number, unit in _PART.findall(given))
    if interval_ms < 1_000:
        raise ValueError(f"{text!r} is less than a second")
    return interval_ms
