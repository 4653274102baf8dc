"""Bytes to frames: what has come from one client and is not a whole frame yet. Knows nothing of what frames say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tidemill.broker.dispatch import CORRELATION_ID
from tidemill.broker.large_frame import LargeFrame
from tidemill.broker.protocol.primitives import ProtocolError

INBOX_BYTES = 64 * 1024
LENGTH_BYTES = CORRELATION_ID.size
KEY_BYTES = 2  # of the API key, which comes first and says how long its frame may be


class Inbox:
    """`limit_bytes`: how long a frame with this API key may be; it raises `ProtocolError` where none may come."""

    __slots__ = ("_filled", "_large", "_limit_bytes", "_room")

    def __init__(self, limit_bytes: Callable[[int], int]) -> None:
        self._limit_bytes = limit_bytes
        self._room = memoryview(bytearray(INBOX_BYTES))
        self._filled = 0
        self._large: LargeFrame | None = None

    def room(self) -> memoryview:
        """Where the next bytes go. Never empty."""
        return self._room[self._filled :] if self._large is None else self._large.room()

    def add(self, size: int) -> Iterator[bytearray]:
        """So many bytes came into `room`: the frames that are whole now. Raises `ProtocolError`."""
        if self._large is None:
            self._filled += size
            yield from self._frames()
        elif (frame := self._large.add(size)) is not None:
            self._large = None
            yield frame

    def close(self) -> None:
        """Lets go of its memory and of who made it, at once: the collector may come much later."""
        self._room, self._large, self._limit_bytes = memoryview(b""), None, _nothing

    def _frames(self) -> Iterator[bytearray]:
        """Moves the rest to where it can grow."""
        start = 0
        while self._filled - start >= LENGTH_BYTES + KEY_BYTES:
            (size,) = CORRELATION_ID.unpack_from(self._room, start)
            first = start + LENGTH_BYTES
            self._check(size, int.from_bytes(self._room[first : first + KEY_BYTES]))
            if self._filled - first < size:
                if LENGTH_BYTES + size <= INBOX_BYTES:
                    break
                self._large = LargeFrame(size, self._room[first : self._filled])
                self._filled = 0
                return
            start = first + size
            yield bytearray(self._room[first:start])
        rest = self._filled - start
        if start and rest:
            self._room[:rest] = bytes(self._room[start : self._filled])
        self._filled = rest

    def _check(self, size: int, key: int) -> None:
        limit = self._limit_bytes(key)
        if not 0 < size <= limit:
            raise ProtocolError(f"a frame of {size} bytes, where {limit} are allowed")


def _nothing(key: int) -> int:
    return 0
