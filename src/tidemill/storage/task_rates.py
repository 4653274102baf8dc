"""How many tasks of a name were handed out lately, as one value of a row. Pure; knows no database."""

from __future__ import annotations

import sys

from tidemill.core.codec import pack, unpack
from tidemill.workflows.plans.plan import Limits


class HandedOut:
    """When how many tasks were handed out, as far back as the limit looks: in no stretch of `rate_s` are there more
    than `rate`, wherever it begins. `stored` is what `and_now` returned last, or empty."""

    def __init__(self, limits: Limits, stored: bytes, now_ms: int) -> None:
        from_ms = now_ms - round(limits.rate_s * 1000)
        self._now_ms = now_ms
        self._moments = [(at_ms, count) for at_ms, count in (unpack(stored) if stored else ()) if at_ms > from_ms]
        handed = sum(count for _, count in self._moments)
        self.room: int = max(limits.rate - handed, 0) if limits.rate else sys.maxsize

    def and_now(self, count: int) -> bytes:
        return pack([*self._moments, (self._now_ms, count)])
