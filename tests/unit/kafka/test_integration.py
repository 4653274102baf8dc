"""The configuration of an integration: everything of the Orkes document is known, and nothing is ignored."""

from __future__ import annotations

from typing import Any

import pytest

from tidemill.kafka.form import definitions
from tidemill.kafka.integration import SECRETS, Configuration, check, integration

GOOD: dict[str, Any] = {
    "type": "kafka",
    "category": "MESSAGE_BROKER",
    "description": "the orders",
    "enabled": True,
    "configuration": {"endpoint": "one:9092, [::1]:9093", "protocol": "JSON", "connectionType": "PLAINTEXT"},
}


def findings(body: dict[str, Any], name: str = "main") -> list[str]:
    return [str(finding) for finding in check(name, body)[1]]


def configured(**changes: Any) -> dict[str, Any]:
    return {**GOOD, "configuration": {**GOOD["configuration"], **changes}}


def test_a_good_one_becomes_settings() -> None:
    provider, found = check("main", configured(groupId=" readers "))
    assert provider is not None and not found
    made = integration("main", provider, None)
    assert (made.group, made.sending_protocol, made.is_enabled) == ("readers", "JSON", True)
    assert made.settings == {"bootstrap.servers": "one:9092,[::1]:9093"}


def test_an_embedded_one_needs_nothing() -> None:
    provider, found = check("main", {"type": "embedded"})
    assert provider is not None and not found
    made = integration("main", provider, "127.0.0.1:1")
    assert (made.type, made.group, made.settings) == ("embedded", "tidemill-main", {"bootstrap.servers": "127.0.0.1:1"})
    assert not integration("main", provider, None).settings


@pytest.mark.parametrize("spelling", ["PLAINTEXT", "plaintext", "PLAIN TEXT", "Plain_Text"])
def test_plaintext_in_every_spelling(spelling: str) -> None:
    assert findings(configured(connectionType=spelling)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("protocol", "AVRO"),
        ("protocol", "JSON_SCHEMA"),
        ("schemaRegistryUrl", "http://registry"),
        ("schemaRegistryAuthType", "Password in URL"),
        ("schemaRegistryApiKey", "key"),
        ("schemaRegistryApiSecret", "secret"),
        ("valueSubjectNameStrategy", "io.confluent.kafka.serializers.subject.TopicNameStrategy"),
        ("truststoreAuthenticationType", "JKS"),
        ("keyStorePassword", "secret"),
        ("keyStoreLocation", "somewhere"),
    ],
)
def test_what_comes_later_is_refused_and_not_ignored(key: str, value: str) -> None:
    (finding,) = check("main", configured(**{key: value}))[1]
    assert finding.path == f"configuration.{key}"
    assert finding.message.startswith("not yet supported: ")


def test_what_a_form_leaves_empty_is_no_finding() -> None:
    empty = dict.fromkeys(("user", "password", "schemaRegistryUrl", "file", "groupId"), "")
    assert findings(configured(**empty, truststoreAuthenticationType="NONE", schemaRegistryAuthType=None)) == []


def test_all_mistakes_come_together() -> None:
    body = configured(endpoint="nowhere", protocol="Strin", connectionType="TELNET", user="me")
    assert findings(body, name="a:b") == [
        "name: must not contain ':', which separates the parts of an event (kafka:name:topic)",
        "configuration.protocol: must be one of String, JSON, AVRO, PROTOBUF, JSON_SCHEMA; did you mean 'String'?",
        "configuration.connectionType: must be one of PLAINTEXT, SSL, SASL_PLAINTEXT/PLAIN, "
        "SASL_PLAINTEXT/SCRAM-SHA-256, SASL_PLAINTEXT/SCRAM-SHA-512, "
        "SASL_SSL/PLAIN, SASL_SSL/SCRAM-SHA-256, SASL_SSL/SCRAM-SHA-512",
        "configuration.endpoint: 'nowhere' is not host:port",
    ]


def test_wrong_shapes_say_where() -> None:
    body = {"typ": "kafka", "enabled": "yes", "configuration": {"endPoint": "a:1", "groupId": 7}}
    found = findings(body)
    assert "type: is missing" in found
    assert "typ: unknown key; did you mean 'type'?" in found
    assert "configuration.endPoint: unknown key; did you mean 'endpoint'?" in found
    assert {finding.split(":")[0] for finding in found} == {
        "type",
        "typ",
        "enabled",
        "configuration.endPoint",
        "configuration.groupId",
    }


@pytest.mark.parametrize("endpoint", [None, "", " , ", "host", "host:", "host:0", "host:70000", "a b:1", "ok:1,bad"])
def test_endpoints_are_checked(endpoint: str | None) -> None:
    (finding,) = check("main", configured(endpoint=endpoint))[1]
    assert finding.path == "configuration.endpoint"


def test_types() -> None:
    assert findings({**GOOD, "type": "kafka_msk"}) == ["type: not yet supported: integrations of type kafka_msk"]
    assert findings({**GOOD, "type": "kafak"}) == ["type: must be one of kafka, embedded; did you mean 'kafka'?"]
    assert findings({"type": "embedded", "configuration": {"endpoint": "a:1"}}) == [
        "configuration.endpoint: an embedded broker has its own address; leave this out"
    ]


def test_the_form_has_every_key_and_hides_the_passwords() -> None:
    kafka, embedded = definitions()
    fields = {field["fieldName"]: field for field in kafka["configuration"]}
    assert fields.keys() == Configuration.model_fields.keys()
    assert {name for name, field in fields.items() if field["fieldType"] == "PASSWORD"} == SECRETS
    assert [field["fieldName"] for field in embedded["configuration"]] == ["protocol", "groupId"]


def test_values_are_looked_at_though_some_keys_have_no_shape() -> None:
    configuration = {"protocol": "AVRO", "conectionType": "x", "groupId": 5}
    found = findings({"type": "kafak", "enabled": "yes", "configuration": configuration})
    assert [line.partition(":")[0] for line in found] == [
        "enabled",
        "configuration.groupId",
        "configuration.conectionType",
        "type",
        "configuration.protocol",
        "configuration.endpoint",
    ]
    assert findings({"configuration": {"protocol": 5}}) == [
        "type: is missing",
        "configuration.protocol: input should be a valid string",
    ]
