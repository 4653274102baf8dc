"""Logins and TLS with real clients; what strangers may do; where the broker refuses to listen."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.helpers import create_ssl_context
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from tests.parts.certificate import make_certificate
from tidemill.broker.broker import Broker
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.security.users import Users
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.core.errors import BadInput

TIMEOUT_S = 60.0
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


async def started(data: Path, **settings: Any) -> Broker:
    broker = Broker(BrokerSettings(data=data, fsync=Fsync.NEVER, **settings))
    await broker.start()
    return broker


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """With SASL and TLS, and the user `ann`."""
    certificate, key = make_certificate(tmp_path)
    Users(tmp_path).add("ann", "sesame, open=1")
    broker = await started(
        tmp_path, authentication=True, certificate=certificate, key=key, connections_max=20, greeting_timeout_s=5
    )
    yield broker
    await broker.stop()


def client(broker: Broker, mechanism: str, password: str = "sesame, open=1") -> dict[str, Any]:
    return {
        "bootstrap.servers": broker.address,
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": mechanism,
        "sasl.username": "ann",
        "sasl.password": password,
        "ssl.ca.location": str(broker.settings.certificate),
        "log_level": 0,
    }


def round_trip(settings: Mapping[str, Any]) -> bytes | None:
    producer = Producer(dict(settings))
    producer.produce("orders", b"x" * 300_000)
    assert producer.flush(TIMEOUT_S) == 0
    consumer = Consumer({**settings, "group.id": "none", "enable.auto.commit": False})
    consumer.assign([TopicPartition("orders", 0, 0)])
    found = consumer.consume(1, TIMEOUT_S)
    consumer.close()
    return found[0].value()


def first_error(settings: Mapping[str, Any]) -> KafkaError:
    errors: list[KafkaError] = []
    producer = Producer({**settings, "error_cb": errors.append})
    for _ in range(600):
        producer.poll(0.1)
        if errors:
            return errors[0]
    raise AssertionError("no error")


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_who_logs_in_may_work(broker: Broker, mechanism: str) -> None:
    assert await asyncio.to_thread(round_trip, client(broker, mechanism)) == b"x" * 300_000


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_wrong_password_is_told(broker: Broker, mechanism: str) -> None:
    error = await asyncio.to_thread(first_error, client(broker, mechanism, "sesame"))
    assert error.code() == KafkaError._AUTHENTICATION
    assert "invalid credentials" in error.str()


async def test_a_mechanism_that_is_not_served(tmp_path: Path) -> None:
    Users(tmp_path).add("ann", "x")
    broker = await started(tmp_path, authentication=True)
    oauth = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER", "log_level": 0}
    unsecured = {"enable.sasl.oauthbearer.unsecure.jwt": True, "sasl.oauthbearer.config": "principal=ann"}
    settings = {"bootstrap.servers": broker.address, **oauth, **unsecured}
    error = await asyncio.to_thread(first_error, settings)
    assert "OAUTHBEARER" in error.str()
    await broker.stop()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_aiokafka(broker: Broker, mechanism: str) -> None:
    settings = {
        "bootstrap_servers": broker.address,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "ann",
        "sasl_plain_password": "sesame, open=1",
        "ssl_context": create_ssl_context(cafile=str(broker.settings.certificate)),
    }
    async with asyncio.timeout(TIMEOUT_S):
        async with AIOKafkaProducer(**settings) as producer:
            await producer.send_and_wait("from-aiokafka", b"1")
        async with AIOKafkaConsumer("from-aiokafka", auto_offset_reset="earliest", **settings) as consumer:
            assert (await consumer.getone()).value == b"1"


async def test_a_client_without_tls_is_refused(broker: Broker) -> None:
    plain = {"bootstrap.servers": broker.address, "log_level": 0}
    assert (await asyncio.to_thread(first_error, plain)).code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)


async def test_a_login_where_nobody_asks_for_one(tmp_path: Path) -> None:
    broker = await started(tmp_path)
    settings = {**client(broker, "PLAIN"), "security.protocol": "SASL_PLAINTEXT"}
    del settings["ssl.ca.location"]
    error = await asyncio.to_thread(first_error, settings)
    assert error.code() == KafkaError._AUTHENTICATION
    await broker.stop()


async def test_strangers_may_ask_what_is_served_and_nothing_else(tmp_path: Path) -> None:
    Users(tmp_path).add("ann", "x")
    broker = await started(tmp_path, authentication=True)
    host, _, port = (broker.address or "").rpartition(":")
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(struct.pack(">ihhih", 10, ApiKey.API_VERSIONS, 0, 1, -1))
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        assert await reader.readexactly(size)
        writer.write(struct.pack(">ihhihi", 14, ApiKey.METADATA, 1, 2, -1, 0))
        assert await reader.read() == b""
        writer.close()
        _, large = await asyncio.open_connection(host, int(port))
        large.write(struct.pack(">ihhih", 10_000_000, ApiKey.SASL_AUTHENTICATE, 0, 1, -1))
        large.close()
    assert broker.metrics.requests == {"ApiVersions": 1}
    await broker.stop()


async def test_who_says_nothing_is_shown_the_door(tmp_path: Path) -> None:
    Users(tmp_path).add("ann", "x")
    broker = await started(tmp_path, authentication=True, greeting_timeout_s=0.2)
    host, _, port = (broker.address or "").rpartition(":")
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection(host, int(port))
        assert await reader.read() == b""
        writer.close()
    assert broker.metrics.connections_refused == 1
    await broker.stop()


async def test_strangers_leave_room_for_users(broker: Broker) -> None:
    host, _, port = (broker.address or "").rpartition(":")
    async with asyncio.timeout(TIMEOUT_S):
        strangers = [await asyncio.open_connection(host, int(port)) for _ in range(30)]
        assert await asyncio.to_thread(round_trip, client(broker, "PLAIN")) == b"x" * 300_000
        for _, writer in strangers:
            writer.close()


async def test_a_new_user_counts_at_once(broker: Broker) -> None:
    Users(broker.settings.data).remove("ann")
    Users(broker.settings.data).add("ann", "another")
    assert await asyncio.to_thread(round_trip, client(broker, "SCRAM-SHA-256", "another"))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", socket.gethostname() + ".invalid"])
async def test_beyond_this_machine_it_wants_both(tmp_path: Path, host: str) -> None:
    certificate, key = make_certificate(tmp_path)
    with pytest.raises(BadInput, match=r"needs authentication \(--sasl\) and TLS \(--certificate and --key\)"):
        await started(tmp_path, host=host)
    with pytest.raises(BadInput, match=r"needs authentication \(--sasl\); or"):
        await started(tmp_path, host=host, certificate=certificate, key=key)
    Users(tmp_path).add("ann", "x")
    with pytest.raises(BadInput, match=r"needs TLS \(--certificate and --key\); or"):
        await started(tmp_path, host=host, authentication=True)


async def test_beyond_this_machine_with_both(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    Users(tmp_path).add("ann", "sesame, open=1")
    both: dict[str, Any] = {"authentication": True, "certificate": certificate, "key": key}
    broker = await started(tmp_path, host="0.0.0.0", advertised_host="localhost", **both)
    assert await asyncio.to_thread(round_trip, client(broker, "SCRAM-SHA-256"))
    await broker.stop()


async def test_what_cannot_work_is_said_before_it_starts(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with pytest.raises(BadInput, match="nobody could log in"):
        await started(tmp_path, authentication=True)
    with pytest.raises(BadInput, match="TLS needs both files"):
        await started(tmp_path, certificate=certificate)
    with pytest.raises(BadInput, match="are no certificate with its key"):
        await started(tmp_path, certificate=key, key=key)
    with pytest.raises(BadInput, match="No such file"):
        await started(tmp_path, certificate=tmp_path / "none", key=key)
    broker = await started(tmp_path)
    await broker.stop()
