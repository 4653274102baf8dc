"""From a Go template's tokens to closures. Runs nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tidemill.core.findings import near
from tidemill.expressions.exprlang.bounds import LENGTH_MAX, NESTING_MAX
from tidemill.expressions.exprlang.errors import BadExpression, Place
from tidemill.expressions.gotemplate import running
from tidemill.expressions.gotemplate.functions import FUNCTIONS
from tidemill.expressions.gotemplate.literals import literal
from tidemill.expressions.gotemplate.running import Part, Value
from tidemill.expressions.gotemplate.tokens import Action, Token, split

Name = tuple[str, str | None]
ROOT = "$env"
"""The name that stands for all of them, where a template reads its root as a whole."""
_LITERALS = {"text", "raw", "character", "number"}
_REFUSED = {"define", "template", "block"}
_KEYWORDS = {"if", "with", "range", "else", "end", "break", "continue"} | _REFUSED


class Parsed(msgspec.Struct, frozen=True):
    run: Part
    slots: int
    names: frozenset[Name]


def compile_parts(source: str) -> Parsed:
    """Raises `BadExpression`."""
    if len(source) > LENGTH_MAX:
        raise BadExpression(f"{len(source):,} characters; a template may have {LENGTH_MAX:,}")
    compiler = _Compiler(split(source))
    run = compiler.whole()
    return Parsed(run, compiler.slots, frozenset(compiler.names))


class _Cursor:
    """The tokens of one action, from left to right."""

    def __init__(self, action: Action) -> None:
        self._tokens = action.tokens
        self._position = 0
        self.at = action.at

    @property
    def next(self) -> Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def ahead(self, *kinds: str) -> bool:
        """Whether tokens of these kinds are next."""
        found = self._tokens[self._position : self._position + len(kinds)]
        return tuple(token.kind for token in found) == kinds

    def take(self) -> Token:
        token = self.next
        if token is None:
            raise BadExpression("the action ends too early", *self.at)
        self._position += 1
        return token

    def end(self) -> None:
        if self.next:
            raise BadExpression(f"unexpected {self.next.value!r}", *self.next.at)


class _Compiler:
    def __init__(self, pieces: Sequence[str | Action]) -> None:
        self._pieces = pieces
        self._position = 0
        self._depth = 0
        self._loops = 0
        self._dot_is_root = True
        self._variables: dict[str, int] = {}
        self.slots = 0
        self.names: set[Name] = set()

    def whole(self) -> Part:
        part, closing = self._block()
        if closing:
            raise BadExpression(f"`{closing.value}` without an `if`, `with` or `range`", *closing.at)
        return part

    def _block(self, opened: Action | None = None) -> tuple[Part, Token | None]:
        """The parts up to the `else` or `end` that is not theirs. Variables of them are gone afterwards."""
        variables = self._variables
        self._variables = dict(variables)
        parts: list[Part] = []
        closing = None
        while closing is None and self._position < len(self._pieces):
            piece = self._pieces[self._position]
            self._position += 1
            if isinstance(piece, str):
                parts.append(running.text(piece))
                continue
            first = piece.tokens[0] if piece.tokens else None
            if first and first.kind == "name" and first.value in ("else", "end"):
                closing = first
            else:
                parts.append(self._action(_Cursor(piece)))
        if opened and closing is None:
            raise BadExpression(f"`{opened.tokens[0].value}` without its `end`", *opened.at)
        self._variables = variables
        return running.block(parts), closing

    def _action(self, cursor: _Cursor) -> Part:
        token = cursor.next
        if token is None:
            raise BadExpression("the action is empty", *cursor.at)
        if token.kind != "name" or token.value not in _KEYWORDS:
            return self._statement(cursor)
        if token.value in _REFUSED:
            raise BadExpression(f"`{token.value}` is not offered here: a template is one text", *token.at)
        cursor.take()
        if token.value in ("break", "continue"):
            cursor.end()
            if not self._loops:
                raise BadExpression(f"`{token.value}` stands only in `range`", *token.at)
            return running.signal("break" if token.value == "break" else "continue")
        return self._control(token, cursor)

    def _statement(self, cursor: _Cursor) -> Part:
        """A value that is shown, or a variable that is set."""
        at = cursor.at
        if cursor.ahead("variable", "declare") or cursor.ahead("variable", "assign"):
            name, sign = cursor.take(), cursor.take()
            value = self._pipeline(cursor)
            cursor.end()
            return running.store(self._declare(name) if sign.kind == "declare" else self._slot(name), value)
        value = self._pipeline(cursor)
        cursor.end()
        return running.show(value, at)

    def _control(self, keyword: Token, cursor: _Cursor) -> Part:
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise BadExpression(f"blocks within more than {NESTING_MAX} blocks", *keyword.at)
        variables, was_root = self._variables, self._dot_is_root
        self._variables = dict(variables)
        part = self._range(keyword, cursor) if keyword.value == "range" else self._choice(keyword, cursor)
        self._variables, self._dot_is_root = variables, was_root
        self._depth -= 1
        return part

    def _choice(self, keyword: Token, cursor: _Cursor) -> Part:
        slot = None
        name = None
        if cursor.ahead("variable", "declare"):
            name = cursor.take()
            cursor.take()
        condition = self._pipeline(cursor)
        cursor.end()
        if name:
            slot = self._declare(name)
        opened = self._opened()
        was_root = self._dot_is_root
        sets_dot = keyword.value == "with"
        self._dot_is_root = was_root and not sets_dot
        then, closing = self._block(opened)
        self._dot_is_root = was_root
        otherwise = self._otherwise(closing, opened)
        return running.choose(condition, slot, then, otherwise, sets_dot)

    def _range(self, keyword: Token, cursor: _Cursor) -> Part:
        names: list[Token] = []
        if cursor.ahead("variable", "comma", "variable", "declare"):
            names = [cursor.take(), cursor.take(), cursor.take()][::2]
            cursor.take()
        elif cursor.ahead("variable", "declare"):
            names = [cursor.take()]
            cursor.take()
        source = self._pipeline(cursor)
        cursor.end()
        slots = [self._declare(name) for name in names]
        opened = self._opened()
        was_root, self._dot_is_root = self._dot_is_root, False
        self._loops += 1
        body, closing = self._block(opened)
        self._loops -= 1
        self._dot_is_root = was_root
        otherwise = self._otherwise(closing, opened)
        both = (slots[0], slots[1]) if len(slots) == 2 else (None, slots[0] if slots else None)
        return running.repeat(source, both, body, otherwise, keyword.at)

    def _opened(self) -> Action:
        piece = self._pieces[self._position - 1]
        assert isinstance(piece, Action)
        return piece

    def _otherwise(self, closing: Token | None, opened: Action) -> Part:
        """What is behind `else`; after `else if` all that follows is the inner one's, with its `end`."""
        piece = self._pieces[self._position - 1]
        assert isinstance(piece, Action) and closing is not None
        cursor = _Cursor(piece)
        cursor.take()
        if closing.value == "end":
            cursor.end()
            return running.block(())
        token = cursor.next
        if token and token.kind == "name" and token.value in ("if", "with"):
            cursor.take()
            return self._control(token, cursor)
        cursor.end()
        part, last = self._block(opened)
        if last and last.value == "else":
            raise BadExpression("`else` after `else`", *last.at)
        return part

    def _pipeline(self, cursor: _Cursor) -> Value:
        value = self._command(cursor, None)
        while cursor.ahead("pipe"):
            cursor.take()
            value = self._command(cursor, value)
        return value

    def _command(self, cursor: _Cursor, piped: Value | None) -> Value:
        token = cursor.take()
        if token.kind == "name" and token.value not in ("true", "false", "nil"):
            return self._call(token, cursor, piped)
        if token.value == "nil":
            raise BadExpression("nil stands only among arguments", *token.at)
        if piped:
            raise BadExpression(f"{token.value!r} is no function, and a pipe leads only to those", *token.at)
        value = self._operand(token, cursor)
        if cursor.next and cursor.next.kind not in ("pipe", "close"):
            raise BadExpression(f"{token.value!r} is no function and takes no arguments", *cursor.next.at)
        return value

    def _call(self, token: Token, cursor: _Cursor, piped: Value | None) -> Value:
        arguments = []
        while cursor.next and cursor.next.kind not in ("pipe", "close"):
            argument = cursor.take()
            if argument.kind == "name" and argument.value not in ("true", "false", "nil"):
                arguments.append(_called(argument, []))
            else:
                arguments.append(self._operand(argument, cursor))
        return _called(token, [*arguments, piped] if piped else arguments)

    def _operand(self, token: Token, cursor: _Cursor) -> Value:
        if token.kind in _LITERALS:
            return running.constant(literal(token))
        if token.kind == "name":
            return running.constant({"true": True, "false": False, "nil": None}[token.value])
        if token.kind in ("path", "dot"):
            names = token.value.split(".")[1:] if token.kind == "path" else []
            if self._dot_is_root:
                self._read(names)
            return running.of_dot(names, token.at)
        if token.kind == "variable":
            return self._variable(token)
        if token.kind == "open":
            return self._parentheses(token, cursor)
        raise BadExpression(f"unexpected {token.value!r}", *token.at)

    def _parentheses(self, token: Token, cursor: _Cursor) -> Value:
        self._depth += 1
        if self._depth > NESTING_MAX:
            raise BadExpression(f"brackets within more than {NESTING_MAX} brackets", *token.at)
        value = self._pipeline(cursor)
        self._depth -= 1
        if cursor.next is None:
            raise BadExpression("`(` is never closed", *token.at)
        closing = cursor.take()
        names = closing.value.split(".")[1:]
        return running.of_value(value, names, closing.at) if names else value

    def _variable(self, token: Token) -> Value:
        name, *names = token.value.split(".")
        if name == "$":
            self._read(names)
            return running.of_root(names, token.at)
        return running.of_slot(self._slot(token), names, token.at)

    def _read(self, names: Sequence[str]) -> None:
        self.names.add((names[0], names[1] if len(names) > 1 else None) if names else (ROOT, None))

    def _declare(self, token: Token) -> int:
        if "." in token.value or token.value == "$":
            raise BadExpression(f"{token.value!r} cannot be declared", *token.at)
        self._variables[token.value] = self.slots
        self.slots += 1
        return self.slots - 1

    def _slot(self, token: Token) -> int:
        name = token.value.split(".")[0]
        if name not in self._variables:
            raise BadExpression(f"there is no variable {name}{near(name, self._variables)}", *token.at)
        return self._variables[name]


def _called(token: Token, arguments: Sequence[Value]) -> Value:
    name, at, count = token.value, token.at, len(arguments)
    if name in ("and", "or"):
        if not arguments:
            raise BadExpression(f"{name} takes at least 1 argument", *at)
        return running.decide(arguments, stops_at=name == "or")
    function = FUNCTIONS.get(name)
    if function is None:
        raise BadExpression(f"there is no function {name}{near(name, [*FUNCTIONS, 'and', 'or'])}", *at)
    _check_count(name, count, function.least, function.most, at)
    return running.call(function.run, name, arguments, at)


def _check_count(name: str, count: int, least: int, most: int, at: Place) -> None:
    if not least <= count <= most:
        expected = str(least) if least == most else f"{least} to {most}"
        raise BadExpression(f"{name} takes {expected} arguments, not {count}", *at)
