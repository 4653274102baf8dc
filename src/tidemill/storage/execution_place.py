"""Near a page that is very far back: a time, and how many rows of the search lie before it. Nothing but indexes is
read, each by itself and without sorting: rows are counted in slices of time, each as wide as those before it say.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, CompoundSelect, Select, bindparam, func, select, union_all

from tidemill.storage.execution_ranges import AXES, Range
from tidemill.storage.session import Session
from tidemill.storage.tables import executions
from tidemill.workflows.ports import ExecutionQuery

NEAR = 20_000
"""So many rows may be left, or as many as have one time."""
_GUESSES = 10
_FIRST: BindParameter[int] = bindparam("first")
_LAST: BindParameter[int] = bindparam("last")


class Place(NamedTuple):
    """`before`: how many rows there are before that time, in the order of the search; all that there are, without a
    time."""

    at_ms: int | None
    before: int


async def place_of(session: Session, query: ExecutionQuery, ranges: Sequence[Range]) -> Place:
    """Not after the row `query.start`."""
    times = await _Times.of(session, ranges)
    ends = await times.ends()
    if ends is None:
        return Place(None, 0)
    earliest_ms, latest_ms = ends
    walk = _Walk(query.start, latest_ms - earliest_ms + 1)
    while (reach := walk.next()) is not None:
        first, last = walk.at, reach - 1
        if query.order == "newest":
            walk.counted(reach, await times.count(latest_ms - last, latest_ms - first))
        else:
            walk.counted(reach, await times.count(earliest_ms + first, earliest_ms + last))
    if walk.at >= walk.end:
        return Place(None, walk.before)
    return Place(latest_ms - walk.at if query.order == "newest" else earliest_ms + walk.at, walk.before)


class _Walk:
    """Goes on along a line of moments until `wanted` rows lie behind it, or nearly. It never goes too far: a slice that
    has too many is cut."""

    def __init__(self, wanted: int, end: int) -> None:
        self.at = 0
        self.before = 0
        self.end = end
        self._wanted = wanted
        self._width = end / 64
        self._cut: int | None = None
        """What is wanted is known to be before this,"""
        self._rows_to_cut = 0
        """and so many rows are up to there."""
        self._slices = 0

    def next(self) -> int | None:
        """The end of the next slice, itself not in it; None at the place."""
        most = self.end if self._cut is None else self._cut - 1
        if self._wanted - self.before <= NEAR or self.at >= most:
            return None
        self._slices += 1
        if self._slices > _GUESSES:
            self._width = (most - self.at) / 2
        return min(self.at + max(round(self._width), 1), most)

    def counted(self, reach: int, rows: int) -> None:
        left = self._wanted - self.before
        width = reach - self.at
        if rows > left:
            self._cut, self._rows_to_cut = reach, rows
        else:
            self.at, self.before = reach, self.before + rows
            self._rows_to_cut -= rows
            left -= rows
        if self._cut is not None:
            width, rows = self._cut - self.at, self._rows_to_cut
        self._width = width * 4 if rows == 0 else 0.98 * width * left / rows


class _Times:
    """Of the rows of all ranges: what is in an index is counted there, and what is not has been read."""

    def __init__(self, session: Session, ranges: Sequence[Range], read: Sequence[int]) -> None:
        self._session = session
        self._ranges = ranges
        self._read = read
        self._statement = slice_of(ranges) if ranges else None

    @classmethod
    async def of(cls, session: Session, ranges: Sequence[Range]) -> _Times:
        read: list[int] = []
        for each in ranges:
            if each.axis == "change":
                read += [row[0] for row in await session.execute(select(AXES["change"]).where(*each.conditions))]
        return cls(session, [each for each in ranges if each.axis != "change"], sorted(read))

    async def ends(self) -> tuple[int, int] | None:
        """The first and the last; None where there are none."""
        found = [*self._read[:1], *self._read[-1:]]
        if self._ranges:
            found += [row[0] for row in await self._session.execute(ends_of(self._ranges))]
        return (min(found), max(found)) if found else None

    async def count(self, first_ms: int, last_ms: int) -> int:
        rows = bisect_right(self._read, last_ms) - bisect_left(self._read, first_ms)
        if self._statement is not None:
            values = {"first": first_ms, "last": last_ms}
            rows += int((await self._session.execute(self._statement, values)).scalar_one())
        return rows


def slice_of(ranges: Sequence[Range]) -> Select[Any]:
    """How many there are from `first` to `last`."""
    return select(reduce(add, (_count_of(each) for each in ranges)))


def _count_of(one: Range) -> ColumnElement[int]:
    axis = AXES[one.axis]
    # The slice comes first: SQLite begins at the bound that it reads first.
    within = select(func.count()).select_from(executions).where(axis >= _FIRST, axis <= _LAST, *one.conditions)
    return within.scalar_subquery()


def ends_of(ranges: Sequence[Range]) -> CompoundSelect[Any]:
    """The first and the last time of each."""
    parts: list[Select[Any]] = []
    for each in ranges:
        axis = AXES[each.axis]
        times = select(axis.label("at")).where(*each.conditions).limit(1)
        parts += [select(times.order_by(order).subquery().c.at) for order in (axis, axis.desc())]
    return union_all(*parts)
