"""The two pipes to a child: whole frames go in and come out, and nobody waits for them here. Knows no call."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections import deque
from collections.abc import Callable

import msgspec

from tidemill.sandbox.protocol import HEADER_BYTES, Reply, body_length, reply_decoder

PIPE_BYTES = 2**20
"""A whole batch fits in: the child goes on while this process is busy with another one."""


class Pipes:
    """`child_in` and `child_out` are the ends that the child gets; they are closed by `begin`. `on_reply` is called for
    each reply, `on_end` once, when the child has closed its end or sent what is no reply."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as opened:
            self.child_in, self._in = _pipe(opened)
            self._out, self.child_out = _pipe(opened)
            opened.pop_all()
        self._ends = {self.child_in, self._in, self._out, self.child_out}
        self._loop = asyncio.get_running_loop()
        self._unsent: deque[memoryview] = deque()
        self._buffer = bytearray()

    def begin(self, on_reply: Callable[[Reply], None], on_end: Callable[[str], None]) -> None:
        """The child has been started."""
        for end in (self.child_in, self.child_out):
            self._close_end(end)
        for end in (self._in, self._out):
            os.set_blocking(end, False)
        self._on_reply, self._on_end = on_reply, on_end
        self._loop.add_reader(self._out, self._read)

    def send(self, frame: bytes) -> None:
        """What does not fit is kept, and sent as the child reads."""
        self._unsent.append(memoryview(frame))
        if len(self._unsent) == 1:
            self._write()
            if self._unsent:
                self._loop.add_writer(self._in, self._write)

    def close(self) -> None:
        if self._in in self._ends:
            self._loop.remove_writer(self._in)
        if self._out in self._ends:
            self._loop.remove_reader(self._out)
        for end in list(self._ends):
            self._close_end(end)

    def _write(self) -> None:
        try:
            while self._unsent:
                rest = self._unsent[0][os.write(self._in, self._unsent[0]) :]
                if rest:
                    self._unsent[0] = rest
                else:
                    self._unsent.popleft()
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()  # nobody reads any more; the other pipe tells so
        self._loop.remove_writer(self._in)

    def _read(self) -> None:
        try:
            data = os.read(self._out, PIPE_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._stop(str(error))
            return
        if not data:
            self._stop("closed its pipe")
            return
        self._buffer += data
        replies, reason = self._cut()
        for reply in replies:
            self._on_reply(reply)
        if reason:
            self._stop(reason)

    def _stop(self, reason: str) -> None:
        if self._out in self._ends:
            self._loop.remove_reader(self._out)
            self._on_end(reason)

    def _cut(self) -> tuple[list[Reply], str]:
        """The replies that are there as a whole, and why there can be no more of them."""
        replies = []
        start, reason = 0, ""
        with memoryview(self._buffer) as held:
            while len(held) - start >= HEADER_BYTES and not reason:
                end = start + HEADER_BYTES + body_length(held[start : start + HEADER_BYTES])
                if end > len(held):
                    break
                try:
                    replies.append(reply_decoder.decode(held[start + HEADER_BYTES : end]))
                except msgspec.MsgspecError as error:
                    reason = f"sent what is no reply: {error}"
                start = end
        del self._buffer[:start]
        return replies, reason

    def _close_end(self, end: int) -> None:
        self._ends.discard(end)
        os.close(end)


def _pipe(opened: contextlib.ExitStack) -> tuple[int, int]:
    """Reading end, writing end."""
    ends = os.pipe()
    for end in ends:
        opened.callback(os.close, end)
    with contextlib.suppress(OSError):  # smaller ones do, too, with more waiting
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return ends
