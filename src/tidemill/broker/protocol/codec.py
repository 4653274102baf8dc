"""Between bytes and messages: the compiled code of each message and version, made when it is first needed.

Must not know what a message is for. `ProtocolError` is the only thing that decoding raises.
"""

from __future__ import annotations

import struct
from functools import cache
from importlib import import_module
from typing import TypeVar

from tidemill.broker.protocol.apis import Api
from tidemill.broker.protocol.decoding import Decoder, compile_decoder
from tidemill.broker.protocol.encoding import Encoder, compile_encoder
from tidemill.broker.protocol.primitives import ProtocolError, Writer
from tidemill.broker.protocol.schema import Message

M = TypeVar("M", bound=Message)


@cache
def request_class(api: Api) -> type[Message]:
    """Modules are imported when a client first asks: an unused API costs neither time nor memory."""
    found: type[Message] = getattr(_module(api), api.name + "Request")
    return found


@cache
def response_class(api: Api) -> type[Message]:
    found: type[Message] = getattr(_module(api), api.name + "Response")
    return found


decoder = cache(compile_decoder)
encoder = cache(compile_encoder)


def decode_request(api: Api, version: int, frame: bytes | bytearray, position: int) -> Message:
    """The body of a request that starts at `position`. Raises `ProtocolError`."""
    return decode(decoder(request_class(api), version, api.is_flexible(version)), frame, position)[0]


def decode_response(api: Api, version: int, frame: bytes | bytearray, position: int) -> Message:
    """For those who speak to a broker. Raises `ProtocolError`."""
    return decode(decoder(response_class(api), version, api.is_flexible(version)), frame, position)[0]


def encode_request(api: Api, version: int, message: Message, write: Writer) -> None:
    encoder(request_class(api), version, api.is_flexible(version))(message, write)


def encode_response(api: Api, version: int, message: Message, write: Writer) -> None:
    encoder(response_class(api), version, api.is_flexible(version))(message, write)


def decode(read: Decoder, frame: bytes | bytearray, position: int = 0) -> tuple[Message, int]:
    """The message and the position behind it. Raises `ProtocolError`."""
    try:
        message, position = read(frame, position, len(frame))
    except (struct.error, IndexError) as error:
        raise ProtocolError("the message ends in the middle") from error
    except UnicodeDecodeError as error:
        raise ProtocolError("a text that is not UTF-8") from error
    found: Message = message
    return found, position


def _module(api: Api) -> object:
    return import_module(f"tidemill.broker.protocol.messages.{api.module}")


__all__ = [
    "Encoder",
    "ProtocolError",
    "decode",
    "decode_request",
    "decode_response",
    "decoder",
    "encode_request",
    "encode_response",
    "encoder",
    "request_class",
    "response_class",
]
