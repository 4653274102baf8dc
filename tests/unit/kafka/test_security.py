"""The security of a cluster's connection: as the Orkes document says it, and what it is for librdkafka."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.kafka.test_integration import configured, findings
from tidemill.kafka.integration import check, integration

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nBBBB\n-----END ENCRYPTED PRIVATE KEY-----"
LOGIN = {"user": "ann", "password": "sesame"}
SIGNED_IN = {"sasl.username": "ann", "sasl.password": "sesame"}


@pytest.mark.parametrize(
    ("said", "settings"),
    [
        ({"connectionType": "SSL"}, {"security.protocol": "ssl"}),
        (
            {"connectionType": "SASL_SSL/PLAIN", **LOGIN},
            {"security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN", **SIGNED_IN},
        ),
        (
            {"connectionType": "SASL_PLAINTEXT", "mechanism": "scram-sha-512", **LOGIN},
            {"security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-512", **SIGNED_IN},
        ),
        (
            {"connectionType": "SASL_SSL/SCRAM-SHA-256/PEM", "file": CERTIFICATE, **LOGIN},
            {
                "security.protocol": "sasl_ssl",
                "sasl.mechanism": "SCRAM-SHA-256",
                "ssl.ca.pem": CERTIFICATE.strip(),
                **SIGNED_IN,
            },
        ),
        (
            {
                "connectionType": "ssl",
                "clientCertificate": CERTIFICATE,
                "clientKey": KEY,
                "clientKeyPassword": "p",
                "trustAnyCertificate": True,
            },
            {
                "security.protocol": "ssl",
                "ssl.certificate.pem": CERTIFICATE.strip(),
                "ssl.key.pem": KEY,
                "ssl.key.password": "p",
                "enable.ssl.certificate.verification": False,
            },
        ),
    ],
)
def test_what_is_said_becomes_settings(said: dict[str, Any], settings: dict[str, Any]) -> None:
    provider, found = check("main", configured(**said))
    assert provider is not None and found == []
    made = integration("main", provider, None).settings
    assert made == {"bootstrap.servers": "one:9092,[::1]:9093", **settings}


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"connectionType": "SASL_SSL", **LOGIN}, ["mechanism"]),
        ({"connectionType": "SASL_SSL/PLAN", **LOGIN}, ["connectionType"]),
        ({"connectionType": "SASL_SSL", "mechanism": "OAUTHBEARER", **LOGIN}, ["mechanism"]),
        ({"connectionType": "SASL_SSL/PLAIN"}, ["user", "password"]),
        ({"connectionType": "SSL", **LOGIN}, ["user", "password"]),
        ({"connectionType": "PLAINTEXT", "file": CERTIFICATE}, ["file"]),
        ({"connectionType": "SASL_SSL/SCRAM-SHA-256/JKS", **LOGIN}, ["truststoreAuthenticationType"]),
        ({"connectionType": "SSL", "truststoreAuthenticationType": "PEM"}, ["file"]),
        ({"connectionType": "SSL", "file": "AAAA"}, ["file"]),
        ({"connectionType": "SSL", "clientCertificate": CERTIFICATE}, ["clientKey"]),
        ({"connectionType": "SSL", "clientKey": "x"}, ["clientKey", "clientCertificate"]),
        ({"connectionType": "SSLL"}, ["connectionType"]),
    ],
)
def test_what_is_wrong_is_found_at_its_key(said: dict[str, Any], wrong: list[str]) -> None:
    assert [line.partition(":")[0] for line in findings(configured(**said))] == [
        f"configuration.{key}" for key in wrong
    ]


def test_a_masked_key_is_no_mistake() -> None:
    said = {"connectionType": "SSL", "clientCertificate": CERTIFICATE, "clientKey": "***"}
    assert findings(configured(**said)) == []


def test_an_embedded_broker_needs_none_of_it() -> None:
    body = {"type": "embedded", "configuration": {"connectionType": "SSL", "user": "ann"}}
    assert [line.partition(":")[0] for line in findings(body)] == ["configuration.user", "configuration.connectionType"]
