"""JavaScript on V8, inside the child: one context per script, a whole batch per call.

Imported by the worker only. What V8 stops (time, memory) costs that script's context, nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from py_mini_racer import JSEvalException, JSParseException, mini_racer

from tidemill.sandbox.protocol import Limits, Reply, Request

CONTEXTS_MAX = 32
LOGS_MAX = 100
LOG_LENGTH_MAX = 1_000
RELOCATED_MAX = 3
"""How many thrown values that are no Error are run once more per call, to learn where they were thrown."""
SLICE_S = 0.25
"""A call of V8 comes back after this time or later, however many messages are left."""
STEP_S = 0.25
"""Time counts in steps: a child that was frozen for long comes back with one step spent."""
STUCK_S = 1.0
EXIT_STUCK = 3
SEPARATOR = "\x1e"

_ENVIRONMENT = (Path(__file__).parent / "environment.js").read_text()
_HARNESS = (Path(__file__).parent / "harness.js").read_text()
_REPORT = re.compile(r"[^\n]*?:(?P<line>\d+): (?P<message>[^\n]*)\n[^\n]*\n(?P<before> *)\^", re.DOTALL)
_STRICT = re.compile(r"\s*(['\"])use strict\1")
_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode


class Context:
    """One script in a V8 isolate of its own."""

    def __init__(self, source: str, limits: Limits) -> None:
        self.source = source
        self._stack = contextlib.ExitStack()
        self.racer = self._stack.enter_context(mini_racer(asyncio.get_running_loop()))
        self.racer.set_hard_memory_limit(limits.memory_bytes)
        quoted = _quoted(source)
        store = f"({_ENVIRONMENT})({LOGS_MAX}, {LOG_LENGTH_MAX})"
        harness: Any = self.racer.eval(f"({_HARNESS})({quoted}, {store}, {limits.result_bytes_max})")
        self._calls = {name: harness[name].cancelable() for name in ("run", "more", "take", "again")}
        self.compile_error = self._compile_error(harness)

    def close(self) -> None:
        self._calls = {}
        self._stack.close()

    async def call(self, name: str, *arguments: str, limit_s: float) -> str:
        """Raises `TimeoutError`, or `JSEvalException` when memory ran out."""
        call = asyncio.ensure_future(self._calls[name](*arguments))
        left_s = limit_s
        while not call.done():
            if left_s <= 0:
                call.cancel()
                await asyncio.wait({call})
                raise TimeoutError
            step_s = min(STEP_S, left_s)
            _ = await asyncio.wait({call}, timeout=step_s)
            left_s -= step_s
        return str(call.result())

    def _compile_error(self, harness: Any) -> dict[str, Any] | None:
        message = str(harness["check"]())
        return _located(self.source, message) if message else None


def _quoted(text: str) -> str:
    """A JavaScript literal: JSON is one, but for the two line ends that old JavaScript did not allow in texts."""
    return _to_json(text).decode()


def _located(source: str, message: str) -> dict[str, Any]:
    """V8 tells the place of a syntax error only for a script of its own, so it gets one that is never run."""
    prefix = "'use strict';throw 0;" if _STRICT.match(source) else "throw 0;"
    error: dict[str, Any] = {"kind": "compile", "message": message}
    with mini_racer(asyncio.get_running_loop()) as scratch:
        try:
            scratch.eval(prefix + source)
        except JSParseException as parse_error:
            error |= _place(str(parse_error), len(prefix))
        except JSEvalException:
            pass
    return error


def _place(report: str, prefix_length: int) -> dict[str, Any]:
    found = _REPORT.match(report)
    if found is None:
        return {}
    line = int(found["line"])
    column = len(found["before"]) + 1 - (prefix_length if line == 1 else 0)
    return {"line": line, "column": max(1, column)}


class JavaScript:
    """The engine: the contexts of the scripts used last, and what is asked of them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._contexts: OrderedDict[bytes, Context] = OrderedDict()

    def warm(self) -> None:
        """The first context takes V8 a tenth of a second; the first message should not wait for it."""
        Context("0", self._limits).close()

    def is_known(self, key: bytes) -> bool:
        return key in self._contexts

    def forget_all(self) -> None:
        for key in list(self._contexts):
            self._drop(key)

    async def check(self, source: str) -> bytes:
        context = Context(source, self._limits)
        try:
            return _to_json([{"error": context.compile_error}])
        finally:
            context.close()

    async def run(self, request: Request) -> AsyncIterator[Reply]:
        context = self._context(request)
        if context.compile_error is not None:
            yield Reply(_to_json([{"error": context.compile_error}] * len(request.inputs)))
            return
        joined = _joined(request.inputs)
        slice_s = 0.0 if request.is_careful else min(SLICE_S, request.limit_s)
        # One argument: V8 takes each of them in a call of its own.
        done, call, argument = 0, "run", f"{slice_s * 1000:g}{SEPARATOR}{joined}"
        while True:
            try:
                text = await context.call(call, argument, limit_s=request.limit_s + slice_s)
            except (TimeoutError, JSEvalException) as error:
                yield await self._stopped(request, context, done, error)
                return
            is_last = text[0] == "."
            computed = await self._relocated(context, request, done, text[1:])
            if is_last:
                yield Reply(computed)
                break
            done += len(_from_json(computed))
            yield Reply(computed, last=False)
            call, argument = "more", f"{slice_s * 1000:g}"
        if "async" in context.source or "Promise" in context.source:
            await self._answers(context)

    async def _stopped(self, request: Request, context: Context, done: int, error: Exception) -> Reply:
        """V8 ended the call: what was answered before, and the error of the message that it was at."""
        taken = _from_json(await self._answers(context))
        is_memory = not isinstance(error, TimeoutError)
        self._drop(request.key)
        if done + len(taken) < len(request.inputs):
            taken.append({"error": self._memory_error() if is_memory else _time_error(request.limit_s)})
        return Reply(_to_json(taken))

    async def _answers(self, context: Context) -> str:
        """What was done in the stopped call. Where promises make promises for ever, V8 answers no more, not even
        to be cancelled or closed: only the end of the process helps."""
        watchdog = threading.Timer(STUCK_S, os._exit, (EXIT_STUCK,))
        watchdog.daemon = True
        watchdog.start()
        try:
            return await context.call("take", limit_s=2 * STUCK_S)
        finally:
            watchdog.cancel()

    def _memory_error(self) -> dict[str, Any]:
        return {"kind": "memory", "message": f"used more than {self._limits.memory_bytes >> 20} MB of memory"}

    async def _relocated(self, context: Context, request: Request, done: int, text: str) -> bytes:
        """Finds the places of what was thrown and is no Error."""
        if '"kind":"throw"' not in text:
            return text.encode()
        computed = _from_json(text)
        unplaced = [
            (at, error)
            for at, answer in enumerate(computed)
            if (error := answer.get("error")) and error["kind"] == "throw" and "line" not in error
        ]
        for at, error in unplaced[:RELOCATED_MAX]:
            try:
                await context.call("again", _text(request.inputs[done + at]), limit_s=request.limit_s)
            except JSEvalException as thrown:
                error |= _place(str(thrown), 0)
            except TimeoutError:
                break
        return _to_json(computed)

    def _context(self, request: Request) -> Context:
        context = self._contexts.get(request.key)
        if context is None:
            assert request.source is not None
            context = self._contexts[request.key] = Context(request.source, self._limits)
            if len(self._contexts) > CONTEXTS_MAX:
                self._drop(next(iter(self._contexts)))
        self._contexts.move_to_end(request.key)
        return context

    def _drop(self, key: bytes) -> None:
        if (context := self._contexts.pop(key, None)) is not None:
            context.close()


def _time_error(limit_s: float) -> dict[str, Any]:
    return {"kind": "timeout", "message": f"took longer than {limit_s:g} s"}


def _joined(inputs: Sequence[bytes]) -> str:
    """All inputs in one text: no JSON text has this separator in it, and one that has is no JSON."""
    try:
        joined = b"\x1e".join(inputs).decode()
    except UnicodeDecodeError:
        return SEPARATOR.join(_text(item) for item in inputs)
    if joined.count(SEPARATOR) == len(inputs) - 1:
        return joined
    return SEPARATOR.join(_text(item) for item in inputs)


def _text(item: bytes) -> str:
    """One input; what is neither UTF-8 nor free of the separator becomes a text that is no JSON."""
    try:
        text = item.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    return text.replace(SEPARATOR, "\x1f")
