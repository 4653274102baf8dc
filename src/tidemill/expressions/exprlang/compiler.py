"""From nodes to closures: names are looked up once, here. Runs nothing and asks no clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tidemill.core.clock import Clock
from tidemill.core.findings import near
from tidemill.expressions.exprlang import access, closures
from tidemill.expressions.exprlang.bounds import DEPTH_MAX
from tidemill.expressions.exprlang.closures import Run
from tidemill.expressions.exprlang.errors import BadExpression, Misuse, Place
from tidemill.expressions.exprlang.functions import FUNCTIONS, REFUSED
from tidemill.expressions.exprlang.functions.shape import Function
from tidemill.expressions.exprlang.loops import LOOPS, Loop
from tidemill.expressions.exprlang.moments import from_ms
from tidemill.expressions.exprlang.nodes import (
    Access,
    Accessor,
    Binary,
    Call,
    Conditional,
    Constant,
    Index,
    Let,
    ListLiteral,
    LoopCall,
    MapLiteral,
    Member,
    Method,
    Node,
    Pointer,
    Series,
    Slice,
    Unary,
    Variable,
)
from tidemill.expressions.exprlang.operators import OPERATIONS, UNARY, compile_pattern
from tidemill.expressions.exprlang.values import is_number

ENVIRONMENT = "$env"
"""The map of all variables, as a variable."""
Name = tuple[str, str | None]
_POINTERS = {"#": 0, "#index": 1, "#acc": 2}
_SLOTS_OF_LOOP = 3


class Compiler:
    """Of one expression. `names` and `slots` are known when `compile` has been called for the whole."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._depth = 0
        self._size = 0
        self._locals: dict[str, int] = {}
        self._loops: list[tuple[str, int]] = []
        self.slots = 0
        self.names: set[Name] = set()
        self._kinds: dict[type[Node], Callable[[Any], Run]] = {
            Constant: lambda node: closures.constant(node.value),
            Variable: self._variable,
            Pointer: self._pointer,
            Access: self._access,
            Unary: self._unary,
            Binary: self._binary,
            Conditional: self._conditional,
            Call: self._call,
            LoopCall: self._loop,
            ListLiteral: lambda node: closures.new_list(self._all(node.items)),
            MapLiteral: self._map,
            Let: self._let,
            Series: lambda node: closures.sequence(self._all(node.items)),
        }

    def compile(self, node: Node) -> Run:
        self._depth += 1
        self._size += 1
        if self._depth > DEPTH_MAX:
            raise BadExpression(f"operators nested deeper than {DEPTH_MAX}", *node.at)
        run = self._kinds[type(node)](node)
        self._depth -= 1
        return run

    def _all(self, nodes: Sequence[Node]) -> tuple[Run, ...]:
        return tuple(self.compile(node) for node in nodes)

    def _variable(self, node: Variable) -> Run:
        if node.name in self._locals:
            return closures.slot(self._locals[node.name])
        self.names.add((node.name, None))
        return (lambda env, _frame: env) if node.name == ENVIRONMENT else closures.variable(node.name)

    def _pointer(self, node: Pointer) -> Run:
        if not self._loops:
            raise BadExpression(f"`{node.name}` stands only in a predicate", *node.at)
        loop, slot = self._loops[-1]
        if node.name not in _POINTERS or (node.name == "#acc" and loop != "reduce"):
            raise BadExpression(f"`{node.name}` is not known in {loop}()", *node.at)
        return closures.slot(slot + _POINTERS[node.name])

    def _access(self, node: Access) -> Run:
        base, accessors = node.base, node.accessors
        if len(accessors) > DEPTH_MAX:
            raise BadExpression(f"more than {DEPTH_MAX} members of members", *node.at)
        if isinstance(base, Variable) and base.name not in self._locals:
            if base.name == ENVIRONMENT and (name := _literal_member(accessors[0])):
                if len(accessors) == 1:
                    return self._variable(Variable(base.at, name))
                return self._access(Access(node.at, Variable(base.at, name), accessors[1:]))
            self.names.add((base.name, _literal_member(accessors[0])))
            plain = [(step.name, step.at) for step in accessors if isinstance(step, Member) and not step.optional]
            if len(plain) == len(accessors):
                return closures.path(base.name, plain)
            run = closures.variable(base.name) if base.name != ENVIRONMENT else (lambda env, _frame: env)
        else:
            run = self.compile(base)
        return self._steps(run, accessors)

    def _steps(self, run: Run, accessors: Sequence[Accessor]) -> Run:
        """After `?.` on nil the members behind it are left out, up to the next `[`, as expr-lang does."""
        for position, accessor in enumerate(accessors):
            if isinstance(accessor, Member | Method | Index) and accessor.optional:
                end = position + 1
                while end < len(accessors) and isinstance(accessors[end], Member | Method):
                    end += 1
                slot = self._take_slots(1)
                found = self._step(closures.slot(slot), accessor)
                rest = self._steps(found, accessors[position + 1 : end])
                return self._steps(closures.optional(run, slot, rest), accessors[end:])
            run = self._step(run, accessor)
        return run

    def _step(self, run: Run, accessor: Accessor) -> Run:
        if isinstance(accessor, Member):
            return closures.operation(_fetch, run, closures.constant(accessor.name), accessor.at)
        if isinstance(accessor, Index):
            return closures.operation(_fetch, run, self.compile(accessor.key), accessor.at)
        if isinstance(accessor, Slice):
            ends = [self.compile(end) if end else closures.constant(None) for end in (accessor.start, accessor.stop)]
            return closures.call(_cut, "slice", (run, *ends), accessor.at)
        name = accessor.name
        return closures.call(
            lambda _frame, value, *arguments: access.call_method(value, name, list(arguments)),
            name,
            (run, *self._all(accessor.arguments)),
            accessor.at,
        )

    def _unary(self, node: Unary) -> Run:
        return closures.unary(UNARY[node.operator], self.compile(node.operand), node.at)

    def _binary(self, node: Binary) -> Run:
        if node.operator in ("and", "or"):
            operands = _flattened(node.operator, node)
            parts = [(self.compile(operand), operand.at) for operand in operands]
            return closures.conjunction(parts, node.operator == "and")
        special = self._with_constant(node)
        if special is not None:
            return special
        left, right = self.compile(node.left), self.compile(node.right)
        if node.operator == "??":
            return closures.coalescence(left, right)
        if node.operator in ("==", "!="):
            same = closures.equality(left, right, node.at)
            return same if node.operator == "==" else closures.inverted(same)
        if node.operator in OPERATIONS:
            return closures.operation(OPERATIONS[node.operator], left, right, node.at)
        return closures.comparison(node.operator, left, right, node.at)

    def _with_constant(self, node: Binary) -> Run | None:
        """What is quicker, or can be checked now, because the right side is known."""
        right, sign = node.right, node.operator
        if isinstance(right, Constant):
            if sign in ("==", "!=") and isinstance(right.value, str):
                same = closures.equality_with_text(self.compile(node.left), right.value)
                return same if sign == "==" else closures.inverted(same)
            if sign in ("<", "<=", ">", ">=") and is_number(right.value):
                return closures.comparison_with_number(sign, self.compile(node.left), right.value, node.at)
            if sign == "matches" and isinstance(right.value, str):
                try:
                    search = compile_pattern(right.value)
                except Misuse as misuse:
                    raise BadExpression(str(misuse), *right.at) from misuse
                return closures.pattern(self.compile(node.left), search, node.at)
        if sign == "in" and isinstance(right, ListLiteral):
            texts = [item.value for item in right.items if isinstance(item, Constant) and isinstance(item.value, str)]
            if len(texts) == len(right.items):
                return closures.in_texts(self.compile(node.left), frozenset(texts))
        if sign == "in" and isinstance(right, Binary) and right.operator == "..":
            ends = [end.value for end in (right.left, right.right) if isinstance(end, Constant)]
            if len(ends) == 2 and all(type(end) is int for end in ends):
                return closures.in_range(self.compile(node.left), *ends)
        return None

    def _conditional(self, node: Conditional) -> Run:
        return closures.conditional(
            self.compile(node.condition), self.compile(node.then), self.compile(node.otherwise), node.condition.at
        )

    def _map(self, node: MapLiteral) -> Run:
        texts = [(key.value, value) for key, value in node.pairs if isinstance(key, Constant)]
        if len(texts) == len(node.pairs) and all(isinstance(key, str) for key, _ in texts):
            return closures.new_map([(key, self.compile(value)) for key, value in texts])
        pairs = [(self.compile(key), self.compile(value)) for key, value in node.pairs]
        return closures.new_map_with_keys(pairs, node.at)

    def _let(self, node: Let) -> Run:
        if node.name in FUNCTIONS or node.name in LOOPS or node.name == ENVIRONMENT:
            raise BadExpression(f"`{node.name}` has a meaning already", *node.at)
        value = self.compile(node.value)
        number, before = self._take_slots(1), self._locals
        self._locals = {**before, node.name: number}
        run = closures.let(number, value, self.compile(node.body))
        self._locals = before
        return run

    def _take_slots(self, count: int) -> int:
        self.slots += count
        return self.slots - count

    def _call(self, node: Call) -> Run:
        function = _now(self._clock) if node.name == "now" else FUNCTIONS.get(node.name)
        if function is None:
            raise BadExpression(_unknown(node.name), *node.at)
        _check_count(node.name, len(node.arguments), function.least, function.most, node.at)
        return closures.call(function.run, node.name, self._all(node.arguments), node.at)

    def _loop(self, node: LoopCall) -> Run:
        shape = LOOPS[node.name]
        _check_count(node.name, len(node.arguments), shape.least, shape.most, node.at)
        source = self.compile(node.arguments[0])
        slot = self._take_slots(_SLOTS_OF_LOOP)
        before = self._size
        body = None
        if len(node.arguments) > 1:
            self._loops.append((node.name, slot))
            body = self.compile(node.arguments[1])
            self._loops.pop()
        weight = self._size - before + 1
        extra = self.compile(node.arguments[2]) if len(node.arguments) > 2 else None
        return shape.make(Loop(node.name, source, body, extra, slot, weight, node.at))


