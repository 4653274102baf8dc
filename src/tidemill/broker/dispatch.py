"""From a frame to a handler and from its answer to bytes. Knows of each API one handler, not what that does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from struct import Struct
from struct import error as struct_error
from typing import Any

import msgspec

from tidemill.broker.protocol import codec
from tidemill.broker.protocol.apis import APIS, Api, ApiKey
from tidemill.broker.protocol.decoding import Decoder
from tidemill.broker.protocol.encoding import Encoder
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.primitives import ProtocolError, read_number, skip_tags
from tidemill.broker.protocol.schema import Message
from tidemill.broker.session import Session

HEADER = Struct(">hhih")
"""API key, version, correlation id, length of the client id."""
CORRELATION_ID = Struct(">i")
Pieces = list[bytes | bytearray | memoryview]


class RequestContext(msgspec.Struct, frozen=True, gc=False):
    """Who asks, and how. Every handler gets one."""

    api: Api
    version: int
    correlation_id: int
    client_id: str | None
    client_host: str
    session: Session = msgspec.field(default_factory=Session)


Answer = Message | None
"""None only where the client wants no answer (Produce with acks=0)."""
Handler = Callable[[Any, RequestContext], Answer | Awaitable[Answer]]
"""(the request message, its context) → the response, or something to wait for. What needs not wait must not be async:
it is then answered without a task. A handler puts Kafka's codes into its answer and lets only bugs out."""
Handlers = Mapping[ApiKey, Handler]


class Route(msgspec.Struct, frozen=True):
    """All that is known beforehand about one API in one version."""

    api: Api
    handler: Handler
    has_tags: bool
    answers_with_tags: bool
    decode: Decoder
    encode: Encoder


class Call(msgspec.Struct, frozen=True):
    """A request that has been read and not yet been handled."""

    route: Route
    request: Message
    context: RequestContext
    frame_bytes: int


class Dispatcher:
    """The table of handlers, shared by all connections."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._route = cache(self._make_route)

    def read(self, frame: bytearray, client_host: str, session: Session) -> Call:
        """Raises `ProtocolError` where these bytes are no request that was announced as served."""
        try:
            key, version, correlation_id, length = HEADER.unpack_from(frame)
            position = HEADER.size + max(length, 0)
            client_id = None if length < 0 else frame[HEADER.size : position].decode()
            route = self._route(key, version)
            if route.has_tags:
                count, position = read_number(frame, position)
                position = skip_tags(frame, position, count, len(frame))
        except (struct_error, IndexError, UnicodeDecodeError) as error:
            raise ProtocolError("not the header of a request") from error
        if key == ApiKey.API_VERSIONS and version > route.api.version_max:
            request: Message = codec.request_class(route.api)()  # its layout is not known: only the answer matters
        else:
            request, _ = codec.decode(route.decode, frame, position)
        context = RequestContext(route.api, version, correlation_id, client_id, client_host, session)
        return Call(route, request, context, len(frame))

    def encode(self, call: Call, answer: Message) -> Pieces:
        """The frame of a response, in pieces."""
        head = CORRELATION_ID.pack(call.context.correlation_id)
        pieces: Pieces = [b"", head + b"\0" if call.route.answers_with_tags else head]
        call.route.encode(answer, pieces.append)
        pieces[0] = CORRELATION_ID.pack(sum(map(len, pieces)))
        return pieces

    def failed(self, call: Call) -> Message | None:
        """What a client is told when a handler broke, if its response has room for it."""
        response = codec.response_class(call.route.api)
        required = [field for field in msgspec.structs.fields(response) if field.required]
        if "error_code" not in response.__struct_fields__ or any(_origin(field.type) is not list for field in required):
            return None
        blank: dict[str, Any] = {field.name: [] for field in required}
        return response(**blank, error_code=ErrorCode.UNKNOWN_SERVER_ERROR)

    def _make_route(self, key: int, version: int) -> Route:
        api = APIS.get(key)
        handler = self._handlers.get(api.key) if api else None
        if api is None or handler is None:
            raise ProtocolError(f"API {key} is not served")
        is_known = api.version_min <= version <= api.version_max
        if not is_known and key != ApiKey.API_VERSIONS:
            raise ProtocolError(f"{api.name} is not served in version {version}")
        # A client that asks for a later ApiVersions than we know is answered in the oldest form, which says what we do.
        spoken = version if is_known else 0
        flexible = api.is_flexible(version)
        return Route(
            api=api,
            handler=handler,
            has_tags=flexible and is_known,
            # ApiVersions is answered before both sides know what the other understands.
            answers_with_tags=flexible and key != ApiKey.API_VERSIONS,
            decode=codec.decoder(codec.request_class(api), spoken, api.is_flexible(spoken)),
            encode=codec.encoder(codec.response_class(api), spoken, api.is_flexible(spoken)),
        )


def _origin(annotation: Any) -> Any:
    return getattr(annotation, "__origin__", annotation)
