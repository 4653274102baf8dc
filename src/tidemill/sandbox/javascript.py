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
from typing import Any, NamedTuple

import msgspec
from py_mini_racer import JSEvalException, JSParseException, mini_racer

from tidemill.sandbox.protocol import Form, Limits, Reply, Request

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


def _text_of(name: str) -> str:
    return "(" + (Path(__file__).parent / f"{name}.js").read_text() + ")"


_ENVIRONMENT = _text_of("environment")
_HARNESS = _text_of("harness")
_FORMS = {
    "expression": _text_of("expression"),
    "stages": f"((source, tools) => {_text_of('stages')}(source, tools, {_text_of('purity')}, {_text_of('exact')}))",
}
_STAGE_HEADER = "(function (msg, metadata, msgType, dataType) {\n"
_MARK = "\x1f"
"""Around the number of an input, in the error that it threw without a place."""
_REPORT = re.compile(r"[^\n]*?:(?P<line>\d+): (?P<message>[^\n]*)\n[^\n]*\n(?P<before> *)\^", re.DOTALL)
_STRICT = re.compile(r"\s*(['\"])use strict\1")
_to_json = msgspec.json.Encoder().encode
_from_json = msgspec.json.Decoder().decode


class Context:
    """One script in a V8 isolate of its own."""

    def __init__(self, source: str, form: Form, limits: Limits) -> None:
        self.source = source
        self.form = form
        self._stack = contextlib.ExitStack()
        self.racer = self._stack.enter_context(mini_racer(asyncio.get_running_loop()))
        self.racer.set_hard_memory_limit(limits.memory_bytes)
        quoted = _quoted(source)
        store = f"{_ENVIRONMENT}({LOGS_MAX}, {LOG_LENGTH_MAX})"
        harness: Any = self.racer.eval(f"{_HARNESS}({_FORMS[form]}, {quoted}, {store}, {limits.result_bytes_max})")
        self._calls = {name: harness[name].cancelable() for name in ("run", "more", "take", "again")}
        self.compile_errors = self._compile_errors(str(harness["check"]()))

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

    def failed(self, stage: int, error: Any) -> Any:
        """The answer to one input that the harness could not give itself."""
        return [stage, None, error] if self.form == "stages" else {"error": error}

    def place(self, report: str) -> dict[str, Any]:
        """Of what was thrown, from V8's report on it."""
        return _place(report, _Offset(lines=2 if self.form == "stages" else 0))

    def _compile_errors(self, messages: str) -> list[dict[str, Any] | None]:
        texts = [self.source]
        if self.form == "stages":
            texts = [stage["code"] for stage in _from_json(self.source)["stages"]]
        return [
            _located(text, self.form, message) if message else None
            for text, message in zip(texts, _from_json(messages), strict=True)
        ]


def _quoted(text: str) -> str:
    """A JavaScript literal: JSON is one, but for the two line ends that old JavaScript did not allow in texts."""
    return _to_json(text).decode()


def _located(text: str, form: Form, message: str) -> dict[str, Any]:
    """V8 tells the place of a syntax error only for a script of its own, so it gets one that is never run."""
    before = "'use strict';throw 0;" if _STRICT.match(text) else "throw 0;"
    before, after = (before + _STAGE_HEADER, "\n})") if form == "stages" else (before, "")
    offset = _Offset(before.count("\n"), len(before) if "\n" not in before else 0)
    error: dict[str, Any] = {"kind": "compile", "message": message}
    with mini_racer(asyncio.get_running_loop()) as scratch:
        try:
            scratch.eval(before + text + after)
        except JSParseException as parse_error:
            error |= _place(str(parse_error), offset)
        except JSEvalException:
            pass
    return error


class _Offset(NamedTuple):
    """What stands before the user's text."""

    lines: int = 0
    columns: int = 0
    """In its first line."""


def _place(report: str, offset: _Offset) -> dict[str, Any]:
    found = _REPORT.match(report)
    if found is None:
        return {}
    line = int(found["line"]) - offset.lines
    column = len(found["before"]) + 1 - (offset.columns if line == 1 else 0)
    return {"line": line, "column": max(1, column)}


