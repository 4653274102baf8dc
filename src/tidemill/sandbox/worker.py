"""The child process: takes requests from its standard input and answers on its standard output.

Before it sees any user code it has given up what it can: environment, files, core dumps, its parent's life.
Started as `python -I -m tidemill.sandbox.worker ENGINE PARENT LIMITS`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sys
from typing import Any, BinaryIO, Protocol

import msgspec

from tidemill.sandbox.protocol import HEADER_BYTES, Limits, Reply, Request, body_length, frame, request_decoder

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
FREED_BYTES_KEPT = 16 * 2**20
DATA_BYTES_SPARE = 320 * 2**20
"""Beside one script's heap, on top of what V8 has when it is warm. Measured: 32 contexts take 150 MB."""
THREAD_STACK_BYTES = 2 * 2**20
"""Each V8 context has a thread; V8 itself stops a script's recursion at one megabyte."""
JQ_BYTES_SPARE = 384 * 2**20
RESIDENT_BYTES_MAX = 280 * 2**20
"""Beyond it all contexts are dropped after a call: scripts that keep something should not add up."""


class Engine(Protocol):
    def warm(self) -> None: ...
    def is_known(self, key: bytes) -> bool: ...
    def forget_all(self) -> None: ...
    async def check(self, request: Request) -> bytes: ...
    def run(self, request: Request) -> Any: ...


def main() -> None:
    engine_name, parent, limits_text = sys.argv[1:4]
    _die_with(int(parent))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    limits = msgspec.json.decode(limits_text, type=Limits)
    try:
        asyncio.run(_serve(engine_name, limits))
    finally:
        # V8's threads may still be busy. Nothing is left to clean up, and nobody waits for it.
        os._exit(0)


async def _serve(engine_name: str, limits: Limits) -> None:
    source, sink = os.fdopen(0, "rb", closefd=False), os.fdopen(1, "wb", buffering=0, closefd=False)
    _shrink_stacks()
    _keep_freed_memory()
    engine = _engine(engine_name, limits)
    engine.warm()
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    _give_up(engine_name, limits, _pages(statm)[5])
    _send(sink, Reply())
    while (request := _receive(source)) is not None:
        await _answer(engine, request, sink)
        if _pages(statm)[1] > RESIDENT_BYTES_MAX:
            engine.forget_all()


async def _answer(engine: Engine, request: Request, sink: BinaryIO) -> None:
    if request.what == "check":
        _send(sink, Reply(await engine.check(request)))
    elif request.source is None and not engine.is_known(request.key):
        _send(sink, Reply(is_unknown=True))
    else:
        async for reply in engine.run(request):
            _send(sink, reply)


def _engine(name: str, limits: Limits) -> Engine:
    """Each child loads one engine only."""
    if name == "jq":
        from tidemill.sandbox.jq import Jq

        return Jq(limits)
    from tidemill.sandbox.javascript import JavaScript

    return JavaScript(limits)


def _die_with(parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _shrink_stacks() -> None:
    """Threads that V8 makes get the default of glibc, 8 MB, unless it is told; other C libraries have less."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "pthread_setattr_default_np"):
        attributes = ctypes.create_string_buffer(128)
        libc.pthread_attr_init(attributes)
        libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(THREAD_STACK_BYTES))
        libc.pthread_setattr_default_np(attributes)


def _keep_freed_memory() -> None:
    """A batch takes a dozen texts of some 300 KB each. Of its own accord glibc gives such memory back at once, and the
    kernel has to find and clear the same pages for the next batch: 270 of them for each, measured."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, FREED_BYTES_KEPT)
        libc.mallopt(M_MMAP_THRESHOLD, FREED_BYTES_KEPT)


def _give_up(engine_name: str, limits: Limits, data_bytes: int) -> None:
    """V8 reserves address space by the gigabyte, so its child is held by what it may write to instead."""
    os.environ.clear()
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    # Nothing can be opened any more; what is open stays open.
    _limit(resource.RLIMIT_NOFILE, 0)
    if engine_name == "jq":
        _limit(resource.RLIMIT_AS, limits.memory_bytes + JQ_BYTES_SPARE)
    else:
        _limit(resource.RLIMIT_DATA, data_bytes + limits.memory_bytes + DATA_BYTES_SPARE)


def _limit(what: int, value: int) -> None:
    resource.setrlimit(what, (value, value))


def _pages(statm: int) -> list[int]:
    """What /proc/self/statm says, in bytes: size, resident, shared, text, lib, data and stack, ..."""
    return [int(pages) * resource.getpagesize() for pages in os.pread(statm, 128, 0).split()]


def _receive(source: BinaryIO) -> Request | None:
    """None at the end of input: the parent has closed the pipe, or is gone."""
    header = source.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    return request_decoder.decode(source.read(body_length(header)))


def _send(sink: BinaryIO, reply: Reply) -> None:
    data = memoryview(frame(reply))
    while data:
        data = data[sink.write(data) :]


if __name__ == "__main__":
    main()
