"""A cluster that demands a certificate of its clients: Apache Kafka with `ssl.client.auth=required`."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization

from tests.integration.kafka.test_security import integrations, round_trip
from tests.parts.kafka import KafkaServer
from tidemill.kafka.integrations import Integrations

__all__ = ["integrations"]

pytestmark = pytest.mark.kafka

PASSWORD = "sesame, open=1"


def locked(key: bytes) -> bytes:
    """The same key, which only its password opens."""
    loaded = serialization.load_pem_private_key(key, None)
    lock = serialization.BestAvailableEncryption(PASSWORD.encode())
    return loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


async def save(integrations: Integrations, kafka: KafkaServer, **configuration: str) -> None:
    trusting = {"truststoreAuthenticationType": "PEM", "file": kafka.certificate.read_text()}
    endpoint = {"endpoint": kafka.tls_address, "connectionType": "SSL"}
    await integrations.save(
        "main", {"type": "kafka", "configuration": {**endpoint, **trusting, **configuration}}, "anna"
    )


@pytest.mark.parametrize("is_locked", [False, True])
async def test_whoever_shows_one_reads_and_publishes(
    kafka: KafkaServer, integrations: Integrations, is_locked: bool
) -> None:
    topic = f"locked-{is_locked}"
    kafka.create_topic(topic)
    key = locked(kafka.key.read_bytes()) if is_locked else kafka.key.read_bytes()
    shown = {"clientCertificate": kafka.certificate.read_text(), "clientKey": key.decode()}
    await save(integrations, kafka, **shown, **({"clientKeyPassword": PASSWORD} if is_locked else {}))
    report = await integrations.test("main")
    assert report["ok"], report
    assert "PRIVATE KEY" not in str(report) and PASSWORD not in str(report)
    assert await round_trip(integrations, "main", topic) == b"x"


async def test_whoever_shows_none_is_told_so(kafka: KafkaServer, integrations: Integrations) -> None:
    await save(integrations, kafka)
    report = await integrations.test("main")
    assert (report["ok"], report["failedStep"]) == (False, "metadata")
    assert "certificate" in report["message"]