def _literal_member(accessor: Accessor) -> str | None:
    if isinstance(accessor, Member):
        return accessor.name
    if isinstance(accessor, Index) and isinstance(accessor.key, Constant) and isinstance(accessor.key.value, str):
        return accessor.key.value
    return None


def _flattened(operator: str, node: Node) -> list[Node]:
    """`a and b and c`, however it was put together, in the order of the text: a long one is not a deep one."""
    found: list[Node] = []
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Binary) and part.operator == operator:
            waiting += [part.right, part.left]
        else:
            found.append(part)
    return found


def _check_count(name: str, count: int, least: int, most: int, at: Place) -> None:
    if not least <= count <= most:
        expected = str(least) if least == most else f"{least} to {most}"
        raise BadExpression(f"{name}() takes {expected} arguments, not {count}", *at)


def _unknown(name: str) -> str:
    if name in REFUSED:
        return f"{name}() is not offered here: {REFUSED[name]}"
    return f"there is no function {name}(){near(name, [*FUNCTIONS, *LOOPS, 'now'])}"


def _now(clock: Clock) -> Function:
    return Function(lambda _frame: from_ms(clock.now_ms()), 0, 0)


def _fetch(value: Any, key: Any, _frame: Any) -> Any:
    return access.fetch(value, key)


def _cut(frame: Any, value: Any, start: Any, stop: Any) -> Any:
    piece = access.cut(value, start, stop)
    frame.charge(len(piece) if not isinstance(piece, str) else len(piece) // 16 + 1)
    return piece
