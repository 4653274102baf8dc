"""The functions of expr-lang that take a predicate: `filter(list, # > 1)`. Each pass pays for the predicate's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tidemill.expressions.exprlang.bounds import Frame
from tidemill.expressions.exprlang.closures import Run
from tidemill.expressions.exprlang.errors import Misuse, Place
from tidemill.expressions.exprlang.functions.lists import sort_by
from tidemill.expressions.exprlang.functions.shape import items, key
from tidemill.expressions.exprlang.operators import add
from tidemill.expressions.exprlang.values import check_depth, kind

Env = Mapping[str, Any]


class Loop:
    """A list and what is worked out for each of its items. `slot` holds the item, the next two its index and the
    accumulator."""

    __slots__ = ("at", "body", "extra", "name", "slot", "source", "weight")

    def __init__(
        self, name: str, source: Run, body: Run | None, extra: Run | None, slot: int, weight: int, at: Place
    ) -> None:
        self.name = name
        self.source = source
        self.body: Run = body or (lambda _env, frame: frame.slots[slot])
        self.extra = extra
        self.slot = slot
        self.weight = weight
        self.at = at

    def items(self, env: Env, frame: Frame) -> Sequence[Any]:
        try:
            found = items(self.source(env, frame))
        except Misuse as misuse:
            raise self.misused(str(misuse)) from None
        frame.charge(len(found) * self.weight)
        return found

    def passes(self, env: Env, frame: Frame, found: Sequence[Any]) -> Iterator[Any]:
        """The items, each put into its slot before."""
        slots, slot = frame.slots, self.slot
        for index, item in enumerate(found):
            slots[slot] = item
            slots[slot + 1] = index
            yield item

    def holds(self, env: Env, frame: Frame) -> bool:
        value = self.body(env, frame)
        if value is True or value is False:
            return value
        raise self.misused(f"its predicate must be true or false, not {kind(value)}")

    def misused(self, message: str) -> Exception:
        return Misuse(f"{self.name}(): {message}").at(self.at)


def _quantifier(deciding: bool, decided: bool) -> Callable[[Loop], Run]:
    """`any`, `all`, `none`: the first item for which the predicate is `deciding` makes it `decided`."""

    def make(loop: Loop) -> Run:
        def run(env: Env, frame: Frame) -> bool:
            for _ in loop.passes(env, frame, loop.items(env, frame)):
                if loop.holds(env, frame) is deciding:
                    return decided
            return not decided

        return run

    return make


def _one(loop: Loop) -> Run:
    count = _count(loop)
    return lambda env, frame: bool(count(env, frame) == 1)


def _count(loop: Loop) -> Run:
    def run(env: Env, frame: Frame) -> int:
        return sum(loop.holds(env, frame) for _ in loop.passes(env, frame, loop.items(env, frame)))

    return run


def _filter(loop: Loop) -> Run:
    def run(env: Env, frame: Frame) -> list[Any]:
        return [item for item in loop.passes(env, frame, loop.items(env, frame)) if loop.holds(env, frame)]

    return run


def _map(loop: Loop) -> Run:
    def run(env: Env, frame: Frame) -> list[Any]:
        return [loop.body(env, frame) for _ in loop.passes(env, frame, loop.items(env, frame))]

    return run


def _sum(loop: Loop) -> Run:
    def run(env: Env, frame: Frame) -> Any:
        total: Any = 0
        for _ in loop.passes(env, frame, loop.items(env, frame)):
            try:
                total = add(loop.body(env, frame), total, frame)
            except Misuse as misuse:
                raise loop.misused(str(misuse)) from None
        return total

    return run


def _find(from_the_end: bool, wants_index: bool) -> Callable[[Loop], Run]:
    """nil where none is found."""

    def make(loop: Loop) -> Run:
        def run(env: Env, frame: Frame) -> Any:
            found = loop.items(env, frame)
            order = range(len(found) - 1, -1, -1) if from_the_end else range(len(found))
            for index in order:
                frame.slots[loop.slot] = found[index]
                frame.slots[loop.slot + 1] = index
                if loop.holds(env, frame):
                    return index if wants_index else found[index]
            return None

        return run

    return make


def _group_by(loop: Loop) -> Run:
    def run(env: Env, frame: Frame) -> dict[Any, list[Any]]:
        groups: dict[Any, list[Any]] = {}
        for item in loop.passes(env, frame, loop.items(env, frame)):
            try:
                groups.setdefault(key(loop.body(env, frame)), []).append(item)
            except Misuse as misuse:
                raise loop.misused(str(misuse)) from None
        return groups

    return run


def _sort_by(loop: Loop) -> Run:
    def run(env: Env, frame: Frame) -> list[Any]:
        found = list(loop.items(env, frame))
        order = loop.extra(env, frame) if loop.extra else "asc"
        values = [loop.body(env, frame) for _ in loop.passes(env, frame, found)]
        try:
            return sort_by(frame, found, values, order)
        except Misuse as misuse:
            raise loop.misused(str(misuse)) from None

    return run


def _reduce(loop: Loop) -> Run:
    def run(env: Env, frame: Frame) -> Any:
        found = loop.items(env, frame)
        begin = 0
        if loop.extra:
            total = loop.extra(env, frame)
        elif found:
            total, begin = found[0], 1
        else:
            raise loop.misused("of an empty array it needs a value to begin with")
        slots, slot = frame.slots, loop.slot
        for index in range(begin, len(found)):
            slots[slot : slot + 3] = found[index], index, total
            total = loop.body(env, frame)
        try:
            check_depth(total, frame)
        except Misuse as misuse:
            raise loop.misused(str(misuse)) from None
        return total

    return run


class Shape:
    """How many arguments a loop takes with the list itself, and what makes its closure."""

    __slots__ = ("least", "make", "most")

    def __init__(self, make: Callable[[Loop], Run], least: int = 2, most: int = 2) -> None:
        self.make = make
        self.least = least
        self.most = most


LOOPS: dict[str, Shape] = {
    "all": Shape(_quantifier(deciding=False, decided=False)),
    "any": Shape(_quantifier(deciding=True, decided=True)),
    "none": Shape(_quantifier(deciding=True, decided=False)),
    "one": Shape(_one),
    "filter": Shape(_filter),
    "map": Shape(_map),
    "count": Shape(_count, least=1),
    "sum": Shape(_sum, least=1),
    "find": Shape(_find(from_the_end=False, wants_index=False)),
    "findIndex": Shape(_find(from_the_end=False, wants_index=True)),
    "findLast": Shape(_find(from_the_end=True, wants_index=False)),
    "findLastIndex": Shape(_find(from_the_end=True, wants_index=True)),
    "groupBy": Shape(_group_by),
    "sortBy": Shape(_sort_by, most=3),
    "reduce": Shape(_reduce, most=3),
}
