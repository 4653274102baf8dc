"""Python closures for what has no loop: reading, comparing, reckoning. Each is made once and run per message.

The common shapes (`a.b`, a comparison with a constant, a chain of `and`) have closures of their own: these are the
hot path of every filter.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidemill.expressions.exprlang import operators
from tidemill.expressions.exprlang.access import fetch
from tidemill.expressions.exprlang.bounds import Frame
from tidemill.expressions.exprlang.errors import EvaluationError, Misuse, Place
from tidemill.expressions.exprlang.values import equal, kind

Run = Callable[[Mapping[str, Any], Frame], Any]

_SCALARS = (str, int, bool, type(None))
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def constant(value: Any) -> Run:
    return lambda _env, _frame: value


def variable(name: str) -> Run:
    return lambda env, _frame: env.get(name)


def slot(number: int) -> Run:
    return lambda _env, frame: frame.slots[number]


def path(name: str, members: Sequence[tuple[str, Place]]) -> Run:
    """`msg.a.b`: the first that is no map is an error, the last may be missing."""
    if len(members) == 1:
        [(member, at)] = members

        def read_one(env: Mapping[str, Any], _frame: Frame) -> Any:
            value = env.get(name)
            return value.get(member) if type(value) is dict else _fetched(value, member, at)

        return read_one

    def read(env: Mapping[str, Any], _frame: Frame) -> Any:
        value = env.get(name)
        for member, at in members:
            value = value.get(member) if type(value) is dict else _fetched(value, member, at)
        return value

    return read


def _fetched(value: Any, key: Any, at: Place) -> Any:
    try:
        return fetch(value, key)
    except Misuse as misuse:
        raise misuse.at(at) from None


def operation(run: operators.Operation, left: Run, right: Run, at: Place) -> Run:
    def reckon(env: Mapping[str, Any], frame: Frame) -> Any:
        a = left(env, frame)
        b = right(env, frame)
        try:
            return run(a, b, frame)
        except Misuse as misuse:
            raise misuse.at(at) from None

    return reckon


def unary(run: Callable[[Any], Any], operand: Run, at: Place) -> Run:
    def reckon(env: Mapping[str, Any], frame: Frame) -> Any:
        value = operand(env, frame)
        try:
            return run(value)
        except Misuse as misuse:
            raise misuse.at(at) from None

    return reckon


def comparison(sign: str, left: Run, right: Run, at: Place) -> Run:
    test = _TESTS[sign]

    def compare(env: Mapping[str, Any], frame: Frame) -> bool:
        a = left(env, frame)
        b = right(env, frame)
        first, second = type(a), type(b)
        if (first is int or first is float) and (second is int or second is float):
            return test(a, b)
        if first is str and second is str:
            return test(a, b)
        return _ordered(sign, a, b, at)

    return compare


def comparison_with_number(sign: str, left: Run, number: int | float, at: Place) -> Run:
    test = _TESTS[sign]

    def compare(env: Mapping[str, Any], frame: Frame) -> bool:
        value = left(env, frame)
        if type(value) is int or type(value) is float:
            return test(value, number)
        return _ordered(sign, value, number, at)

    return compare


def _ordered(sign: str, a: Any, b: Any, at: Place) -> bool:
    try:
        return operators.ordered(sign, a, b)
    except Misuse as misuse:
        raise misuse.at(at) from None


def equality(left: Run, right: Run, at: Place) -> Run:
    def compare(env: Mapping[str, Any], frame: Frame) -> bool:
        a = left(env, frame)
        b = right(env, frame)
        if type(a) is type(b) and type(a) in _SCALARS:
            return bool(a == b)
        try:
            return equal(a, b, frame)
        except Misuse as misuse:
            raise misuse.at(at) from None

    return compare


def equality_with_text(left: Run, text: str) -> Run:
    return lambda env, frame: left(env, frame) == text


def inverted(test: Run) -> Run:
    return lambda env, frame: not test(env, frame)


def in_texts(needle: Run, texts: frozenset[str]) -> Run:
    """`x in ["a", "b"]`."""

    def search(env: Mapping[str, Any], frame: Frame) -> bool:
        value = needle(env, frame)
        return type(value) is str and value in texts

    return search


def in_range(needle: Run, first: int, last: int) -> Run:
    """`x in 1..100000`, without making the list."""

    def search(env: Mapping[str, Any], frame: Frame) -> bool:
        value = needle(env, frame)
        if type(value) is float:
            return first <= value <= last and value.is_integer()
        return type(value) is int and first <= value <= last

    return search


def pattern(text: Run, search: Callable[[str], Any], at: Place) -> Run:
    def match(env: Mapping[str, Any], frame: Frame) -> bool:
        value = text(env, frame)
        if type(value) is str:
            frame.charge(len(value))
            return search(value) is not None
        if value is None:
            return False
        raise EvaluationError(f"{kind(value)} matches string is not defined (line {at[0]}, column {at[1]})")

    return match


def conjunction(parts: Sequence[tuple[Run, Place]], is_and: bool) -> Run:
    """`a and b and c`, or with `or`: the first that decides is the last that is worked out."""
    word = "and" if is_and else "or"

    def decide(env: Mapping[str, Any], frame: Frame) -> bool:
        for part, at in parts:
            value = part(env, frame)
            if value is not is_and:
                if value is not True and value is not False:
                    raise Misuse(f"{kind(value)} {word} ... is not defined").at(at)
                return not is_and
        return is_and

    return decide


def conditional(condition: Run, then: Run, otherwise: Run, at: Place) -> Run:
    def choose(env: Mapping[str, Any], frame: Frame) -> Any:
        value = condition(env, frame)
        if value is True:
            return then(env, frame)
        if value is False:
            return otherwise(env, frame)
        raise Misuse(f"a condition must be true or false, not {kind(value)}").at(at)

    return choose


def optional(run: Run, number: int, rest: Run) -> Run:
    """`run?.rest`: nil where `run` is nil; `rest` reads it from its slot."""

    def read(env: Mapping[str, Any], frame: Frame) -> Any:
        value = frame.slots[number] = run(env, frame)
        return None if value is None else rest(env, frame)

    return read


def coalescence(left: Run, right: Run) -> Run:
    def choose(env: Mapping[str, Any], frame: Frame) -> Any:
        value = left(env, frame)
        return right(env, frame) if value is None else value

    return choose


def new_list(items: Sequence[Run]) -> Run:
    def make(env: Mapping[str, Any], frame: Frame) -> list[Any]:
        frame.charge(len(items))
        return [item(env, frame) for item in items]

    return make


def new_map(pairs: Sequence[tuple[str, Run]]) -> Run:
    def make(env: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
        frame.charge(len(pairs))
        return {key: value(env, frame) for key, value in pairs}

    return make


def new_map_with_keys(pairs: Sequence[tuple[Run, Run]], at: Place) -> Run:
    def make(env: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
        frame.charge(len(pairs))
        made = {}
        for name, value in pairs:
            key = name(env, frame)
            if type(key) is not str:
                raise Misuse(f"a key of a map must be a string, not {kind(key)}").at(at)
            made[key] = value(env, frame)
        return made

    return make


def let(number: int, value: Run, body: Run) -> Run:
    def run(env: Mapping[str, Any], frame: Frame) -> Any:
        frame.slots[number] = value(env, frame)
        return body(env, frame)

    return run


def sequence(items: Sequence[Run]) -> Run:
    *firsts, last = items

    def run(env: Mapping[str, Any], frame: Frame) -> Any:
        for item in firsts:
            item(env, frame)
        return last(env, frame)

    return run


def call(run: Callable[..., Any], name: str, arguments: Sequence[Run], at: Place) -> Run:
    def apply(env: Mapping[str, Any], frame: Frame) -> Any:
        values = [argument(env, frame) for argument in arguments]
        frame.charge(1)
        try:
            return run(frame, *values)
        except Misuse as misuse:
            raise Misuse(f"{name}(): {misuse}").at(at) from None

    return apply
