"""What a processor gets: what came in, and what is to go out. Mutable, and of one message only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tidemill.graph.message import Message
from tidemill.rules.waiting.held import Said


class Received:
    """`message` is what goes into the chain; before it does, its metadata may be changed in place. `headers` are those
    of the record or request, `params` those of the address. `source` is the router's `from.path`."""

    __slots__ = ("body", "headers", "message", "params", "source")

    def __init__(
        self, message: Message, source: str, headers: dict[str, str], params: Mapping[str, str] | None = None
    ) -> None:
        self.message = message
        self.body: bytes = message.data
        self.source = source
        self.headers = headers
        self.params = params or {}

    @property
    def metadata(self) -> dict[str, str]:
        return self.message.metadata  # type: ignore[return-value]


class Answer:
    """`message` and `error` are those of the end that the message came to; before the chain there are none. A response
    goes out where `body` was set; where to is said by `headers`."""

    __slots__ = ("_body", "error", "headers", "message", "status")

    def __init__(self, message: Message | None = None, error: str | None = None) -> None:
        self.message = message
        self.error = error
        self.headers: dict[str, str] = {}
        self.status: int | None = None
        self._body: bytes | None = None

    @property
    def body(self) -> bytes | None:
        return self._body

    @body.setter
    def body(self, value: bytes | str | None) -> None:
        self._body = value.encode() if isinstance(value, str) else value


class Exchange:
    """`in_` and `out`. Of one message before the chain, and one of each of its ends after it."""

    __slots__ = ("failure", "in_", "is_stopped", "out")

    def __init__(self, in_: Received, out: Answer | None = None) -> None:
        self.in_ = in_
        self.out = out if out is not None else Answer()
        self.is_stopped = False
        self.failure: str | None = None

    @property
    def goes_on(self) -> bool:
        return not self.is_stopped and self.failure is None


def failures_of(answers: Sequence[Exchange]) -> list[str]:
    """Of processors."""
    return [exchange.failure for exchange in answers if exchange.failure is not None]


def said_of(exchange: Exchange) -> Said:
    out = exchange.out
    return Said({name: str(value) for name, value in out.headers.items()}, out.body, out.status)


def saying(said: Said) -> Answer:
    """The reverse."""
    out = Answer()
    out.headers.update(said.headers)
    out.body, out.status = said.body, said.status
    return out
