"""Frames that no honest client sends: of every API and version, sound, bent, cut, or nothing but noise."""

from __future__ import annotations

import random
import struct

from crc32c import crc32c

from tests.conformance.broker.wire import batch
from tests.parts.kio_bodies import body
from tests.parts.messages import kio_class
from tidemill.broker.protocol import codec
from tidemill.broker.protocol.apis import APIS, Api, ApiKey
from tidemill.broker.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from tidemill.broker.protocol.schema import Message

VERSIONS = [(api, version) for api in APIS.values() for version in range(api.version_min, api.version_max + 1)]
PRODUCE_VERSIONS = [(api, version) for api, version in VERSIONS if api.key == ApiKey.PRODUCE]
CRC_AT, CRC_FROM = 17, 21
ODD_BYTES = (0, 1, 0x7F, 0x80, 0xFF)


class Rubbish:
    """The same frames for the same seed. `topic` is one that exists, so that some of them reach a log."""

    def __init__(self, seed: object, topic: str) -> None:
        self._rng = random.Random(str(seed))
        self._topic = topic

    def frame(self) -> bytes:
        """What goes to the socket, length and all; it may be less than a frame, or more."""
        kind = self._rng.random()
        if kind < 0.60:
            return self._whole(self._bent(self._request()))
        if kind < 0.75:
            return self._whole(self._request())
        if kind < 0.90:
            return self._whole(self._produce())
        if kind < 0.95:
            return self._whole(self._rng.randbytes(self._rng.choice((1, 7, 8, 50, 3000))))
        return self._bent(self._whole(self._request())) + self._rng.randbytes(self._rng.choice((0, 3, 100)))

    def _request(self) -> bytes:
        api, version = self._rng.choice(VERSIONS)
        message, _ = body(codec.request_class(api), kio_class(api, version, "request"), version, self._rng)
        return self._with_header(api, version, message)

    def _produce(self) -> bytes:
        """Batches that are sound but for some bytes; half of them with a checksum that does not tell."""
        rng = self._rng
        api, version = rng.choice(PRODUCE_VERSIONS)
        producer = rng.choice(((-1, -1), (1, 0), (1, 1), (2**40, 5)))
        sequence = rng.choice((-1, 0, 1, 5, 2**31 - 1)) if producer[0] >= 0 else -1
        values = [rng.randbytes(rng.choice((0, 1, 100))) for _ in range(rng.choice((1, 2, 50)))]
        records = batch(*values, producer=producer, sequence=sequence, is_transactional=rng.random() < 0.2)
        records *= rng.choice((1, 1, 1, 2))
        if rng.random() < 0.8:
            records = self._bent(records)
        if rng.random() < 0.5 and len(records) > CRC_FROM:
            records = records[:CRC_AT] + struct.pack(">I", crc32c(records[CRC_FROM:])) + records[CRC_FROM:]
        data = PartitionProduceData(index=rng.choice((0, 0, 0, 1, -1)), records=records)
        request = ProduceRequest(
            transactional_id=rng.choice((None, None, "a")),
            acks=rng.choice((-1, 1, 0, 7)),
            timeout_ms=1000,
            topic_data=[TopicProduceData(name=self._topic, partition_data=[data])],
        )
        return self._with_header(api, version, request)

    def _with_header(self, api: Api, version: int, message: Message) -> bytes:
        client_id = self._rng.choice((b"", b"fuzz", b"\xff\xfe", None))
        length = -1 if client_id is None else len(client_id)
        head = struct.pack(">hhih", api.key, version, self._rng.randrange(-(2**31), 2**31), length)
        pieces: list[bytes | bytearray | memoryview] = [head, client_id or b""]
        if api.is_flexible(version):
            pieces.append(b"\0")
        codec.encode_request(api, version, message, pieces.append)
        return b"".join(pieces)

    def _whole(self, content: bytes) -> bytes:
        return struct.pack(">i", len(content)) + content

    def _bent(self, content: bytes) -> bytes:
        rng = self._rng
        bent = bytearray(content)
        if rng.random() < 0.3:
            del bent[rng.randrange(len(bent) + 1) :]
        for _ in range(rng.choice((0, 1, 1, 2, 4))):
            if bent:
                bent[rng.randrange(len(bent))] = rng.choice((*ODD_BYTES, rng.randrange(256)))
        if rng.random() < 0.1 and bent:
            at = rng.randrange(len(bent))
            bent[at:at] = rng.choice((b"\xff\xff\xff\xff\x0f", b"\x7f\xff\xff\xff", rng.randbytes(9)))
        return bytes(bent)
