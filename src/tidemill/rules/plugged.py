"""Functions of the operator's, by name: registered by a decorator in a module that is imported at the start
(`plugins`), or listed by an entry point of an installed package.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)

Function = Callable[..., Any]
F = TypeVar("F", bound=Function)


class Plugged:
    """`what` they are called, `group` of the entry points, `taken` the names that nobody may take."""

    def __init__(self, what: str, group: str, taken: Collection[str] = ()) -> None:
        self._what = what
        self._group = group
        self._taken = taken
        self._registered: dict[str, Function] = {}
        self._foreign: Mapping[str, Function] | None = None

    def register(self, name: str) -> Callable[[F], F]:
        """A decorator. The same function may come twice, as a module is reloaded; another one may not."""
        if not isinstance(name, str) or not name:
            raise TypeError(f'a {self._what} has a name: @tidemill.{self._what}("name")')

        def register(function: F) -> F:
            known = self._registered.get(name)
            if name in self._taken or (known is not None and _place(known) != _place(function)):
                raise ValueError(f"there is a {self._what} {name!r} already")
            self._registered[name] = function
            return function

        return register

    def get(self, name: str) -> Function | None:
        """Entry points are loaded when a name is asked for that nobody has; what they import may register it."""
        return self._registered.get(name) or self._from_outside().get(name) or self._registered.get(name)

    def names(self) -> Sequence[str]:
        return list(dict.fromkeys([*self._registered, *self._from_outside()]))

    def _from_outside(self) -> Mapping[str, Function]:
        """One that cannot be loaded is told of, and is not there."""
        if self._foreign is None:
            found: dict[str, Function] = {}
            for point in entry_points(group=self._group):
                try:
                    found[point.name] = point.load()
                except Exception:  # somebody else's code
                    log.exception("entry point not loaded", what=self._what, entry_point=point.value)
            self._foreign = found
        return self._foreign


def _place(function: Function) -> tuple[Any, Any]:
    return getattr(function, "__module__", None), getattr(function, "__qualname__", None)
