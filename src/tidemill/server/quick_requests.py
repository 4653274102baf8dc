"""What is called thousands of times a second, past what uvicorn does for any request: the same parser, the same guard
and handler (`api.shortcuts`), but no stream of messages in between, and an answer is one write.

Only requests that are plainly right come this way: of HTTP/1.1, with a small body of an announced length, one at a
time. Everything else goes uvicorn's own way; a connection may have requests of both.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request, Response
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from tidemill.api.body import BODY_KEY
from tidemill.api.shortcuts import Arguments, Shortcut, ShortcutApp

BODY_BYTES_MAX = 64 * 1024
"""uvicorn reads no further than this before somebody takes what is there."""


class _Unheard:
    """Nobody waits for messages: a body is whole before anything is done with it."""

    def set(self) -> None:
        return None


class Cycle:
    """A request until it is answered, for uvicorn, which looks at these; `body` is what it adds to."""

    message_event = _Unheard()

    def __init__(self, shortcut: Shortcut, arguments: Arguments, request: Request) -> None:
        self.shortcut = shortcut
        self.arguments = arguments
        self.request = request
        self.body = bytearray()
        self.task: asyncio.Task[None] | None = None
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False


class QuickProtocol(HttpToolsProtocol):
    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(config.app, ShortcutApp)
        self._app = config.app
        self._arriving: Cycle | None = None
        self._idle_since_s: float | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()

    # --- the request ----------------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        self._arriving = self._quick()
        if self._arriving is None:
            super().on_headers_complete()
        else:
            self.cycle = self._arriving  # type: ignore[assignment]

    def _quick(self) -> Cycle | None:
        """None for what goes the long way."""
        if self.cycle is not None and not self.cycle.response_complete:
            return None
        path, _, query = self.url.partition(b"?")
        if b"%" in path or b"#" in query or not self.url.isascii():
            return None
        scope: Any = self.scope
        scope["method"] = self.parser.get_method().decode()
        scope["path"], scope["raw_path"], scope["query_string"] = path.decode(), path, query
        found = self._app.shortcuts.find(scope)
        if found is None or not self._is_plain():
            return None
        scope["app"] = self._app
        return Cycle(*found, Request(scope))

    def _is_plain(self) -> bool:
        parser = self.parser
        is_usual = parser.get_http_version() == "1.1" and parser.should_keep_alive() and not parser.should_upgrade()
        if self.expect_100_continue or not is_usual:
            return False
        return all(
            value.isdigit() and int(value) <= BODY_BYTES_MAX
            if name == b"content-length"
            else name != b"transfer-encoding"
            for name, value in self.headers
        )

    def on_message_complete(self) -> None:
        cycle, self._arriving = self._arriving, None
        if cycle is None:
            super().on_message_complete()
            return
        cycle.task = self.loop.create_task(self._serve(cycle))
        self.tasks.add(cycle.task)

    # --- the answer -----------------------------------------------------------------------------------

    async def _serve(self, cycle: Cycle) -> None:
        try:
            cycle.request.scope[BODY_KEY] = bytes(cycle.body)
            answer = await cycle.shortcut.answer(cycle.request, cycle.arguments)
            if self.flow.write_paused and not cycle.disconnected:
                await self.flow.drain()
        except BaseException:
            self.transport.close()  # it is being stopped: no answer is better than a wrong one
            raise
        finally:
            self.tasks.discard(cycle.task)
        cycle.response_complete = True
        if not cycle.disconnected and not self.transport.is_closing():
            self._write(answer, keep_alive=cycle.keep_alive)
            self.on_response_complete()

    def _write(self, answer: Response, *, keep_alive: bool) -> None:
        parts = [STATUS_LINE[answer.status_code]]
        for name, value in (*self.server_state.default_headers, *answer.raw_headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n" if keep_alive else b"connection: close\r\n\r\n", bytes(answer.body))
        self.transport.write(b"".join(parts))
        if not keep_alive:
            self.transport.close()

    # --- the time between two requests ----------------------------------------------------------------
    # uvicorn sets a timer with each answer and takes it back with each request. This one looks when it has run off
    # whether anything has come since.

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since_s = None

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_after(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since_s is None or self.transport.is_closing():
            return  # the next answer sets it again
        left_s = self._idle_since_s + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self._look_after(left_s)
        else:
            self.transport.close()

    def _look_after(self, delay_s: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(delay_s, self.timeout_keep_alive_handler)
