"""The processors that RuleGo brings along, under its names: functions of one exchange, quick and without I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tidemill.graph.message import DataType, Message
from tidemill.rules.endpoints.exchange import Exchange

INCOMING_ONLY = ("topic", "partition")
"""What a response does not take from the record that it answers: it would go back to where that came from."""


def headers_to_metadata(exchange: Exchange) -> None:
    """What the message has already stays as it is: a header cannot say from which topic a record is."""
    received = exchange.in_
    metadata = received.metadata
    for name, value in received.headers.items():
        metadata.setdefault(name, value)


def _typed(data_type: DataType) -> Callable[[Exchange], None]:
    def set_data_type(exchange: Exchange) -> None:
        exchange.in_.message = exchange.in_.message.told(data_type=data_type)

    return set_data_type


def to_hex(exchange: Exchange) -> None:
    message = exchange.in_.message
    exchange.in_.message = message.told(data=message.data.hex().encode(), data_type="TEXT")


def metadata_to_headers(exchange: Exchange) -> None:
    out, incoming = exchange.out, exchange.in_.message.metadata
    for name, value in _result(exchange).metadata.items():
        if name not in INCOMING_ONLY or incoming.get(name) != value:
            out.headers[name] = value


def response_to_body(exchange: Exchange) -> None:
    """What the message is at its end; where it failed, the reason."""
    out = exchange.out
    if out.error is not None:
        out.status = 400
        out.body = out.error
        return
    message = _result(exchange)
    if message.data_type == "JSON":
        out.headers.setdefault("Content-Type", "application/json")
    out.body = message.data


def _result(exchange: Exchange) -> Message:
    return exchange.out.message if exchange.out.message is not None else exchange.in_.message


BUILT_IN: Mapping[str, Callable[[Exchange], None]] = {
    "headersToMetadata": headers_to_metadata,
    "setJsonDataType": _typed("JSON"),
    "setTextDataType": _typed("TEXT"),
    "setBinaryDataType": _typed("BINARY"),
    "toHex": to_hex,
    "metadataToHeaders": metadata_to_headers,
    "responseToBody": response_to_body,
}
