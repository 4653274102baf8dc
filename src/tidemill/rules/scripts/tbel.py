"""Which scripts in TBEL, ThingsBoard's own language, mean the same in JavaScript. Runs nothing, translates next to
nothing: what is more than the plain part of both languages is refused, with the word that is too much.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    | (?P<number>\d+(?:\.\d+)?(?![\w.]))
    | (?P<word>[A-Za-z_$][\w$]*)
    | (?P<sign>===|!==|==|!=|<=|>=|&&|\|\||\+=|-=|\*=|<(?!<)|>(?!>)|\*(?!\*)|[-+=!?:;,.(){}\[\]])""",
    re.VERBOSE | re.DOTALL,
)
_KNOWN = frozenset(["msg", "metadata", "msgType", "return", "var", "if", "else", "true", "false", "null", "JSON"])
_NOT_A_MEMBER = frozenset(["size", "keys", "values", "empty", "class"])
"""Members that every Java map has, whatever is in the message."""
_EQUALS = {"===": "== ", "!==": "!= "}
"""TBEL compares values either way. The blank keeps columns as they are."""


@dataclass(frozen=True, slots=True)
class Plain:
    """`code` is the script as JavaScript; None where it cannot be, because of `word`."""

    code: str | None
    word: str = ""


def plain(script: str) -> Plain:
    """Conditions, sums, objects and lists of what is in the message; no calls but `JSON.stringify`, no loops, no
    division (which TBEL does by the type of the numbers)."""
    known, code = set(_KNOWN), ""
    position, before, before_that = 0, "", ""
    while position < len(script):
        found = _TOKEN.match(script, position)
        if found is None:
            return Plain(None, script[position : position + 1])
        position, token, kind = found.end(), found.group(), found.lastgroup
        code += _EQUALS.get(token, token)
        if kind == "space":
            continue
        if kind == "word" and before == "var":
            known.add(token)
        elif kind == "word" and not _is_plain_word(token, before, script[position:].lstrip(), known):
            return Plain(None, token)
        elif token == "(" and _is_call(before, before_that):
            return Plain(None, f"{before}(")
        elif token == "?" and before == ".":
            return Plain(None, ".?")
        before, before_that = token, before
    return Plain(code)


def _is_plain_word(word: str, before: str, rest: str, known: set[str]) -> bool:
    if before == ".":
        return word not in _NOT_A_MEMBER
    is_key = before in ("{", ",") and rest.startswith(":")
    return is_key or word in known


def _is_call(before: str, before_that: str) -> bool:
    if before == "stringify":
        return before_that != "."
    is_name = re.fullmatch(r"[\w$]+", before) is not None and before not in ("if", "return", "else")
    return is_name or before in (")", "]")
