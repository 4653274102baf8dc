"""The closures of a Go template: values are worked out for a dot, parts write what they have to the state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from tidemill.expressions.exprlang.bounds import TEXT_MAX, Frame
from tidemill.expressions.exprlang.errors import EvaluationError, Misuse, Place
from tidemill.expressions.exprlang.gotext import as_text
from tidemill.expressions.exprlang.values import ITEMS, kind
from tidemill.expressions.gotemplate.functions import is_true

Signal = Literal["break", "continue"] | None
"""How a part ended: None to go on."""


class State:
    """Of one rendering."""

    __slots__ = ("_length", "frame", "root", "texts")

    def __init__(self, root: Any, slots: int) -> None:
        self.root = root
        self.frame = Frame(slots)
        self.texts: list[str] = []
        self._length = 0

    def write(self, text: str) -> None:
        self._length += len(text)
        if self._length > TEXT_MAX:
            raise EvaluationError(f"the text gets longer than {TEXT_MAX:,} characters")
        self.texts.append(text)


Value = Callable[[Any, State], Any]
Part = Callable[[Any, State], Signal]


def members(value: Any, names: Sequence[str], at: Place) -> Any:
    """`.a.b`: what a map does not have is nil, and so is all that is in it."""
    for name in names:
        if isinstance(value, Mapping):
            if name not in value:
                return None
            value = value[name]
        else:
            raise Misuse(f"cannot get {name} from {kind(value)}").at(at)
    return value


def of_dot(names: Sequence[str], at: Place) -> Value:
    if len(names) == 1:
        [name] = names
        return lambda dot, _state: dot.get(name) if type(dot) is dict else members(dot, names, at)
    return lambda dot, _state: members(dot, names, at)


def of_root(names: Sequence[str], at: Place) -> Value:
    return lambda _dot, state: members(state.root, names, at)


def of_slot(slot: int, names: Sequence[str], at: Place) -> Value:
    return lambda _dot, state: members(state.frame.slots[slot], names, at)


def of_value(value: Value, names: Sequence[str], at: Place) -> Value:
    return lambda dot, state: members(value(dot, state), names, at)


def constant(value: Any) -> Value:
    return lambda _dot, _state: value


def call(run: Callable[..., Any], name: str, arguments: Sequence[Value], at: Place) -> Value:
    def apply(dot: Any, state: State) -> Any:
        values = [argument(dot, state) for argument in arguments]
        state.frame.charge(1)
        try:
            return run(state.frame, *values)
        except Misuse as misuse:
            raise Misuse(f"{name}: {misuse}").at(at) from None

    return apply


def decide(arguments: Sequence[Value], stops_at: bool) -> Value:
    """`and` stops at the first that is false, `or` at the first that is true; that one is the value."""

    def run(dot: Any, state: State) -> Any:
        value = None
        for argument in arguments:
            value = argument(dot, state)
            if is_true(value) is stops_at:
                break
        return value

    return run


def text(written: str) -> Part:
    def write(_dot: Any, state: State) -> Signal:
        state.frame.charge(1)
        state.write(written)
        return None

    return write


def show(value: Value, at: Place) -> Part:
    def write(dot: Any, state: State) -> Signal:
        shown = value(dot, state)
        state.frame.charge(1)
        try:
            state.write("<no value>" if shown is None else as_text(shown, state.frame))
        except Misuse as misuse:
            raise misuse.at(at) from None
        return None

    return write


def store(slot: int, value: Value) -> Part:
    def run(dot: Any, state: State) -> Signal:
        state.frame.charge(1)
        state.frame.slots[slot] = value(dot, state)
        return None

    return run


def signal(kind_of: Signal) -> Part:
    return lambda _dot, _state: kind_of


def block(parts: Sequence[Part]) -> Part:
    def run(dot: Any, state: State) -> Signal:
        for part in parts:
            ended = part(dot, state)
            if ended:
                return ended
        return None

    return run


def choose(condition: Value, slot: int | None, then: Part, otherwise: Part, sets_dot: bool) -> Part:
    """`if`, and `with`, where what was tested is the dot of what follows."""

    def run(dot: Any, state: State) -> Signal:
        value = condition(dot, state)
        state.frame.charge(1)
        if slot is not None:
            state.frame.slots[slot] = value
        if is_true(value):
            return then(value if sets_dot else dot, state)
        return otherwise(dot, state)

    return run


def repeat(source: Value, slots: tuple[int | None, int | None], body: Part, otherwise: Part, at: Place) -> Part:
    """`range`; `slots` are those of the key or index, and of the item."""
    key_slot, item_slot = slots

    def run(dot: Any, state: State) -> Signal:
        pairs = _pairs(source(dot, state), state.frame, at)
        if not pairs:
            return otherwise(dot, state)
        values = state.frame.slots
        for key, item in pairs:
            if key_slot is not None:
                values[key_slot] = key
            if item_slot is not None:
                values[item_slot] = item
            if body(item, state) == "break":
                break
        return None

    return run


def _pairs(value: Any, frame: Frame, at: Place) -> Sequence[tuple[Any, Any]]:
    """Of a list its items, of a map its members by their names, of a number as many as it says."""
    if value is None:
        return ()
    if type(value) is int:
        frame.charge(max(value, 0) + 1)
        return [(number, number) for number in range(value)]
    if isinstance(value, ITEMS):
        frame.charge(len(value) + 1)
        return list(enumerate(value))
    if isinstance(value, Mapping):
        frame.charge(4 * len(value) + 1)
        return sorted(value.items(), key=lambda pair: str(pair[0]))
    raise Misuse(f"range cannot go through {kind(value)}").at(at)
