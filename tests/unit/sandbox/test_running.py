"""Several calls in the pipe of one process: who gets which answer, and what becomes of them when it ends. The child is
played by the test, at its ends of the pipes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import BinaryIO

import pytest

from tidemill.sandbox.call import COMPUTED, Call
from tidemill.sandbox.child import Child
from tidemill.sandbox.pipes import PIPE_BYTES, Pipes
from tidemill.sandbox.pool import Crew
from tidemill.sandbox.protocol import HEADER_BYTES, Reply, Request, body_length, frame, request_decoder
from tidemill.sandbox.running import ANSWERED, LOST, Running, Sent
from tidemill.sandbox.script import Computed
from tidemill.sandbox.settings import SandboxSettings


class Played:
    """The other side. It reads and writes in threads: a real child does not wait for this process either."""

    def __init__(self, requests: BinaryIO, replies: BinaryIO) -> None:
        self._requests = requests
        self._replies = replies

    async def asked(self) -> Request:
        return await asyncio.to_thread(self._read)

    async def says(self, *replies: Reply) -> None:
        await self.writes(b"".join(map(frame, replies)))

    async def writes(self, data: bytes) -> None:
        await asyncio.to_thread(self._replies.write, data)

    def close(self) -> None:
        self._requests.close()
        self._replies.close()

    def _read(self) -> Request:
        return request_decoder.decode(self._requests.read(body_length(self._requests.read(HEADER_BYTES))))


@pytest.fixture
async def played() -> AsyncIterator[tuple[Running, Played]]:
    pipes = Pipes()
    child = Played(os.fdopen(os.dup(pipes.child_in), "rb"), os.fdopen(os.dup(pipes.child_out), "wb", buffering=0))
    running = Running(await asyncio.create_subprocess_exec("sleep", "600"), pipes)
    await child.says(Reply())
    await running.is_ready
    yield running, child
    running.kill(LOST)
    await running.ended()
    child.close()


def call(*inputs: bytes, key: bytes = b"k") -> Call[Computed]:
    return Call(key, "the source", "expression", inputs, 60, COMPUTED)


def told(sent: Sent) -> Iterator[bytes]:
    return (reply.computed for reply in sent.replies)


async def test_the_next_call_is_sent_before_the_first_is_answered(played: tuple[Running, Played]) -> None:
    running, child = played
    first, second = running.send(call(b"1")), running.send(call(b"2"))
    asked = [await child.asked(), await child.asked()]
    assert [(request.inputs, request.source) for request in asked] == [([b"1"], "the source"), ([b"2"], None)]
    assert not first.is_over.done()
    await child.says(Reply(b"[1]", last=False), Reply(b"[2]"), Reply(b"[3]"))
    await asyncio.gather(running.watch(first), running.watch(second))
    assert (list(told(first)), list(told(second))) == ([b"[1]", b"[2]"], [b"[3]"])
    assert (first.fate, second.fate) == (ANSWERED, ANSWERED)


async def test_whose_source_is_asked_for_comes_after_those_that_were_sent(played: tuple[Running, Played]) -> None:
    running, child = played
    first, second = running.send(call(b"1")), running.send(call(b"2", key=b"other"))
    await child.says(Reply(is_unknown=True), Reply(b"[2]"))
    await running.watch(second)
    assert not first.is_over.done()
    asked = [await child.asked() for _ in range(3)]
    assert [(request.inputs, request.source) for request in asked[1:]] == [
        ([b"2"], "the source"),
        ([b"1"], "the source"),
    ]
    await child.says(Reply(b"[1]"))
    await running.watch(first)
    assert (list(told(first)), list(told(second))) == ([b"[1]"], [b"[2]"])


async def test_only_the_call_that_it_was_at_is_told_how_it_ended(played: tuple[Running, Played]) -> None:
    running, child = played
    done, guilty, other = (running.send(call(item)) for item in (b"1", b"2", b"3"))
    await child.says(Reply(b"[1]"), Reply(b"[20]", last=False))
    child.close()
    await asyncio.gather(*(running.watch(each) for each in (done, guilty, other)))
    assert [each.fate for each in (done, guilty, other)] == [ANSWERED, "closed its pipe", LOST]
    assert list(told(guilty)) == [b"[20]"]
    assert running.is_over


async def test_a_process_that_does_not_get_on_is_killed(played: tuple[Running, Played]) -> None:
    running, _ = played
    short = call(b"1")
    short.limit_s = -1.9  # what is left of the time beyond the limit is a tenth of a second
    guilty, other = running.send(short), running.send(call(b"2"))
    await asyncio.gather(running.watch(guilty), running.watch(other))
    assert (guilty.fate, other.fate) == ("hung", LOST)
    assert await running.ended() == "SIGKILL"


async def test_what_is_no_reply_ends_it(played: tuple[Running, Played]) -> None:
    running, child = played
    first, second = running.send(call(b"1")), running.send(call(b"2"))
    await child.writes(frame(Reply(b"[1]")) + b"\0\0\0\x01\xc1")
    await asyncio.gather(running.watch(first), running.watch(second))
    assert first.fate == ANSWERED
    assert second.fate.startswith("sent what is no reply")
    assert running.is_over


async def test_an_answer_to_nobody_ends_it(played: tuple[Running, Played]) -> None:
    running, child = played
    first = running.send(call(b"1"))
    await child.says(Reply(b"[1]"), Reply(b"[2]"))
    await running.watch(first)
    assert list(told(first)) == [b"[1]"]
    assert await running.process.wait() == -signal.SIGKILL


async def test_what_is_larger_than_a_pipe_goes_through_in_both_ways(played: tuple[Running, Played]) -> None:
    running, child = played
    large = [b"%d" % number + b" " * PIPE_BYTES for number in range(4)]
    first, second = running.send(call(*large)), running.send(call(b"2"))
    watched = asyncio.gather(running.watch(first), running.watch(second))
    assert [(await child.asked()).inputs, (await child.asked()).inputs] == [large, [b"2"]]
    await child.says(Reply(b"[%b]" % b",".join(large)), Reply(b"[2]"))
    await watched
    assert (list(told(first)), list(told(second))) == ([b"[%b]" % b",".join(large)], [b"[2]"])


@pytest.mark.parametrize(("children", "at_once"), [(1, [0, 0]), (2, [1, 0])])
async def test_a_single_child_has_the_next_call_already(children: int, at_once: list[int]) -> None:
    staff = [Child("jq", SandboxSettings(), Path()) for _ in range(children)]
    crew = Crew(staff, waiting_max=2)
    async with asyncio.timeout(10), AsyncExitStack() as calls:
        got = [staff.index(await calls.enter_async_context(crew.child())) for _ in at_once]
        assert got == at_once
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01), crew.child():
                pass
    async with crew.child():
        pass
