"""jq, inside the child: compiled programs, one message after another, each answered as soon as it is done.

Imported by the worker only. libjq has no limits of its own: what loops or eats memory ends with the process, and
the answers already given tell which message it was.
"""

from __future__ import annotations

import re
import signal
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

import jq
import msgspec

from tidemill.sandbox.jq_text import Forbidden, forbidden
from tidemill.sandbox.protocol import Limits, Reply, Request

PROGRAMS_MAX = 256

_PLACE = re.compile(r" at <top-level>, line (\d+), column (\d+):\n")
_to_json = msgspec.json.Encoder().encode


class _Input(msgspec.Struct):
    value: msgspec.Raw = msgspec.field(name="$", default=msgspec.Raw(b"null"))


_input_decoder = msgspec.json.Decoder(_Input)


class Jq:
    """The engine: the programs used last, or why they are none."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._programs: OrderedDict[bytes, Any] = OrderedDict()

    def warm(self) -> None:
        jq.compile(".").input_text("null").first()

    def is_known(self, key: bytes) -> bool:
        return key in self._programs

    def forget_all(self) -> None:
        self._programs.clear()

    async def check(self, request: Request) -> bytes:
        program = _compiled(request.source or "")
        return _to_json([{"error": program if isinstance(program, dict) else None}])

    async def run(self, request: Request) -> AsyncIterator[Reply]:
        program = self._program(request)
        if isinstance(program, dict):
            yield Reply(_to_json([{"error": program}] * len(request.inputs)))
            return
        last = len(request.inputs) - 1
        for index, item in enumerate(request.inputs):
            # Nothing in this process can stop libjq, so the kernel ends the process. By the time that it was at work:
            # one that was frozen for long has done nothing wrong.
            signal.setitimer(signal.ITIMER_PROF, request.limit_s)
            answer = self._answer(program, item)
            signal.setitimer(signal.ITIMER_PROF, 0)
            yield Reply(b"[" + answer + b"]", last=index == last)

    def _program(self, request: Request) -> Any:
        if request.key not in self._programs:
            assert request.source is not None
            self._programs[request.key] = _compiled(request.source)
            if len(self._programs) > PROGRAMS_MAX:
                self._programs.popitem(last=False)
        self._programs.move_to_end(request.key)
        return self._programs[request.key]

    def _answer(self, program: Any, item: bytes) -> bytes:
        try:
            text = bytes(_input_decoder.decode(item).value).decode()
        except ValueError as error:
            return _failed("type", f"the input is no JSON: {error}")
        try:
            results = self._results(program, text)
            answer = _to_json({"value": results})
        except (ValueError, RecursionError, OverflowError) as error:
            return _failed("throw", str(error))
        except MemoryError:
            return _failed("memory", "ran out of memory")
        if results is None or len(answer) > self._limits.result_bytes_max:
            return _failed("memory", "the results are too many or too large")
        return answer

    def _results(self, program: Any, text: str) -> list[Any] | None:
        """All results; None when there are more than may be."""
        results: list[Any] = []
        for result in program.input_text(text):
            results.append(result)
            if len(results) > self._limits.results_max:
                return None
        return results


def _compiled(source: str) -> Any:
    """A program, or the error that it is none."""
    found: Forbidden | None = forbidden(source)
    if found is not None:
        return {"kind": "compile", "message": found.message, "line": found.line, "column": found.column}
    try:
        return jq.compile(source)
    except ValueError as error:
        return _compile_error(str(error))


def _compile_error(text: str) -> dict[str, Any]:
    place = _PLACE.search(text)
    message = text[: place.start()] if place else text.strip()
    error: dict[str, Any] = {"kind": "compile", "message": message.removeprefix("jq: error: ")}
    return error | ({"line": int(place[1]), "column": int(place[2])} if place else {})


def _failed(kind: str, message: str) -> bytes:
    return _to_json({"error": {"kind": kind, "message": message[:2000]}})
