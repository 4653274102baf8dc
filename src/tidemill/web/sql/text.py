"""SQL as text: its placeholders, as each driver wants them. Understands quotes and comments only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from tidemill.rules.ports import OutsideFailed

_TOKEN = re.compile(
    r"""(?P<kept>
        '(?:[^'\\]|''|\\.)*'                         # a text
      | "(?:[^"]|"")*" | `[^`]*`                     # a name
      | --[^\n]* | /\*.*?\*/                         # comments
      | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$       # PostgreSQL's other texts
      | ::                                           # a cast
    )
    | (?P<mark>\?) | \$(?P<number>\d+)
    | (?P<percent>%)""",
    re.VERBOSE | re.DOTALL,
)


class Piece(msgspec.Struct, frozen=True):
    """A piece of text, or the place of a parameter (counted from 0). `is_list`: a list there stands for its items."""

    text: str = ""
    place: int | None = None
    is_list: bool = False


@lru_cache(1_000)
def pieces(sql: str) -> Sequence[Piece]:
    """Where there is a `$1`, a `?` is an operator."""
    is_numbered = any(token["number"] for token in _TOKEN.finditer(sql))
    return list(_pieces(sql, is_numbered))


def _pieces(sql: str, is_numbered: bool) -> Iterator[Piece]:
    at = count = 0
    for token in _TOKEN.finditer(sql):
        place = None
        if token["number"]:
            place = int(token["number"]) - 1
        elif token["mark"] and not is_numbered:
            place, count = count, count + 1
        if place is not None:
            yield Piece(sql[at : token.start()])
            yield Piece(place=place, is_list=not is_numbered)
            at = token.end()
    yield Piece(sql[at:])


def bound(
    sql: str, given: Sequence[Any], mark: Callable[[int], str], escape: Callable[[str], str] | None = None
) -> tuple[str, list[Any]]:
    """The text with `mark` (of a count from 1) for each parameter, and the parameters in that order. Raises
    `OutsideFailed` where they do not fit."""
    texts: list[str] = []
    params: list[Any] = []
    used = set()

    def add(value: Any) -> str:
        params.append(value)
        return mark(len(params))

    for piece in pieces(sql):
        if piece.place is None:
            texts.append(piece.text if escape is None else escape(piece.text))
            continue
        if not 0 <= piece.place < len(given):
            raise OutsideFailed(f"the SQL asks for parameter {piece.place + 1}, and there are {len(given)}")
        used.add(piece.place)
        value = given[piece.place]
        if piece.is_list and isinstance(value, list):
            texts.append(", ".join(map(add, value)) or "NULL")
        else:
            texts.append(add(value))
    if len(used) < len(given):
        raise OutsideFailed(f"there are {len(given)} parameters, and the SQL asks for {len(used)}")
    return "".join(texts), params
