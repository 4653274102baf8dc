"""What an integration is: the model of its configuration and what becomes of it when it is in use.

Holds every parameter that users of the Orkes document know. Those that cannot be carried out yet are
refused with a finding, never ignored. Reads no database and opens no connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from tidemill.core.findings import Finding, near
from tidemill.kafka.security import KEYS as SECURITY_KEYS
from tidemill.kafka.security import security_findings, settings_of

Type = Literal["kafka", "embedded"]
Protocol = Literal["String", "JSON"]
Settings = Mapping[str, str | int | float | bool]

GROUP_PREFIX = "tidemill-"
"""Before the name of an integration that names no group: two in one group would read half of a topic each."""
CATEGORY = "MESSAGE_BROKER"
TYPES: tuple[Type, ...] = ("kafka", "embedded")
LATER_TYPES = ("kafka_confluent", "kafka_msk", "amqp", "sqs", "azure", "nats", "gcp_pubsub", "ibm_mq")

PROTOCOLS: dict[str, Protocol] = {"string": "String", "json": "JSON"}
LATER_PROTOCOLS = ("AVRO", "PROTOBUF", "JSON_SCHEMA")
PLAINTEXT = "PLAINTEXT"

SECRETS = frozenset({"password", "schemaRegistryApiSecret", "keyStorePassword", "clientKey", "clientKeyPassword"})
"""The configuration keys that are passwords: encrypted at rest, masked in the API."""

_NOT_YET = (
    "schemaRegistryUrl",
    "schemaRegistryAuthType",
    "schemaRegistryApiKey",
    "schemaRegistryApiSecret",
    "valueSubjectNameStrategy",
    "keyStorePassword",
    "keyStoreLocation",
)
_NOTHING = frozenset({"", "NONE"})
_SERVER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+):(\d{1,5})")


class Integration(msgspec.Struct, frozen=True):
    """An integration in use. Two of them are equal exactly if clients made for one fit the other."""

    name: str
    type: Type
    group: str
    sending_protocol: Protocol
    is_enabled: bool
    settings: Settings = {}
    """How to reach the cluster, as librdkafka wants it; empty where there is nothing to reach."""


class Configuration(BaseModel):
    """The `configuration` of the document. Empty text counts as absent, as forms send it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    endpoint: str | None = None
    protocol: str = "String"
    connectionType: str = PLAINTEXT  # noqa: N815
    groupId: str | None = None  # noqa: N815
    mechanism: str | None = None
    user: str | None = None
    password: str | None = None
    schemaRegistryUrl: str | None = None  # noqa: N815
    schemaRegistryAuthType: str | None = None  # noqa: N815
    schemaRegistryApiKey: str | None = None  # noqa: N815
    schemaRegistryApiSecret: str | None = None  # noqa: N815
    valueSubjectNameStrategy: str | None = None  # noqa: N815
    truststoreAuthenticationType: str | None = None  # noqa: N815
    keyStorePassword: str | None = None  # noqa: N815
    keyStoreLocation: str | None = None  # noqa: N815
    file: str | None = None
    clientCertificate: str | None = None  # noqa: N815
    clientKey: str | None = None  # noqa: N815
    clientKeyPassword: str | None = None  # noqa: N815
    trustAnyCertificate: bool = False  # noqa: N815


