"""The sandbox: pools of child processes, and what is done when one of them dies.

Runs no user code in this process. Every script error is an answer; only a child that cannot start raises.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.core.findings import Finding
from tidemill.sandbox.call import COMPUTED, STAGED, Answer, Answers, Call
from tidemill.sandbox.child import Child, Engine
from tidemill.sandbox.script import Computed, Script, ScriptError, Staged, too_long
from tidemill.sandbox.settings import SandboxSettings

_STRIKES_SCRIPTS_MAX = 1_000
_CHECK_LIMIT_S = 4.0
_CRASHES = {"SIGABRT", "SIGTRAP", "SIGILL", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGSYS"}
"""How a child ends by its own fault. Any other way may be somebody else's doing."""


class SandboxPool:
    """Implements `sandbox.script.Sandbox`. Children start at their first call: V8 takes 60 MB, and whoever uses no
    script shall not pay for it."""

    def __init__(self, settings: SandboxSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._crews: dict[Engine, Crew] = {}
        self._strikes = Strikes(settings)

    async def start(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="tidemill-sandbox-")
        path = Path(self._directory.name)
        sizes: dict[Engine, int] = {
            "javascript": self._settings.javascript_children,
            "jq": self._settings.jq_children,
        }
        self._crews = {
            engine: Crew([Child(engine, self._settings, path) for _ in range(size)], self._settings.calls_waiting_max)
            for engine, size in sizes.items()
        }

    async def close(self) -> None:
        """Kills all children; calls under way raise `Unavailable`."""
        crews, self._crews = self._crews, {}
        for crew in crews.values():
            await crew.close()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    @property
    def pids(self) -> Sequence[int]:
        return [pid for crew in self._crews.values() for pid in crew.pids]

    async def check(self, script: Script) -> Sequence[Finding]:
        call = await self._checked(script)
        if call.end == "died":
            # It may have been killed from outside, or by the script before.
            call = await self._checked(script)
        if call.end != "answered":
            return [Finding("", f"the compiler gave up on it: {_blamed(call)}", kind="compile")]
        return [
            Finding(path, item.error.message, kind=item.error.kind, line=item.error.line, column=item.error.column)
            for index, item in enumerate(call.computed)
            for path in [f"stages[{index}]" if script.form == "stages" else ""]
            if item.error is not None
        ]

    async def _checked(self, script: Script) -> Call[Computed]:
        call = Call(b"", _text(script), script.form, (), _CHECK_LIMIT_S, COMPUTED, what="check")
        await self._call(script.engine, call)
        return call

    async def run(self, script: Script, inputs: Sequence[bytes]) -> Sequence[Computed]:
        return await self._run(script, inputs, COMPUTED)

    async def run_stages(
        self, script: Script, inputs: Sequence[bytes], limit_s: float | None = None
    ) -> Sequence[Staged]:
        return await self._run(script, inputs, STAGED, limit_s)

    async def _run(
        self, script: Script, inputs: Sequence[bytes], answers: Answers[Answer], shorter_s: float | None = None
    ) -> list[Answer]:
        source = _text(script)
        key = hashlib.blake2b(f"{script.form} {source}".encode(), digest_size=16).digest()
        computed: list[Answer] = []
        segments = [
            Segment(part, is_careful=script.engine == "jq") for part in reversed(_parts(inputs, self._settings))
        ]
        while segments:
            segment = segments.pop()
            usual_s = self._strikes.limit_s(key)
            limit_s = usual_s if shorter_s is None else min(usual_s, shorter_s)
            call = Call(key, source, script.form, segment.inputs, limit_s, answers, is_careful=segment.is_careful)
            await self._call(script.engine, call)
            if limit_s == usual_s:  # who had less time than others has not hung
                self._strikes.count(key, call)
            computed += call.computed
            if len(call.computed) < len(segment.inputs):
                blamed, again = judged(segment, call)
                computed += blamed
                segments += again
        metrics.sandbox_messages.labels(script.engine).inc(len(inputs))
        return computed

    async def _call(self, engine: Engine, call: Call[Answer]) -> None:
        crew = self._crews.get(engine)
        if crew is None:
            raise Unavailable("the sandbox is not running")
        started_s = self._clock.monotonic_s()
        async with crew.child() as child:
            await child.run(call)
        metrics.sandbox_seconds.labels(engine).observe(self._clock.monotonic_s() - started_s)
        metrics.sandbox_calls.labels(engine, call.end).inc()
        if self._crews.get(engine) is not crew:
            raise Unavailable("the sandbox was closed")


def _text(script: Script) -> str:
    """Half a surrogate pair cannot be sent to anybody; the engines would not take it either."""
    return script.source.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Segment:
    """Inputs that wait for their answers. `is_careful`: one answer at a time, so that the first without one is to
    blame. `deaths` counts the children that died over the first input, as far as is known."""

    inputs: Sequence[bytes]
    is_careful: bool = False
    deaths: int = 0


def judged(segment: Segment, call: Call[Answer]) -> tuple[list[Answer], list[Segment]]:
    """The error of the message that is to blame, if that is sure, and what is to be run again, last first.

    V8's child tells nothing about a batch that it died of, so the batch is run again with one answer at a time.
    A crash in a fresh child is proof, a crash in an old one may be the memory of other scripts, and who was killed
    may have been killed by anybody. Only with care is it known which of several stages it was.
    """
    rest = replace(segment, inputs=segment.inputs[len(call.computed) :], deaths=0)
    if call.end == "answered":
        return [], [rest]
    is_crash = call.how in _CRASHES
    deaths = segment.deaths if is_crash or not call.computed else 0
    if not segment.is_careful and (len(rest.inputs) > 1 or call.answers.is_staged):
        return [], [replace(rest, is_careful=True, deaths=deaths + 1)]
    others: list[Segment] = []
    if len(rest.inputs) > 1:
        others = [replace(rest, inputs=rest.inputs[1:], deaths=1)]
    if call.end == "died" and deaths < (1 if is_crash else 2):
        return [], [*others, replace(rest, inputs=rest.inputs[:1], deaths=deaths + 1)]
    return [call.answers.failed(call.stage, _blamed(call))], others


def _blamed(call: Call[Answer]) -> ScriptError:
    if call.end == "hung":
        return ScriptError("timeout", too_long(call.limit_s))
    if call.end == "garbled":
        return ScriptError("type", f"the value cannot be read: {call.how}")
    return ScriptError("memory", f"ran out of memory or crashed the sandbox ({call.how})")


def _parts(inputs: Sequence[bytes], settings: SandboxSettings) -> list[Sequence[bytes]]:
    """Calls of a bounded size; as a rule there is one."""
    if len(inputs) <= settings.call_messages_max and sum(map(len, inputs)) <= settings.call_bytes_max:
        return [inputs] if inputs else []
    parts: list[Sequence[bytes]] = []
    part: list[bytes] = []
    size = 0
    for item in inputs:
        if part and (len(part) >= settings.call_messages_max or size + len(item) > settings.call_bytes_max):
            parts.append(part)
            part, size = [], 0
        part.append(item)
        size += len(item)
    return [*parts, part]


class Strikes:
    """How often each script hung of late. Whoever hangs again and again gets less time."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._counts: OrderedDict[bytes, int] = OrderedDict()

    def limit_s(self, key: bytes) -> float:
        is_struck = self._counts.get(key, 0) >= self._settings.strikes_max
        return self._settings.time_limit_tight_s if is_struck else self._settings.time_limit_s

    def count(self, key: bytes, call: Call[Answer]) -> None:
        errors = [item.error for item in call.computed if item.error is not None]
        hung = call.end == "hung" or any(error.kind == "timeout" for error in errors)
        if hung:
            self._counts[key] = self._counts.get(key, 0) + 1
            self._counts.move_to_end(key)
            if len(self._counts) > _STRIKES_SCRIPTS_MAX:
                self._counts.popitem(last=False)
        elif call.end == "answered":
            self._counts.pop(key, None)


class Crew:
    """The children of one engine. A call takes a place at one of them; how many may wait for one is bounded.

    Where there is a single child, the next call is in its pipe before it has done with the one before: it shall not
    stand still while this process reads the answers. Of several children each has its own call, for a script that
    hangs shall hold up nobody who could go elsewhere."""

    def __init__(self, children: Sequence[Child], waiting_max: int) -> None:
        self._children = children
        self._calls_max = len(children) + waiting_max
        self._calls = 0
        self._places: asyncio.LifoQueue[Child] = asyncio.LifoQueue()
        for child in children:
            for _ in range(2 if len(children) == 1 else 1):
                self._places.put_nowait(child)

    @property
    def pids(self) -> list[int]:
        return [pid for child in self._children if (pid := child.pid) is not None]

    async def close(self) -> None:
        for child in self._children:
            await child.close()

    @asynccontextmanager
    async def child(self) -> AsyncIterator[Child]:
        """A child, the one used last first: it has the scripts. Raises `Unavailable`."""
        if self._calls >= self._calls_max:
            raise Unavailable(f"{self._calls} calls of the sandbox are under way already")
        self._calls += 1
        try:
            child = await self._places.get()
            try:
                yield child
            finally:
                self._places.put_nowait(child)
        finally:
            self._calls -= 1
