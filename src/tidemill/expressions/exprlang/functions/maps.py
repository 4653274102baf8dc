"""Functions of maps. Their keys are in the order in which they came."""

from __future__ import annotations

from typing import Any

from tidemill.expressions.exprlang.bounds import Frame
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.functions.shape import Function, items, key, mapping


def _keys(frame: Frame, value: Any) -> list[Any]:
    frame.charge(len(mapping(value)))
    return list(value)


def _values(frame: Frame, value: Any) -> list[Any]:
    frame.charge(len(mapping(value)))
    return list(value.values())


def _to_pairs(frame: Frame, value: Any) -> list[list[Any]]:
    frame.charge(3 * len(mapping(value)))
    return [[name, item] for name, item in value.items()]


def _from_pairs(frame: Frame, value: Any) -> dict[Any, Any]:
    frame.charge(len(items(value)))
    made = {}
    for pair in value:
        if len(items(pair)) != 2:
            raise Misuse(f"a pair of {len(pair)} items")
        made[key(pair[0])] = pair[1]
    return made


FUNCTIONS = {
    "keys": Function(_keys, 1, 1),
    "values": Function(_values, 1, 1),
    "toPairs": Function(_to_pairs, 1, 1),
    "fromPairs": Function(_from_pairs, 1, 1),
}
