"""What this process has committed last and will soon read again: bounded, the oldest goes first. Asks no database.

Only where no other process writes, and only what is in a row that says by a revision whether it is still so: what is
remembered wrongly could then be refused, never be written over.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

BYTES_MAX = 8 * 1024 * 1024
EACH_MAX = 64 * 1024
OVERHEAD = 500
"""Of each: the objects around its bytes."""

V = TypeVar("V")


class Remembered(Generic[V]):
    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._values: dict[Hashable, tuple[V, int]] = {}

    def get(self, key: Hashable) -> V | None:
        found = self._values.get(key)
        return None if found is None else found[0]

    def put(self, key: Hashable, value: V, size: int) -> None:
        if key in self._values:
            self.drop(key)
        if size > EACH_MAX:
            return
        self._values[key] = value, size + OVERHEAD
        self._bytes += size + OVERHEAD
        while self._bytes > self._bytes_max:
            self.drop(next(iter(self._values)))

    def drop(self, key: Hashable) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self._bytes -= found[1]
