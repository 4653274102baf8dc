"""One child process as the pool sees it: start, one call at a time, kill. Judges no script."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, Literal, TypeVar

import msgspec
import structlog

from tidemill.core.errors import Unavailable
from tidemill.sandbox.protocol import HEADER_BYTES, Form, Limits, Reply, Request, body_length, frame, reply_decoder
from tidemill.sandbox.script import Computed, ScriptError, Staged
from tidemill.sandbox.settings import SandboxSettings

log = structlog.get_logger(__name__)

Engine = Literal["javascript", "jq"]

_GRACE_S = 2.0
"""Beyond the time limit, for a child that does not notice a hang by itself."""
_STEP_S = 0.5
"""Time counts in steps: a process that was frozen for long comes back with one step spent, and blames nobody."""
_ALARM = signal.SIGPROF.name
"""How jq's child ends when a message takes too long."""
_READ_BYTES = 256 * 1024
Answer = TypeVar("Answer", Computed, Staged)


class Died(Exception):
    """The child is gone: its pipe is closed."""


class Garbled(Exception):
    """An answer that cannot be read: nested deeper than anybody reads, say."""


class Answers(msgspec.Struct, Generic[Answer], frozen=True):
    """What comes back for an input, and how an error is told that came from the child's end, at a stage."""

    decoder: msgspec.json.Decoder[list[Answer]]
    failed: Callable[[int, ScriptError], Answer]
    is_staged: bool = False


COMPUTED = Answers(msgspec.json.Decoder(list[Computed]), lambda _, error: Computed(error=error))
STAGED = Answers(msgspec.json.Decoder(list[Staged]), lambda stage, error: Staged(stage, error=error), is_staged=True)


class Call(msgspec.Struct, Generic[Answer]):
    """A script on its way to a child, and what came back. `end` is None while it runs; `how` is the name of the
    signal, or another word, for a child that died; `stage` is where the first input without an answer was, as far as
    a careful child has told."""

    key: bytes
    source: str
    form: Form
    inputs: Sequence[bytes]
    limit_s: float
    answers: Answers[Answer]
    what: Literal["check", "run"] = "run"
    is_careful: bool = False
    computed: list[Answer] = []
    stage: int = 0
    end: Literal["answered", "died", "hung", "garbled"] | None = None
    how: str = ""


class Child:
    """A process that is started when it is needed and stays until it dies or is killed."""

    def __init__(self, engine: Engine, settings: SandboxSettings, directory: Path) -> None:
        self._engine = engine
        self._settings = settings
        self._directory = directory
        self._process: Process | None = None
        self._known: set[bytes] = set()
        self._buffer = bytearray()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Does nothing for a child that runs. Raises `Unavailable`."""
        if self._process is not None and self._process.returncode is None:
            return
        await self.kill()
        try:
            async with asyncio.timeout(self._settings.start_timeout_s):
                self._process = await self._spawn()
                await self._reply()
        except (OSError, TimeoutError, Died) as error:
            await self.kill()
            raise Unavailable(f"the {self._engine} sandbox does not start: {error}") from error
        except asyncio.CancelledError:
            await asyncio.shield(self.kill())
            raise
        log.info("sandbox started", engine=self._engine, pid=self.pid)

    async def kill(self) -> None:
        process, self._process = self._process, None
        self._known.clear()
        self._buffer.clear()
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()

    async def run(self, call: Call[Answer]) -> None:
        """Fills the call. Afterwards the child is idle, or dead."""
        try:
            await self._run(call)
            call.end = "answered"
        except TimeoutError:
            call.end = "hung"
        except Garbled as error:
            call.end, call.how = "garbled", str(error)
        except (Died, OSError) as error:
            call.how = await self._epitaph(error)
            call.end = "hung" if call.how == _ALARM else "died"
        finally:
            # Also when cancelled in the middle: the answers would be taken for those of the next call.
            if call.end != "answered":
                await asyncio.shield(self.kill())

    async def _run(self, call: Call[Answer]) -> None:
        await self._send(call, with_source=call.what == "check" or call.key not in self._known)
        while True:
            reply = await self._awaited_reply(call.limit_s + _GRACE_S)
            if reply.is_unknown:
                await self._send(call, with_source=True)
                continue
            call.computed.extend(_decoded(call.answers, reply))
            call.stage = reply.stage
            if reply.last:
                return

    async def _send(self, call: Call[Answer], *, with_source: bool) -> None:
        stdin = self._pipes()[0]
        source = call.source if with_source else None
        request = Request(call.what, call.key, source, list(call.inputs), call.limit_s, call.is_careful, call.form)
        stdin.write(frame(request))
        if call.what == "run":
            self._known.add(call.key)
        async with asyncio.timeout(call.limit_s + _GRACE_S):
            await stdin.drain()

    async def _awaited_reply(self, limit_s: float) -> Reply:
        """Raises `TimeoutError`."""
        left_s = limit_s
        while True:
            step_s = min(_STEP_S, left_s)
            try:
                async with asyncio.timeout(step_s):
                    return await self._reply()
            except TimeoutError:
                left_s -= step_s
                if left_s <= 0:
                    raise

    async def _reply(self) -> Reply:
        """Frames come in bursts, so they are cut from a buffer of our own."""
        stdout = self._pipes()[1]
        while True:
            if len(self._buffer) >= HEADER_BYTES:
                end = HEADER_BYTES + body_length(memoryview(self._buffer)[:HEADER_BYTES])
                if len(self._buffer) >= end:
                    body = bytes(self._buffer[HEADER_BYTES:end])
                    del self._buffer[:end]
                    return reply_decoder.decode(body)
            data = await stdout.read(_READ_BYTES)
            if not data:
                raise Died("closed its pipe")
            self._buffer += data

    def _pipes(self) -> tuple[asyncio.StreamWriter, asyncio.StreamReader]:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise Died("is not running")
        return process.stdin, process.stdout

    async def _spawn(self) -> Process:
        limits = Limits(self._settings.memory_bytes, self._settings.result_bytes_max, self._settings.results_max)
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-X",
            "utf8",
            "-m",
            "tidemill.sandbox.worker",
            self._engine,
            str(os.getpid()),
            msgspec.json.encode(limits).decode(),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            cwd=self._directory,
            env={},
            close_fds=True,
            start_new_session=True,
            limit=2 * _READ_BYTES,
        )

    async def _epitaph(self, error: Exception) -> str:
        """How it died, in the words of the one whose script it was."""
        if self._process is None:
            return str(error)
        try:
            async with asyncio.timeout(1):
                code = await self._process.wait()
        except TimeoutError:
            return str(error)
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        log.info("sandbox died", engine=self._engine, pid=self.pid, how=name)
        return name


def _decoded(answers: Answers[Answer], reply: Reply) -> list[Answer]:
    try:
        return answers.decoder.decode(reply.computed)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Garbled(str(error)) from error
