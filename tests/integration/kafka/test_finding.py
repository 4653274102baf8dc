"""Where what a rule chain published is: found on the cluster by the ids that it carries."""

from __future__ import annotations

import asyncio
from pathlib import Path

from confluent_kafka import Producer
from cryptography.fernet import Fernet

from tests.fakes.definitions import MemoryDefinitions
from tidemill.broker.broker import Broker
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.core.cipher import Cipher
from tidemill.core.clock import SystemClock
from tidemill.ingest.record import ID_HEADER
from tidemill.kafka.integrations import Integrations
from tidemill.kafka.rereading import Rereader

AT_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def publish(address: str) -> None:
    """One of long before, two of ours, and one of others."""
    producer = Producer({"bootstrap.servers": address})
    sent = [(b"m1:old", AT_MS - DAY_MS), (b"m1:c:out:1", AT_MS), (b"m2:c:out:1", AT_MS), (b"m1:c:out:2", AT_MS + 1)]
    for id_, at_ms in sent:
        producer.produce("out", b"v", partition=1, timestamp=at_ms, headers=[(ID_HEADER, id_)])
    assert producer.flush(60) == 0


async def test_records_are_found_by_how_their_ids_begin(tmp_path: Path) -> None:
    broker = Broker(BrokerSettings(data=tmp_path, fsync=Fsync.NEVER, num_partitions=2))
    await broker.start()
    assert broker.address is not None
    integrations = Integrations(MemoryDefinitions(), Cipher(Fernet.generate_key()), SystemClock(), lambda: None)
    await integrations.save("main", {"type": "kafka", "configuration": {"endpoint": broker.address}}, "anna")
    await asyncio.to_thread(publish, broker.address)
    rereader = Rereader(integrations, SystemClock())
    assert await rereader.find_sent("main", ["out"], b"m1:", AT_MS) == [("out", 1, 1), ("out", 1, 3)]
    assert await rereader.find_sent("main", ["nowhere"], b"m1:", AT_MS) == ()
    assert await rereader.find_sent("gone", ["out"], b"m1:", AT_MS) == ()
    await broker.stop()
