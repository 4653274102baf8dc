"""Bad clients beside good ones: the good ones are answered all the while, and what they sent is there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.conformance.broker.socket_frames import SocketFrames
from tests.parts.bad_clients import API_VERSIONS, BadClients
from tests.parts.broker import BrokerServer
from tests.parts.latency import Latency, latency_of
from tests.parts.server import wait_for
from tests.parts.wire_frames import fetch_frame
from tidemill.broker.settings import Fsync

pytestmark = pytest.mark.alone

ANSWERS = 300
RECORDS = 2_000
VALUE = b"x" * 1000
GROWTH_MB_MAX = 60
ROUND_TRIPS = 300
MEASUREMENTS_MAX = 5
"""Where something else keeps the machine busy: a broker that stalls does so in each of them."""
SLOWER_MAX = 5
SLOWER_MEDIAN_MS_MAX, SLOWER_WORST_MS_MAX = 3.0, 150.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerServer]:
    server = BrokerServer(tmp_path_factory.mktemp("broker"), fsync=Fsync.NEVER)
    server.start()
    server.create_topic("topic")
    server.create_topic("latency")
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.log
    assert "request failed" not in server.log


def do_not_read_records(clients: BadClients) -> None:
    clients.do_not_read(fetch_frame("topic"))


KINDS = [(BadClients.come_and_die, 1000), (do_not_read_records, 20), (BadClients.stop_in_the_middle, 500)]


@pytest.mark.parametrize(("kind", "wanted"), KINDS)
def test_others_are_answered(server: BrokerServer, kind: Callable[[BadClients], None], wanted: int) -> None:
    assert produced(server.address) == RECORDS
    before_mb = server.rss_mb
    with BadClients(server.address).at_work(kind) as bad, SocketFrames(server.address) as good:
        wait_for(lambda: bad.count >= wanted, 100)
        for _ in range(ANSWERS):
            assert good.ask(API_VERSIONS[4:])[:4] == API_VERSIONS[8:12]
        assert produced(server.address) == RECORDS
        assert consumed(server.address) >= RECORDS
        assert server.rss_mb - before_mb < GROWTH_MB_MAX
    assert server.is_alive


@pytest.mark.parametrize(("kind", "wanted"), KINDS)
def test_others_wait_hardly_longer(server: BrokerServer, kind: Callable[[BadClients], None], wanted: int) -> None:
    """For a record to be taken and given back, while it is as bad as before."""
    assert produced(server.address) == RECORDS  # those who do not read need something to be read
    found = []
    for _ in range(MEASUREMENTS_MAX):
        alone = latency_of(server.address, "latency", ROUND_TRIPS)
        beside = latency_beside(server, kind, wanted)
        found.append((alone, beside))
        if (
            beside.median_ms <= SLOWER_MAX * alone.median_ms + SLOWER_MEDIAN_MS_MAX
            and beside.worst_ms <= SLOWER_MAX * alone.worst_ms + SLOWER_WORST_MS_MAX
        ):
            return
    pytest.fail(f"alone, and beside bad clients: {found}")


def test_connections_of_the_dead_are_forgotten(server: BrokerServer) -> None:
    """Else a thousand of them would lock all others out."""
    with BadClients(server.address).at_work(BadClients.come_and_die) as bad:
        wait_for(lambda: bad.count >= 2500, 100)
    with SocketFrames(server.address) as good:
        assert good.ask(API_VERSIONS[4:])


def latency_beside(server: BrokerServer, kind: Callable[[BadClients], None], wanted: int) -> Latency:
    with BadClients(server.address).at_work(kind) as bad:
        wait_for(lambda: bad.count >= wanted, 100)
        return latency_of(server.address, "latency", ROUND_TRIPS)


def produced(address: str) -> int:
    """How many of so many records were acknowledged."""
    acknowledged = 0

    def note(error: object, message: object) -> None:
        nonlocal acknowledged
        acknowledged += error is None

    producer = Producer({"bootstrap.servers": address, "linger.ms": 5, "message.timeout.ms": 100_000, "log_level": 0})
    for _ in range(RECORDS):
        producer.produce("topic", VALUE, on_delivery=note)
    assert producer.flush(100) == 0
    return acknowledged


def consumed(address: str) -> int:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "good", "enable.auto.commit": False, "log_level": 0})
    consumer.assign([TopicPartition("topic", 0, 0)])
    count, patience = 0, threading.Event()
    while count < RECORDS and not patience.is_set():
        count += sum(message.error() is None for message in consumer.consume(RECORDS, 1))
    consumer.close()
    return count
