"""Functions of texts. Lengths and positions count characters."""

from __future__ import annotations

from typing import Any

from tidemill.expressions.exprlang.bounds import Frame
from tidemill.expressions.exprlang.errors import Misuse
from tidemill.expressions.exprlang.functions.shape import Function, index, items, text

_BLANKS = " \t\n\v\f\r\x85\xa0"


def _trim(frame: Frame, value: Any, cutset: Any = None) -> str:
    frame.charge_text(len(text(value)))
    return text(value).strip(_BLANKS if cutset is None else text(cutset)) if cutset != "" else text(value)


def _trim_prefix(frame: Frame, value: Any, prefix: Any = " ") -> str:
    frame.charge_text(len(text(value)))
    return text(value).removeprefix(text(prefix))


def _trim_suffix(frame: Frame, value: Any, suffix: Any = " ") -> str:
    frame.charge_text(len(text(value)))
    return text(value).removesuffix(text(suffix))


def _upper(frame: Frame, value: Any) -> str:
    frame.charge_text(len(text(value)))
    return text(value).upper()


def _lower(frame: Frame, value: Any) -> str:
    frame.charge_text(len(text(value)))
    return text(value).lower()


def _split(frame: Frame, value: Any, separator: Any, count: Any = -1) -> list[str]:
    """At most `count` pieces; all of them where it is negative."""
    whole, by, most = text(value), text(separator), index(count)
    frame.charge_text(len(whole))
    if most == 0:
        return []
    frame.charge(len(whole) if not by else whole.count(by) + 1)
    if by:
        return whole.split(by, most - 1 if most > 0 else -1)
    if most < 0 or most >= len(whole):
        return list(whole)
    return [*whole[: most - 1], whole[most - 1 :]]


def _split_after(frame: Frame, value: Any, separator: Any, count: Any = -1) -> list[str]:
    pieces = _split(frame, value, separator, count)
    by = text(separator)
    frame.charge_text(len(by) * len(pieces))
    return [*(piece + by for piece in pieces[:-1]), *pieces[-1:]]


def _replace(frame: Frame, value: Any, old: Any, new: Any, count: Any = -1) -> str:
    whole, before, after, most = text(value), text(old), text(new), index(count)
    frame.charge_text(len(whole))
    found = whole.count(before)
    times = found if most < 0 else min(found, most)
    frame.charge_text(max(len(whole) + times * (len(after) - len(before)), 0))
    return whole.replace(before, after, times)


def _repeat(frame: Frame, value: Any, count: Any) -> str:
    times = index(count)
    if times < 0:
        raise Misuse(f"it cannot repeat {times} times")
    frame.charge_text(len(text(value)) * times)
    return text(value) * times


def _join(frame: Frame, value: Any, glue: Any = "") -> str:
    pieces, between = items(value), text(glue)
    frame.charge(len(pieces))
    frame.charge_text(sum(len(text(piece)) for piece in pieces) + len(between) * len(pieces))
    return between.join(pieces)


def _index_of(frame: Frame, value: Any, part: Any) -> int:
    frame.charge_text(len(text(value)))
    return text(value).find(text(part))


def _last_index_of(frame: Frame, value: Any, part: Any) -> int:
    frame.charge_text(len(text(value)))
    return text(value).rfind(text(part))


def _has_prefix(_frame: Frame, value: Any, prefix: Any) -> bool:
    return text(value).startswith(text(prefix))


def _has_suffix(_frame: Frame, value: Any, suffix: Any) -> bool:
    return text(value).endswith(text(suffix))


FUNCTIONS = {
    "trim": Function(_trim, 1, 2),
    "trimPrefix": Function(_trim_prefix, 1, 2),
    "trimSuffix": Function(_trim_suffix, 1, 2),
    "upper": Function(_upper, 1, 1),
    "lower": Function(_lower, 1, 1),
    "split": Function(_split, 2, 3),
    "splitAfter": Function(_split_after, 2, 3),
    "replace": Function(_replace, 3, 4),
    "repeat": Function(_repeat, 2, 2),
    "join": Function(_join, 1, 2),
    "indexOf": Function(_index_of, 2, 2),
    "lastIndexOf": Function(_last_index_of, 2, 2),
    "hasPrefix": Function(_has_prefix, 2, 2),
    "hasSuffix": Function(_has_suffix, 2, 2),
}
