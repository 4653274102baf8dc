"""Reads the text of a jq program for the words that reach outside of it. Knows strings, comments and paths;
compiles nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_FORBIDDEN = {
    "env": "the sandbox has no environment",
    "$ENV": "the sandbox has no environment",
    "$__prog_args": "the sandbox has no arguments",
    "import": "the sandbox has no modules",
    "include": "the sandbox has no modules",
    "modulemeta": "the sandbox has no modules",
    "get_search_list": "the sandbox has no modules",
    "input": "a query has one input, which is `.`",
    "inputs": "a query has one input, which is `.`",
    "input_filename": "a query has no input files",
    "input_line_number": "a query has no input files",
    "halt": "a query cannot end the program; use `error` or `empty`",
    "halt_error": "a query cannot end the program; use `error`",
}
_TOKEN = re.compile(
    r"""(?P<space>\s+|\#(?:\\.|[^\\\n])*)
    | (?P<field>\.[A-Za-z_]\w*)
    | (?P<word>\$?\s*(?:[A-Za-z_]\w*::)*[A-Za-z_]\w*)
    | (?P<quote>")
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


class Forbidden(NamedTuple):
    message: str
    line: int
    column: int


class _Word(NamedTuple):
    text: str
    position: int
    is_key: bool


def forbidden(source: str) -> Forbidden | None:
    """The first word that a query may not use, or None."""
    for word in _words(source):
        reason = _FORBIDDEN.get(word.text)
        if reason is not None and not word.is_key:
            line = source.count("\n", 0, word.position) + 1
            column = word.position - (source.rfind("\n", 0, word.position) + 1) + 1
            return Forbidden(f"`{word.text}` is not allowed: {reason}", line, column)
    return None


def _words(source: str) -> Iterator[_Word]:
    """Names outside of strings that do not follow a dot; `\\(...)` inside a string is code again."""
    position = 0
    brackets: list[str] = []
    before = ""
    while position < len(source):
        token = _TOKEN.match(source, position)
        assert token is not None
        position = token.end()
        if token["space"]:
            continue
        if token["word"]:
            text = re.sub(r"\s", "", token["word"])
            # `{input: 1}` and `{input}` name keys. A comma directly inside braces is always one between entries.
            is_key = brackets[-1:] == ["{"] and before in {"{", ","} and not text.startswith("$")
            yield _Word(text, token.start(), is_key)
        elif token["quote"]:
            position = _string_end(source, position, brackets)
        elif token["other"] in {"(", "{", "["}:
            brackets.append(token["other"])
        elif token["other"] in {")", "}", "]"} and brackets and brackets.pop() == '"':
            position = _string_end(source, position, brackets)
        before = token["other"] or "name"


def _string_end(source: str, position: int, brackets: list[str]) -> int:
    """Past the closing quote, or past `\\(` with the string noted as the bracket that the code is in."""
    while position < len(source):
        if source.startswith("\\(", position):
            brackets.append('"')
            return position + 2
        if source[position] == '"':
            return position + 1
        position += 2 if source[position] == "\\" else 1
    return position
