"""Whole requests as bytes, for tests that speak to a broker without a client."""

from __future__ import annotations

import struct

from tidemill.broker.protocol import codec
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from tidemill.broker.protocol.schema import Message


def framed(key: ApiKey, version: int, message: Message, correlation_id: int = 7) -> bytes:
    """With the length in front."""
    api = APIS[key]
    pieces: list[bytes | bytearray | memoryview] = [struct.pack(">hhih", key, version, correlation_id, 4), b"test"]
    if api.is_flexible(version):
        pieces.append(b"\0")
    codec.encode_request(api, version, message, pieces.append)
    body = b"".join(pieces)
    return struct.pack(">i", len(body)) + body


def fetch_frame(topic: str, bytes_max: int = 1_000_000) -> bytes:
    """From the start of the first partition."""
    partition = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=bytes_max)
    request = FetchRequest(max_wait_ms=0, min_bytes=1, topics=[FetchTopic(topic=topic, partitions=[partition])])
    return framed(ApiKey.FETCH, 12, request)
