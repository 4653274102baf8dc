"""What `GET /integrations/def` answers: the form of each type, for the user interface. Data only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidemill.kafka.integration import CATEGORY, GROUP_PREFIX, PLAINTEXT, PROTOCOLS
from tidemill.kafka.security import CONNECTION_TYPES, MECHANISMS

Option = tuple[str, str]

_SUBJECTS = "io.confluent.kafka.serializers.subject."
_AVRO = [{"fieldName": "protocol", "value": "AVRO"}]
_SASL = [{"fieldName": "connectionType", "value": name} for name in CONNECTION_TYPES if name.startswith("SASL")]
_TLS = [
    {"fieldName": "connectionType", "value": name}
    for name in CONNECTION_TYPES
    if name.partition("/")[0].endswith("SSL")
]
_JKS = [{"fieldName": "truststoreAuthenticationType", "value": "JKS"}]


def definitions() -> list[dict[str, Any]]:
    """One per type. Fields marked `available: false` are refused by a save until they are supported."""
    return [
        _definition("kafka", "Apache Kafka", "Publish to and read from the topics of a Kafka cluster", _kafka()),
        _definition("embedded", "Embedded broker", "The broker that Tidemill brings along", [_protocol(), _group()]),
    ]


def _definition(name: str, label: str, description: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "category": CATEGORY,
        "categoryLabel": "Message Broker",
        "description": description,
        "enabled": True,
        "iconName": "kafka",
        "name": name,
        "nameLabel": label,
        "tags": [],
        "type": name,
        "configuration": fields,
    }


def _kafka() -> list[dict[str, Any]]:
    return [
        _field("endpoint", "TEXT", "Bootstrap Server", "host:port, more than one separated by commas", optional=False),
        _protocol(),
        _field(
            "connectionType",
            "DROPDOWN",
            "Connection Security",
            "How to connect to the cluster",
            optional=False,
            default=PLAINTEXT,
            options=[(name, name) for name in CONNECTION_TYPES],
        ),
        _group(),
        *_security(),
        *_later_registry(),
    ]


def _protocol() -> dict[str, Any]:
    options = [(name, name) for name in PROTOCOLS.values()]
    text = "String sends text as it is, JSON anything as JSON"
    return _field("protocol", "DROPDOWN", "Sending Protocol", text, optional=False, default="String", options=options)


def _group() -> dict[str, Any]:
    text = f"Under which consumer group topics are read; {GROUP_PREFIX} and the integration's name if none is given"
    return _field("groupId", "TEXT", "Consumer Group ID", text)


def _security() -> list[dict[str, Any]]:
    stores = [("NONE", "NONE"), ("PEM", "PEM")]
    trusted = "The certificates of authorities to trust, in PEM; without it, those that the system trusts"
    mechanism = f"{', '.join(MECHANISMS)}, where the connection security does not say it"
    return [
        _field("mechanism", "TEXT", "SASL Mechanism", mechanism) | _shown_with(_SASL),
        _field("user", "TEXT", "Username", "Who logs in") | _shown_with(_SASL),
        _field("password", "PASSWORD", "Password", "The user's password") | _shown_with(_SASL),
        _field(
            "truststoreAuthenticationType", "DROPDOWN", "Truststore type", "PEM for a file of one's own", options=stores
        )
        | _shown_with(_TLS),
        _field("file", "FILE", "Trust Store File", trusted) | _shown_with(_TLS),
        _later("keyStorePassword", "PASSWORD", "Trust Store Password", depends_on=_JKS),
        _later("keyStoreLocation", "TEXT", "Trust Store Location", depends_on=_JKS),
        _field("clientCertificate", "TEXT", "Client Certificate", "In PEM, where the cluster asks for one")
        | _shown_with(_TLS),
        _field("clientKey", "PASSWORD", "Client Key", "The key of the client's certificate, in PEM")
        | _shown_with(_TLS),
        _field("clientKeyPassword", "PASSWORD", "Client Key Password", "Where the key is encrypted")
        | _shown_with(_TLS),
        _field("trustAnyCertificate", "BOOLEAN", "Trust Any Certificate", "Anybody can pose as the cluster then")
        | _shown_with(_TLS),
    ]


def _shown_with(depends_on: Sequence[dict[str, str]]) -> dict[str, Any]:
    return {"dependsOn": list(depends_on)}


def _later_registry() -> list[dict[str, Any]]:
    names = ("TopicNameStrategy", "RecordNameStrategy", "TopicRecordNameStrategy")
    strategies = [(name, _SUBJECTS + name) for name in names]
    kinds = ("Password in URL", "Schema Registry User Info (Key/Password)", "NONE")
    auth = [(kind, kind) for kind in kinds]
    return [
        _later("schemaRegistryUrl", "TEXT", "Schema Registry URL", depends_on=_AVRO),
        _later("schemaRegistryAuthType", "DROPDOWN", "Schema Registry Auth Type", options=auth, depends_on=_AVRO),
        _later("schemaRegistryApiKey", "TEXT", "Schema Registry API Key", depends_on=_AVRO),
        _later("schemaRegistryApiSecret", "PASSWORD", "Schema Registry API Secret", depends_on=_AVRO),
        _later(
            "valueSubjectNameStrategy",
            "DROPDOWN",
            "Value Subject Name Strategy",
            options=strategies,
            depends_on=_AVRO,
        ),
    ]


def _later(
    name: str,
    field_type: str,
    label: str,
    *,
    options: Sequence[Option] = (),
    depends_on: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:
    field = _field(name, field_type, label, "Not yet supported", options=options)
    return {**field, "dependsOn": list(depends_on), "available": False}


def _field(
    name: str,
    field_type: str,
    label: str,
    description: str,
    *,
    optional: bool = True,
    default: str | None = None,
    options: Sequence[Option] = (),
) -> dict[str, Any]:
    return {
        "fieldName": name,
        "fieldType": field_type,
        "label": label,
        "description": description,
        "optional": optional,
        "value": None,
        "defaultValue": default,
        "valueOptions": [{"label": label, "value": value} for label, value in options],
        "dependsOn": [],
    }
