"""One client's connection: bytes to frames, frames to answers, answers in the order of the requests.

Bounded: it stops reading while too much waits to be answered, and stops answering while the client does not read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import cast

import structlog

from tidemill.broker.dispatch import Answer, Call, Dispatcher
from tidemill.broker.inbox import Inbox
from tidemill.broker.metrics import Traffic
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.primitives import ProtocolError
from tidemill.broker.protocol.schema import Message
from tidemill.broker.session import Session
from tidemill.broker.settings import BrokerSettings

log = structlog.get_logger(__name__)

STRANGER_BYTES_MAX = 16 * 1024
"""Of a frame of somebody who has not authenticated."""
STRANGER_KEYS = frozenset({ApiKey.API_VERSIONS, ApiKey.SASL_HANDSHAKE, ApiKey.SASL_AUTHENTICATE})
JOINED_BYTES_MAX = 64 * 1024
"""Smaller answers are copied into one piece, larger ones go out piece by piece."""


class Pending:
    """A request that has been started, and its answer when it is there."""

    __slots__ = ("answer", "call", "future", "is_done")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.answer: Answer = None
        self.future: asyncio.Future[Answer] | None = None
        self.is_done = False


class Connection(asyncio.BufferedProtocol):
    """Requests are started one after the other; only Produce is started while earlier Produces still wait for the
    disk, so that they share its next round."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        settings: BrokerSettings,
        traffic: Traffic,
        admit: Callable[[Connection], bool],
        on_lost: Callable[[Connection], None],
    ) -> None:
        self._dispatcher = dispatcher
        self._settings = settings
        self._traffic = traffic
        self._admit = admit
        self._on_lost = on_lost
        self.session = Session(is_authenticated=not settings.authentication)
        self._greeting: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._host = ""
        self._inbox = Inbox(self._limit_bytes)
        self._waiting: deque[Call] = deque()
        self._pending: deque[Pending] = deque()
        self._is_writable = True
        self.held_bytes = 0
        """Frames that have been read and not yet answered."""
        self.is_reading = True
        """Not while as much as is allowed waits to be answered, or for the client to take its answers."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = self._transport.get_extra_info("peername")
        self._host = str(peer[0]) if peer else ""
        if not self._admit(self):
            self._transport.abort()
        elif not self.session.is_authenticated:
            loop = asyncio.get_running_loop()
            self._greeting = loop.call_later(self._settings.greeting_timeout_s, self._end_greeting)

    def connection_lost(self, error: Exception | None) -> None:
        if self._greeting is not None:
            self._greeting.cancel()
        self._transport = None
        self._inbox.close()
        self._waiting.clear()
        for pending in self._pending:
            # Only what merely reads is broken off: half a commit must end, whoever still listens.
            if pending.future is not None and pending.call.context.api.key == ApiKey.FETCH:
                pending.future.cancel()
        self._on_lost(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _end_greeting(self) -> None:
        if not self.session.is_authenticated:
            log.info("connection closed: it did not authenticate in time", client=self._host)
            self._traffic.refused += 1
            self.close()

    @property
    def unsent_bytes(self) -> int:
        """Answers that the client has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def pause_writing(self) -> None:
        self._is_writable = False

    def resume_writing(self) -> None:
        self._is_writable = True
        self._write_answers()
        self._start_calls()

    def get_buffer(self, size_hint: int) -> memoryview:
        return self._inbox.room()

    def buffer_updated(self, size: int) -> None:
        self._traffic.bytes_in += size
        try:
            for frame in self._inbox.add(size):
                self._take(frame)
        except ProtocolError as error:
            log.info("connection closed: not a frame of Kafka's protocol", client=self._host, reason=str(error))
            self.close()
            return
        self._start_calls()

    def _limit_bytes(self, key: int) -> int:
        """A length is believed only as far as its API allows, and its sender."""
        if self.session.is_authenticated:
            is_produce = key == ApiKey.PRODUCE
            return self._settings.frame_bytes_max if is_produce else self._settings.control_frame_bytes_max
        if key not in STRANGER_KEYS:
            raise ProtocolError(f"API {key} before authentication")
        return STRANGER_BYTES_MAX

    def _take(self, frame: bytearray) -> None:
        self._waiting.append(self._dispatcher.read(frame, self._host, self.session))
        self.held_bytes += len(frame)
        if self.is_reading and not _is_room(len(self._waiting) + len(self._pending), self.held_bytes, self._settings):
            self.is_reading = False
            if self._transport is not None:
                self._transport.pause_reading()

    def _start_calls(self) -> None:
        while self._waiting and self._is_writable and self._may_start(self._waiting[0]):
            self._start(self._waiting.popleft())
        # Not before half of it is answered: reading must not flicker.
        twice = (2 * (len(self._waiting) + len(self._pending)), 2 * self.held_bytes)
        if not self.is_reading and self._transport is not None and _is_room(*twice, self._settings):
            self.is_reading = True
            self._transport.resume_reading()

    def _may_start(self, call: Call) -> bool:
        if not self._pending:
            return True
        both = (call.context.api.key, self._pending[-1].call.context.api.key)
        return both == (ApiKey.PRODUCE, ApiKey.PRODUCE)

    def _start(self, call: Call) -> None:
        pending = Pending(call)
        self._traffic.requests[call.context.api.key] += 1
        self._pending.append(pending)
        try:
            answer = call.route.handler(call.request, call.context)
        except Exception as error:  # noqa: BLE001
            # A handler that breaks costs its client one request, and nobody else anything.
            self._finish(pending, self._broken(call, error))
            return
        if isinstance(answer, Awaitable):
            pending.future = asyncio.ensure_future(answer)
            pending.future.add_done_callback(lambda future: self._ended(pending, future))
        else:
            self._finish(pending, answer)

    def _ended(self, pending: Pending, future: asyncio.Future[Answer]) -> None:
        if future.cancelled():
            self._finish(pending, None)
        else:
            error = future.exception()
            self._finish(pending, self._broken(pending.call, error) if error is not None else future.result())
        self._start_calls()

    def _finish(self, pending: Pending, answer: Answer) -> None:
        pending.answer, pending.is_done = answer, True
        self._write_answers()

    def _write_answers(self) -> None:
        while self._pending and self._pending[0].is_done and self._is_writable:
            pending = self._pending.popleft()
            self.held_bytes -= pending.call.frame_bytes
            if pending.answer is not None:
                self._write(pending.call, pending.answer)
        if self.session.is_refused and not self._pending:
            self.close()

    def _broken(self, call: Call, error: BaseException) -> Answer:
        """Where the response has no place for an error of its own, all that is left is to close."""
        log.error("request failed", api=call.context.api.name, exc_info=error)
        answer = self._dispatcher.failed(call)
        if answer is None:
            self.close()
        return answer

    def _write(self, call: Call, answer: Message) -> None:
        if self._transport is None:
            return
        try:
            pieces = self._dispatcher.encode(call, answer)
        except Exception as error:  # noqa: BLE001
            # An answer that has no form in this version is a bug of its handler like any other.
            failed = self._broken(call, error)
            if failed is None:
                return
            pieces = self._dispatcher.encode(call, failed)
        size = sum(map(len, pieces))
        self._traffic.bytes_out += size
        if size <= JOINED_BYTES_MAX:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines(pieces)


def _is_room(requests: int, held_bytes: int, settings: BrokerSettings) -> bool:
    """For one more in flight."""
    return requests < settings.requests_in_flight_max and held_bytes < settings.request_bytes_in_flight_max
