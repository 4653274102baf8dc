"""One process of a child, from its start to its end, and the calls in its pipe. Starts nothing again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from asyncio.subprocess import Process
from collections import deque
from typing import Any

from tidemill.sandbox.call import Call
from tidemill.sandbox.pipes import Pipes
from tidemill.sandbox.protocol import Reply, frame

ANSWERED, HUNG, LOST = "answered", "hung", "lost"
"""What can become of a call; another word says why the process ended while it was at this one. `LOST`: it ended, but
was at another, or nobody had asked it to go on."""

_GRACE_S = 2.0
"""Beyond the time limit, for a child that does not notice a hang by itself."""
_STEP_S = 0.5
"""Time counts in steps: a process that was frozen for long comes back with one step spent, and blames nobody."""
_LAST_WORDS_S = 1.0
"""Until a process that has closed its pipe has ended."""


class Sent:
    """A call in the pipe."""

    __slots__ = ("call", "fate", "is_over", "replies")

    def __init__(self, call: Call[Any]) -> None:
        self.call = call
        self.replies: list[Reply] = []
        self.fate = LOST
        self.is_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def finish(self, fate: str) -> None:
        self.fate = fate
        if not self.is_over.done():  # nobody may be waiting any more
            self.is_over.set_result(None)


class Running:
    """The process works on its calls in the order in which they were sent; the first in `_sent` is the one it is at."""

    def __init__(self, process: Process, pipes: Pipes) -> None:
        self.process = process
        self.is_over = False
        self.is_ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pipes = pipes
        self._sent: deque[Sent] = deque()
        self._known: set[bytes] = set()
        self._replies = 0
        pipes.begin(self._replied, self.end)

    def send(self, call: Call[Any]) -> Sent:
        assert not self.is_over
        sent = Sent(call)
        self._send(sent, with_source=call.what == "check" or call.key not in self._known)
        if call.what == "run":
            self._known.add(call.key)
        return sent

    async def watch(self, sent: Sent) -> None:
        """Until the call is over. Of several who wait for theirs each sees to it that the process gets on."""
        seen, left_s = -1, 0.0
        while not sent.is_over.done():
            if seen != self._replies:
                seen, left_s = self._replies, self._sent[0].call.limit_s + _GRACE_S
            step_s = min(_STEP_S, left_s)
            await asyncio.wait((sent.is_over,), timeout=step_s)
            left_s -= step_s
            if left_s <= 0 and seen == self._replies and not sent.is_over.done():
                self.kill(HUNG)

    def kill(self, fate: str) -> None:
        """`fate` is that of the call that it is at."""
        self.end(fate)
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    def end(self, fate: str) -> None:
        """No more of it is read, and nothing sent."""
        if self.is_over:
            return
        self.is_over = True
        self._pipes.close()
        sent, self._sent = self._sent, deque()
        for place, each in enumerate(sent):
            each.finish(LOST if place else fate)
        if not self.is_ready.done():
            self.is_ready.set_result(None)

    async def ended(self) -> str:
        """When the process is gone: how it ended, in the words of the one whose script it was."""
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                code = await self.process.wait()
        except TimeoutError:
            self.kill(LOST)
            code = await self.process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _send(self, sent: Sent, *, with_source: bool) -> None:
        self._sent.append(sent)
        self._pipes.send(frame(sent.call.request(with_source=with_source)))

    def _replied(self, reply: Reply) -> None:
        self._replies += 1
        if not self.is_ready.done():
            self.is_ready.set_result(None)
        elif not self._sent:
            self.kill(LOST)  # nobody had asked
        elif reply.is_unknown:
            self._send(self._sent.popleft(), with_source=True)
        else:
            self._sent[0].replies.append(reply)
            if reply.last:
                self._sent.popleft().finish(ANSWERED)
