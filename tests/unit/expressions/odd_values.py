"""A value of each kind that can come to an expression, and of each that never should."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from tidemill.expressions.exprlang.values import Duration

EVERYTHING: list[Any] = [
    *(None, True, False, 0, 1, -7, (1 << 63) - 1, -(1 << 63), 1 << 70, 10**400),
    *(0.0, 2.5, -1e300, math.nan, math.inf, -math.inf),
    *("", "a", "2023-01-01", "%d", "(", "Z", "é\ud800", b"", b"\xff"),
    *(
        [],
        [1, 2],
        ["b", None],
        [[1], {"a": 1}],
        [math.nan, 1],
        (1,),
        {},
        {"a": 1},
        {"a": {"b": [1]}},
        MappingProxyType({"a": 1}),
    ),
    *(datetime(2023, 8, 14, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC), Duration(5), Duration(-(1 << 63))),
    *(ZoneInfo("Europe/Zurich"), object(), len, int),
]
