"""What one document has otherwise than another. Knows no format: lists of things with ids are compared by id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

_ABSENT = object()


class Difference(msgspec.Struct, frozen=True):
    """At a place. `before` is UNSET where something is new, `after` where it is gone."""

    path: str
    before: Any = msgspec.UNSET
    after: Any = msgspec.UNSET

    def as_json(self) -> dict[str, Any]:
        fields = {"path": self.path, "before": self.before, "after": self.after}
        return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """`nodes[temperature].configuration.jsScript` is a place: things with ids are named by them, not by number."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _at(before.get(key, _ABSENT), after.get(key, _ABSENT), f"{path}.{key}" if path else key)
    elif (olds := _by_id(before)) is not None and (news := _by_id(after)) is not None:
        for name in dict.fromkeys([*olds, *news]):
            yield from _at(olds.get(name, _ABSENT), news.get(name, _ABSENT), f"{path}[{name}]")
    elif before != after:
        yield Difference(path, before, after)


def _at(before: Any, after: Any, path: str) -> Iterator[Difference]:
    if before is _ABSENT:
        yield Difference(path, after=after)
    elif after is _ABSENT:
        yield Difference(path, before)
    else:
        yield from differences(before, after, path)


def _by_id(value: Any) -> dict[str, Any] | None:
    """Of a list whose things all have an id of their own, or say from where to where they lead; else None."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    named = {_name(item): item for item in value}
    return named if len(named) == len(value) and "" not in named else None


def _name(item: dict[str, Any]) -> str:
    if {"fromId", "type", "toId"} <= item.keys():
        return f"{item['fromId']} {item['type']} {item['toId']}"
    id_ = item.get("id")
    return id_ if isinstance(id_, str) else ""
