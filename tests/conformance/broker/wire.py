"""Single requests, byte by byte as clients would send them, for what no client does on purpose.

Messages and record batches are aiokafka's. Only one answer is not final: a new topic that its leader has not heard of.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from aiokafka.protocol.produce import ProduceRequest_v3
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest_v0, EndTxnRequest_v0, InitProducerIdRequest_v0
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from tests.conformance.broker.socket_frames import TIMEOUT_S, SocketFrames

NO_ERROR = 0
NOT_LEADER_YET = 6


class Wire:
    """One connection, one request at a time."""

    def __init__(self, frames: SocketFrames) -> None:
        self.frames = frames
        self._correlation_id = 0

    def ask(self, request: Any) -> Any:
        body = request.encode()
        answer = self.frames.ask(self.header(request.API_KEY, request.API_VERSION) + body)
        assert struct.unpack_from(">i", answer) == (self._correlation_id,)
        return request.RESPONSE_TYPE.decode(BytesIO(answer[4:]))

    def header(self, api_key: int, api_version: int) -> bytes:
        self._correlation_id += 1
        client_id = b"conformance"
        return struct.pack(">hhih", api_key, api_version, self._correlation_id, len(client_id)) + client_id

    def produce(self, topic: str, records: bytes, partition: int = 0, acks: int = -1, id_: str | None = None) -> Any:
        """(error code, base offset) of the one partition."""
        request = ProduceRequest_v3(id_, acks, 10_000, [(topic, [(partition, records)])])
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            ((_, ((_, error, offset, _),)),) = self.ask(request).topics
            if error != NOT_LEADER_YET or time.monotonic() > deadline:
                return error, offset
            time.sleep(0.02)

    def init_producer(self, transactional_id: str | None = None) -> tuple[int, int]:
        """Producer id and epoch."""
        answer = self.ask(InitProducerIdRequest_v0(transactional_id, 60_000))
        assert answer.error_code == NO_ERROR
        return answer.producer_id, answer.producer_epoch

    def add_partition(self, id_: str, producer: tuple[int, int], topic: str) -> int:
        answer = self.ask(AddPartitionsToTxnRequest_v0(id_, *producer, [(topic, [0])]))
        ((_, ((_, error),)),) = answer.errors
        return int(error)

    def end(self, id_: str, producer: tuple[int, int], is_committed: bool) -> int:
        return int(self.ask(EndTxnRequest_v0(id_, *producer, is_committed)).error_code)


def batch(
    *values: bytes, producer: tuple[int, int] = (-1, -1), sequence: int = -1, is_transactional: bool = False
) -> bytes:
    producer_id, epoch = producer
    builder = DefaultRecordBatchBuilder(2, 0, int(is_transactional), producer_id, epoch, sequence, 1 << 20)
    for offset, value in enumerate(values):
        builder.append(offset, 1_790_000_000_000, None, value, [])
    return bytes(builder.build())


@contextmanager
def connected(address: str) -> Iterator[Wire]:
    with SocketFrames(address) as frames:
        yield Wire(frames)
