"""Integrations with logins and TLS against the embedded broker: written, read and tested as any other."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from cryptography.fernet import Fernet

from tests.fakes.definitions import MemoryDefinitions
from tests.parts.certificate import make_certificate
from tests.parts.web import reply, web_service
from tidemill.broker.broker import Broker
from tidemill.broker.security.users import Users
from tidemill.broker.settings import BrokerSettings, Fsync
from tidemill.core.cipher import Cipher
from tidemill.core.clock import SystemClock
from tidemill.core.codec import to_json
from tidemill.kafka.client import lookup_settings, producer_settings
from tidemill.kafka.integration import Integration
from tidemill.kafka.integrations import Integrations
from tidemill.rules.ports import Credentials, Stranger

TIMEOUT_S = 60.0
PASSWORD = "sesame, open=1"
LOGIN = {"user": "ann", "password": PASSWORD}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    """With SASL and TLS, and the user `ann`."""
    certificate, key = make_certificate(tmp_path)
    Users(tmp_path).add("ann", PASSWORD)
    settings = BrokerSettings(data=tmp_path, fsync=Fsync.NEVER, authentication=True, certificate=certificate, key=key)
    broker = Broker(settings)
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
def integrations() -> Integrations:
    return Integrations(MemoryDefinitions(), Cipher(Fernet.generate_key()), SystemClock(), lambda: None)


def trusting(broker: Broker) -> dict[str, str]:
    assert broker.settings.certificate is not None
    return {"truststoreAuthenticationType": "PEM", "file": broker.settings.certificate.read_text()}


async def save(integrations: Integrations, broker: Broker, **configuration: Any) -> Integration:
    body = {"type": "kafka", "configuration": {"endpoint": broker.address, **configuration}}
    await integrations.save("main", body, "anna")
    return (await integrations.active())["main"]


async def round_trip(integrations: Integrations, name: str, topic: str = "orders") -> bytes | None:
    """Through the publisher's kind of client, and one that reads."""

    def publish_and_read(found: Integration) -> bytes | None:
        producer = Producer(producer_settings(found, f"test-{name}"))
        producer.init_transactions(TIMEOUT_S)
        producer.begin_transaction()
        producer.produce(topic, b"x", partition=0)
        producer.commit_transaction(TIMEOUT_S)
        consumer = Consumer(lookup_settings(found, "test"))
        consumer.assign([TopicPartition(topic, 0, 0)])
        read = consumer.consume(1, TIMEOUT_S)
        consumer.close()
        return read[0].value()

    return await asyncio.to_thread(publish_and_read, (await integrations.active())[name])


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_with_a_login_over_tls(broker: Broker, integrations: Integrations, mechanism: str) -> None:
    await save(integrations, broker, connectionType=f"SASL_SSL/{mechanism}", **LOGIN, **trusting(broker))
    report = await integrations.test("main")
    assert report["ok"], report
    assert report["secrets"] == ["sasl.password"] and PASSWORD not in str(report)
    assert await round_trip(integrations, "main") == b"x"


async def test_a_wrong_password_is_said_to_be_one(broker: Broker, integrations: Integrations) -> None:
    wrong = {"user": "ann", "password": "sesame"}
    await save(integrations, broker, connectionType="SASL_SSL/PLAIN", **wrong, **trusting(broker))
    report = await integrations.test("main")
    assert report["failedStep"] == "metadata"
    assert "invalid credentials" in report["message"]


async def test_a_certificate_that_nobody_trusts_is_said_to_be_one(broker: Broker, integrations: Integrations) -> None:
    await save(integrations, broker, connectionType="SASL_SSL/PLAIN", **LOGIN)
    report = await integrations.test("main")
    assert "certificate" in report["message"]
    await save(integrations, broker, connectionType="SASL_SSL/PLAIN", trustAnyCertificate=True, **LOGIN)
    assert (await integrations.test("main"))["ok"]


async def produce(url: str, **environment: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tidemill", "produce", "main", "orders", "x", "--url", url]

    def run() -> tuple[int, str]:
        env = {**os.environ, **environment}
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, check=False)
        return done.returncode, done.stdout + done.stderr

    return await asyncio.to_thread(run)


async def test_the_commands_ask_the_server_how_and_their_user_for_the_password(
    broker: Broker, integrations: Integrations
) -> None:
    await save(integrations, broker, connectionType="SASL_SSL/SCRAM-SHA-512", **LOGIN, **trusting(broker))
    report = to_json(await integrations.test("main"))
    async with web_service() as service:
        told = reply(report, content_type="application/json")
        service.answers["/api/tidemill/integrations/main/test"] = told
        code, said = await produce(service.url)
        assert code == 1 and "TIDEMILL_KAFKA_PASSWORD" in said
        assert await produce(service.url, TIDEMILL_KAFKA_PASSWORD=PASSWORD) == (0, "orders 0 0\n")


async def test_without_tls(tmp_path: Path, integrations: Integrations) -> None:
    Users(tmp_path).add("ann", PASSWORD)
    broker = Broker(BrokerSettings(data=tmp_path, fsync=Fsync.NEVER, authentication=True))
    await broker.start()
    await save(integrations, broker, connectionType="SASL_PLAINTEXT/SCRAM-SHA-256", **LOGIN)
    assert (await integrations.test("main"))["ok"]
    await broker.stop()


async def test_what_a_chain_writes_inline_becomes_such_an_integration(
    broker: Broker, integrations: Integrations
) -> None:
    credentials = Credentials("SCRAM-SHA-512", "ann", PASSWORD, is_tls=True, is_any_certificate_trusted=True)
    assert broker.address is not None
    stranger = Stranger("metadata.endpoints[0].configuration", broker.address, credentials)
    assert await integrations.derive(stranger, "anna") == ()
    (name,) = await integrations.active()
    assert await round_trip(integrations, name) == b"x"