class Provider(BaseModel):
    """The body of a save. The keys after `configuration` are what a read gives; they come back in
    exports and change nothing, except `tags`, which are kept."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: str
    category: str = CATEGORY
    description: str | None = None
    enabled: bool = True
    configuration: Configuration = Field(default_factory=Configuration)
    tags: list[dict[str, Any]] | None = None
    name: str | None = None
    apis: list[Any] | None = None
    modelsCount: int | None = None  # noqa: N815
    createTime: int | None = None  # noqa: N815
    updateTime: int | None = None  # noqa: N815
    createdBy: str | None = None  # noqa: N815
    updatedBy: str | None = None  # noqa: N815
    ownerApp: str | None = None  # noqa: N815


def check(name: str, body: Mapping[str, Any]) -> tuple[Provider | None, list[Finding]]:
    """Everything that is wrong with it; the provider is None where its shape is wrong."""
    findings = list(_check_name(name, body))
    try:
        provider = Provider.model_validate(dict(body))
    except ValidationError as error:
        wrong = [_finding(detail) for detail in error.errors()]
        return None, [*findings, *wrong, *_check_the_rest(body, {finding.path for finding in wrong})]
    return provider, [*findings, *_check_values(provider)]


def _check_values(provider: Provider) -> list[Finding]:
    findings: list[Finding] = []
    findings += _check_type(provider.type)
    findings += _check_protocol(provider.configuration.protocol)
    findings += _check_later(provider.configuration)
    if provider.type == "embedded":
        findings += _check_embedded(provider.configuration)
    else:
        findings += security_findings(provider.configuration.model_dump())
        findings += _check_endpoint(provider.configuration.endpoint)
    return findings


def _check_the_rest(body: Mapping[str, Any], wrong: AbstractSet[str]) -> Iterator[Finding]:
    """What else is wrong where some keys have no shape: as if those keys were not there."""
    configuration = body.get("configuration")
    inner = configuration if isinstance(configuration, Mapping) else {}
    good = {key: value for key, value in body.items() if key in Provider.model_fields and key not in wrong}
    good["configuration"] = {key: value for key, value in inner.items() if f"configuration.{key}" not in wrong}
    try:
        provider = Provider.model_validate({"type": TYPES[0], **good})
    except ValidationError:
        return  # wrong inside a key that was left in: the first look has said so
    is_typed = "type" in good
    for finding in _check_values(provider):
        if finding.path not in wrong and (is_typed or finding.path != "configuration.endpoint"):
            yield finding


def integration(name: str, provider: Provider, embedded_address: str | None) -> Integration:
    """What a provider without errors means."""
    configuration = provider.configuration
    is_embedded = provider.type == "embedded"
    secured = {} if is_embedded else settings_of(configuration.model_dump())
    address = embedded_address if is_embedded else ",".join(_servers(configuration.endpoint or ""))
    return Integration(
        name=name,
        type="embedded" if is_embedded else "kafka",
        group=(configuration.groupId or "").strip() or GROUP_PREFIX + name,
        sending_protocol=PROTOCOLS[configuration.protocol.strip().lower()],
        is_enabled=provider.enabled,
        settings={"bootstrap.servers": address, **secured} if address else {},
    )


def _servers(endpoint: str) -> list[str]:
    return [server.strip() for server in endpoint.split(",") if server.strip()]


def _check_name(name: str, body: Mapping[str, Any]) -> Iterator[Finding]:
    if not name.strip():
        yield Finding("name", "must not be empty")
    if ":" in name:
        yield Finding("name", "must not contain ':', which separates the parts of an event (kafka:name:topic)")
    if body.get("name") not in (None, name):
        yield Finding("name", f"is {body['name']!r} here, but {name!r} in the address")


def _finding(detail: ErrorDetails) -> Finding:
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        unknown = str(detail["loc"][-1])
        model: type[BaseModel] = Configuration if len(detail["loc"]) > 1 else Provider
        return Finding(path, f"unknown key{near(unknown, model.model_fields)}", kind="unknown_key")
    if detail["type"] == "missing":
        return Finding(path, "is missing", kind="missing")
    return Finding(path, detail["msg"][:1].lower() + detail["msg"][1:], kind="wrong_type")


def _check_type(type_: str) -> Iterator[Finding]:
    if type_ in LATER_TYPES:
        yield _later("type", f"integrations of type {type_}")
    elif type_ not in TYPES:
        yield Finding("type", f"must be one of {', '.join(TYPES)}{near(type_, TYPES)}", kind="unknown_type")


def _check_protocol(protocol: str) -> Iterator[Finding]:
    path, known = "configuration.protocol", [*PROTOCOLS.values(), *LATER_PROTOCOLS]
    if protocol.strip().upper().replace(" ", "_") in LATER_PROTOCOLS:
        yield _later(path, f"sending protocol {protocol}")
    elif protocol.strip().lower() not in PROTOCOLS:
        yield Finding(path, f"must be one of {', '.join(known)}{near(protocol, known)}")


def _check_later(configuration: Configuration) -> Iterator[Finding]:
    for key in _NOT_YET:
        value = getattr(configuration, key)
        if value is not None and value.strip().upper() not in _NOTHING:
            yield _later(f"configuration.{key}", key)


def _check_embedded(configuration: Configuration) -> Iterator[Finding]:
    if configuration.endpoint:
        yield Finding("configuration.endpoint", "an embedded broker has its own address; leave this out")
    for key in SECURITY_KEYS:
        value = getattr(configuration, key)
        if value and str(value).strip().upper() not in _NOTHING:
            yield Finding(f"configuration.{key}", "an embedded broker is reached without it; leave this out")
    if re.sub(r"[ _]", "", configuration.connectionType).upper() != PLAINTEXT:
        yield Finding("configuration.connectionType", f"an embedded broker is reached by {PLAINTEXT}")


def _check_endpoint(endpoint: str | None) -> Iterator[Finding]:
    path, servers = "configuration.endpoint", _servers(endpoint or "")
    if not servers:
        yield Finding(path, "is missing: the bootstrap servers as host:port, separated by commas", kind="missing")
    for server in servers:
        match = _SERVER.fullmatch(server)
        if match is None or not 0 < int(match.group(2)) < 65536:
            yield Finding(path, f"{server!r} is not host:port")


def _later(path: str, what: str) -> Finding:
    return Finding(path, f"not yet supported: {what}", kind="not_supported")
