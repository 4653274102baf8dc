"""The configuration of Kafka endpoints and their routers, under RuleGo's keys and ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field

from tidemill.graph.component import Config
from tidemill.graph.secret import Secret, whole
from tidemill.ingest.subscription import StartAt
from tidemill.rules.ports import Credentials

FailurePolicy = Literal["dead_letter", "retry", "ignore"]

SERVER = "127.0.0.1:9092"
GROUP = "rulego"


def _servers(value: object) -> object:
    """Text or a list of texts."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return value


def _start(text: str | None) -> str | None:
    if text is not None:
        start_at(text)
    return text


def start_at(text: str) -> StartAt:
    """`earliest`, `latest`, `offset:42`, `time:2026-11-21T08:00:00Z` or `time:` with milliseconds. Raises
    `ValueError`."""
    kind, _, value = text.strip().partition(":")
    if kind == "earliest" and not value:
        return StartAt("earliest")
    if kind == "latest" and not value:
        return StartAt("latest")
    if kind == "offset" and value.isascii() and value.isdigit():
        return StartAt("offset", int(value))
    if kind == "time" and value:
        return StartAt("time", _moment_ms(value))
    raise ValueError("must be earliest, latest, offset:<number> or time:<ISO 8601, or milliseconds since 1970>")


def _moment_ms(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000)


Start = Annotated[str | None, AfterValidator(_start)]
Servers = Annotated[str | None, BeforeValidator(_servers)]


class SaslConfig(Config):
    enable: bool = Field(False, description="Whether to sign in.")
    mechanism: str = Field("PLAIN", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.")
    username: str = Field("", description="The user.")
    password: Annotated[str, Secret(whole, is_needed=False)] = Field("", description="The user's password.", repr=False)


class TlsConfig(Config):
    enable: bool = Field(False, description="Whether the connection is encrypted.")
    insecure_skip_verify: bool = Field(False, alias="insecureSkipVerify", description="Trust any certificate.")


def credentials(sasl: SaslConfig, tls: TlsConfig) -> Credentials | None:
    """None where there are none to give."""
    if not sasl.enable and not tls.enable:
        return None
    mechanism = sasl.mechanism if sasl.enable else ""
    return Credentials(mechanism, sasl.username, sasl.password, tls.enable, tls.insecure_skip_verify)


class RouterConfig(Config):
    """What a router may say for itself, in `from.configuration`."""

    group: str | None = Field(
        None, alias="groupId", description="The consumer group. Chains that share one read each record once each."
    )
    start: Start = Field(
        None, alias="startFrom", description="Where a group begins that has read nothing yet: `earliest` by default."
    )
    on_failure: FailurePolicy | None = Field(
        None, alias="onFailure", description="What becomes of a record that fails: a dead letter by default."
    )


class KafkaConfig(RouterConfig):
    server: Servers = Field(
        None,
        alias="server",
        validation_alias=AliasChoices("server", "brokers", "Brokers"),
        description="The cluster's bootstrap servers: text, with commas between them, or a list.",
    )
    integration: str | None = Field(None, description="The cluster by its integration's name, instead of `server`.")
    sasl: SaslConfig = Field(SaslConfig(), description="Credentials of `server`, where no integration has it yet.")
    tls: TlsConfig = Field(TlsConfig(), description="Encryption of `server`, where no integration has it yet.")
    offset_reset: Literal["earliest", "latest"] | None = Field(
        None, alias="autoOffsetReset", description="As `startFrom`, which comes first."
    )
    auto_commit: bool | None = Field(
        None, alias="autoCommit", description="Accepted and without effect: records and effects are committed together."
    )

    @property
    def cluster(self) -> str:
        """Name or servers."""
        return self.integration or (self.server or "").strip() or SERVER