class JavaScript:
    """The engine: the contexts of the scripts used last, and what is asked of them."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._contexts: OrderedDict[bytes, Context] = OrderedDict()

    def warm(self) -> None:
        """The first context takes V8 a tenth of a second; the first message should not wait for it."""
        Context("0", "expression", self._limits).close()

    def is_known(self, key: bytes) -> bool:
        return key in self._contexts

    def forget_all(self) -> None:
        for key in list(self._contexts):
            self._drop(key)

    async def check(self, request: Request) -> bytes:
        context = Context(request.source or "", request.form, self._limits)
        try:
            return _to_json([{"error": error} for error in context.compile_errors])
        finally:
            context.close()

    async def run(self, request: Request) -> AsyncIterator[Reply]:
        context = self._context(request)
        for stage, error in enumerate(context.compile_errors):
            if error is not None:
                yield Reply(_to_json([context.failed(stage, error)] * len(request.inputs)))
                return
        slice_s = 0.0 if request.is_careful else min(SLICE_S, request.limit_s)
        # One argument: V8 takes each of them in a call of its own.
        call, argument = "run", _joined(f"{slice_s * 1000:g}", request.inputs)
        is_last = False
        while not is_last:
            try:
                text = await context.call(call, argument, limit_s=request.limit_s + slice_s)
            except (TimeoutError, JSEvalException) as error:
                yield await self._stopped(request, context, error)
                return
            head, answers = _cut(text)
            if head[0] == ">":
                yield Reply(last=False, stage=int(head[1:]))
            else:
                is_last = head[0] == "."
                yield Reply((await self._placed(context, request, answers)).encode(), is_last)
            call, argument = "more", f"{slice_s * 1000:g}"
        if "async" in context.source or "Promise" in context.source:
            await self._answers(context)

    async def _stopped(self, request: Request, context: Context, error: Exception) -> Reply:
        """V8 ended the call: what was answered before, and the error of the message that it was at."""
        head, answers = _cut(await self._answers(context))
        done, _, stage = head.partition(">")
        self._drop(request.key)
        answers = "".join(answers.split(_MARK)[::2])
        if int(done) < len(request.inputs):
            why = _time_error(request.limit_s) if isinstance(error, TimeoutError) else self._memory_error()
            failed = _to_json(context.failed(int(stage), why)).decode()
            answers = f"{answers[:-1]}{',' if len(answers) > 2 else ''}{failed}]"
        return Reply(answers.encode())

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

    async def _placed(self, context: Context, request: Request, answers: str) -> str:
        """Finds the places of what was thrown and is no Error."""
        if _MARK not in answers:
            return answers
        parts = answers.split(_MARK)
        for at in range(1, len(parts), 2):
            index, parts[at] = int(parts[at]), ""
            if at > 2 * RELOCATED_MAX:
                continue
            try:
                await context.call("again", _text(request.inputs[index]), limit_s=request.limit_s)
            except JSEvalException as thrown:
                parts[at] = "".join(f',"{name}":{count}' for name, count in context.place(str(thrown)).items())
            except TimeoutError:
                break
        return "".join(parts)

    def _context(self, request: Request) -> Context:
        context = self._contexts.get(request.key)
        if context is None:
            assert request.source is not None
            context = self._contexts[request.key] = Context(request.source, request.form, self._limits)
            if len(self._contexts) > CONTEXTS_MAX:
                self._drop(next(iter(self._contexts)))
        self._contexts.move_to_end(request.key)
        return context

    def _drop(self, key: bytes) -> None:
        if (context := self._contexts.pop(key, None)) is not None:
            context.close()


def _cut(text: str) -> tuple[str, str]:
    """The harness's word, and the list of answers after it."""
    at = text.index("[")
    return text[:at], text[at:]


def _time_error(limit_s: float) -> dict[str, Any]:
    return {"kind": "timeout", "message": f"took longer than {limit_s:g} s"}


def _joined(head: str, inputs: Sequence[bytes]) -> str:
    """All inputs in one text: no JSON text has this separator in it, and one that has is no JSON."""
    try:
        joined = b"\x1e".join([head.encode(), *inputs]).decode()
    except UnicodeDecodeError:
        return SEPARATOR.join([head, *map(_text, inputs)])
    if joined.count(SEPARATOR) == len(inputs):
        return joined
    return SEPARATOR.join([head, *map(_text, inputs)])


def _text(item: bytes) -> str:
    """One input; what is neither UTF-8 nor free of the separator becomes a text that is no JSON."""
    try:
        text = item.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    return text.replace(SEPARATOR, "\x1f")
