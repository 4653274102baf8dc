"""Splits a Go template into texts and actions, and actions into tokens. Knows no grammar."""

from __future__ import annotations

import re

import msgspec

from tidemill.expressions.exprlang.errors import BadExpression, Place

_COMMENT = re.compile(r"\{\{(?P<left>-\s+)?/\*[\s\S]*?\*/(?P<right>\s+-)?\}\}")
_LEFT = re.compile(r"\{\{(?P<trim>-(?=\s))?")
_TOKEN = re.compile(
    r"""(?P<end>\s+-\}\}|\}\})
    | (?P<space>\s+)
    | (?P<text>"(?:[^"\\\n]|\\.)*")
    | (?P<raw>`[^`]*`)
    | (?P<character>'(?:[^'\\\n]|\\.)+')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+
        |(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.]))
    | (?P<variable>\$\w*(?:\.[^\W\d]\w*)*)
    | (?P<path>(?:\.[^\W\d]\w*)+)
    | (?P<dot>\.)
    | (?P<name>[^\W\d]\w*)
    | (?P<declare>:=)
    | (?P<assign>=)
    | (?P<pipe>\|)
    | (?P<comma>,)
    | (?P<open>\()
    | (?P<close>\)(?:\.[^\W\d]\w*)*)
    """,
    re.VERBOSE,
)


class Token(msgspec.Struct, frozen=True):
    """`kind` is a name of a group above."""

    kind: str
    value: str
    at: Place


class Action(msgspec.Struct, frozen=True):
    """What is within one `{{ }}`."""

    tokens: tuple[Token, ...]
    at: Place


def split(source: str) -> list[str | Action]:
    """Without comments, and with blanks trimmed where `{{-` and `-}}` say so. Raises `BadExpression`."""
    pieces: list[str | Action] = []
    position = 0
    trims_left = False
    while (start := source.find("{{", position)) >= 0:
        text = source[position:start]
        comment = _COMMENT.match(source, start)
        if comment:
            trims_right, after, action = comment["left"] is not None, comment["right"] is not None, None
            position = comment.end()
        else:
            left = _LEFT.match(source, start)
            assert left is not None
            trims_right = left["trim"] is not None
            action, position, after = _action(source, start, left.end())
        pieces.append(_trimmed(text, trims_left, trims_right))
        if action:
            pieces.append(action)
        trims_left = after
    pieces.append(_trimmed(source[position:], trims_left, False))
    return [piece for piece in pieces if piece != ""]


def _trimmed(text: str, left: bool, right: bool) -> str:
    text = text.lstrip(" \t\r\n") if left else text
    return text.rstrip(" \t\r\n") if right else text


def _action(source: str, start: int, position: int) -> tuple[Action, int, bool]:
    """The action, where it ends, and whether what follows is trimmed."""
    tokens: list[Token] = []
    while position < len(source):
        found = _TOKEN.match(source, position)
        if found is None:
            character = source[position]
            what = "a text without its closing quote" if character in "\"'`" else f"unexpected {character!r}"
            raise BadExpression(what, *place(source, position))
        kind = found.lastgroup or ""
        if kind == "end":
            return Action(tuple(tokens), place(source, start)), found.end(), found[0].lstrip().startswith("-")
        if kind != "space":
            tokens.append(Token(kind, found[0], place(source, position)))
        position = found.end()
    raise BadExpression("`{{` without its `}}`", *place(source, start))


def place(source: str, position: int) -> Place:
    return source.count("\n", 0, position) + 1, position - (source.rfind("\n", 0, position) + 1) + 1
