"""A frame that does not fit into a connection's inbox. Its memory grows with what has come, not with what was promised:
a client that announces 100 MB and falls silent holds one.
"""

from __future__ import annotations

from tidemill.broker.disk import Bytes

FIRST_BYTES = 1024 * 1024
"""What most producers send at most, and so is never copied."""


class LargeFrame:
    __slots__ = ("_content", "_filled", "_size")

    def __init__(self, size: int, start: Bytes) -> None:
        """`size` without the length in front; `start` is what is there already, and less than that."""
        self._size = size
        self._content = bytearray(min(size, max(FIRST_BYTES, 2 * len(start))))
        self._content[: len(start)] = start
        self._filled = len(start)

    def room(self) -> memoryview:
        """Where the next bytes go. Never empty."""
        return memoryview(self._content)[self._filled :]

    def add(self, size: int) -> bytearray | None:
        """So many bytes came into `room`. The frame, when it is whole."""
        self._filled += size
        if self._filled == self._size:
            return self._content
        if self._filled == len(self._content):
            grown = bytearray(min(self._size, 2 * self._filled))
            grown[: self._filled] = self._content
            self._content = grown
        return None
