"""What rule chains need from outside. `storage`, `kafka` and `web` satisfy it, `server` ties the knot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from tidemill.core.clock import Clock
from tidemill.core.errors import TidemillError
from tidemill.core.findings import Finding
from tidemill.core.http import HttpCaller
from tidemill.core.transaction import Transaction
from tidemill.ingest.clusters import IntegrationDirectory, IntegrationInfo, integration_of
from tidemill.rules.waiting.held import Pending
from tidemill.sandbox.script import Sandbox

DERIVED = "inline-"
"""How the names of integrations begin that were made for servers which a chain names."""
NOT_DERIVED = "not_derived"
"""The kind of a finding about one that could not be made."""


class Clusters:
    """The Kafka clusters that there are, as `Chains` learned them last."""

    def __init__(self) -> None:
        self.integrations: Mapping[str, IntegrationInfo] = {}

    def cluster(self, server: str) -> IntegrationInfo | None:
        """By an integration's name, or by its bootstrap servers as somebody may write them. None: there is none."""
        name = integration_of(self.integrations, server)
        return self.integrations[name] if name is not None else None

    def named(self, server: str) -> str:
        """The integration's name where there is one."""
        return integration_of(self.integrations, server) or server


class CacheKey(msgspec.Struct, frozen=True, order=True):
    """Where a value is kept; what all chains share has no chain."""

    chain: str
    key: str


class CacheEntry(msgspec.Struct, frozen=True):
    """`value` is JSON."""

    chain: str
    key: str
    until_ms: int
    value: bytes


class CacheChanges(msgspec.Struct, frozen=True):
    """First everything is dropped, then everything put."""

    put: Sequence[CacheEntry] = ()
    dropped: Sequence[CacheKey] = ()
    dropped_prefixes: Sequence[CacheKey] = ()


class CacheStore(Protocol):
    async def read(
        self, keys: Sequence[CacheKey], prefixes: Sequence[CacheKey], now_ms: int, limit: int
    ) -> Sequence[CacheEntry]:
        """What is kept under these keys, and under keys that begin so, at most `limit` of each. Not what is past. In
        no order; twice where it was asked for twice. Raises `Unavailable`."""
        ...

    async def write(self, tx: Transaction, changes: CacheChanges) -> None: ...


class OutsideFailed(TidemillError):
    """It was not done, or nobody knows; with a sentence for people, in which no secret stands."""


class SqlDatabase(msgspec.Struct, frozen=True):
    """`driver` and `dsn` as RuleGo's users write them."""

    driver: str
    dsn: str
    connections_max: int


class SqlStatement(msgspec.Struct, frozen=True):
    """`kind`: SELECT, INSERT, UPDATE, DELETE, EXEC, or AUTO where the database knows best. `params` are JSON values for
    the `?` or the `$1`, `$2` in the text."""

    sql: str
    params: Sequence[Any]
    kind: str


class SqlAnswer(msgspec.Struct, frozen=True):
    """`rows` None: it has no columns."""

    rows: Sequence[Mapping[str, Any]] | None
    affected: int
    last_id: int | None = None


class Databases(Protocol):
    def refusal(self, database: SqlDatabase) -> tuple[str, str] | None:
        """Why it can never be asked: which of its fields is wrong (`driver`, `dsn`), and how."""
        ...

    async def run(self, database: SqlDatabase, statement: SqlStatement, timeout_s: float) -> SqlAnswer:
        """Raises `OutsideFailed`, within the time."""
        ...


class MailServer(msgspec.Struct, frozen=True):
    """`port` 0 is the usual one. Without `user` nobody logs in."""

    host: str
    port: int
    user: str
    password: str
    is_tls: bool
    timeout_s: float


class Mail(msgspec.Struct, frozen=True):
    """Recipients with commas between; `body` is HTML. `id` is the same where the same mail is sent again."""

    id: str
    sender: str
    to: str
    cc: str
    bcc: str
    subject: str
    body: str


class Mailer(Protocol):
    async def send(self, server: MailServer, mail: Mail) -> Sequence[str]:
        """When the server has taken it; the recipients for whom it did not. Raises `OutsideFailed`, within the time."""
        ...


class MqttServer(msgspec.Struct, frozen=True):
    """`server` as users write it (`mqtt_address` reads it)."""

    server: str
    user: str
    password: str
    client_id: str
    is_clean: bool
    reconnect_s_max: int
    ca_file: str
    cert_file: str
    key_file: str


class MqttAddress(msgspec.Struct, frozen=True):
    host: str
    port: int
    is_tls: bool


def mqtt_address(server: str) -> MqttAddress:
    """`host`, `host:port`, `tcp://host:port` or `ssl://host:port`. Raises `ValueError`."""
    url = urlsplit(server if "://" in server else f"tcp://{server}")
    if url.scheme not in ("tcp", "mqtt", "ssl", "tls", "mqtts") or not url.hostname or url.path or url.username:
        raise ValueError("must be host:port, or ssl://host:port for TLS")
    is_tls = url.scheme not in ("tcp", "mqtt")
    return MqttAddress(url.hostname, url.port or (8883 if is_tls else 1883), is_tls)


class MqttSender(Protocol):
    async def publish(self, server: MqttServer, topic: str, payload: bytes, qos: int) -> None:
        """When the server has acknowledged it; with `qos` 0, when it is sent. Raises `OutsideFailed`, within a bounded
        time; it may have arrived all the same."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """What nodes may call. None of it is opened before a node asks for it."""

    http: HttpCaller
    databases: Databases
    mailer: Mailer
    mqtt: MqttSender


@dataclass(frozen=True, slots=True)
class Credentials:
    """As RuleGo writes them. `mechanism` empty: no SASL."""

    mechanism: str
    user: str
    password: str = field(repr=False)
    is_tls: bool
    is_any_certificate_trusted: bool


@dataclass(frozen=True, slots=True)
class Stranger:
    """A cluster that a definition names by its bootstrap servers, and that no integration has. `path` leads to the
    configuration that does. `credentials` are None where there are none to give."""

    path: str
    servers: str
    credentials: Credentials | None = None


class Directory(IntegrationDirectory, Protocol):
    async def derive(self, stranger: Stranger, author: str) -> Sequence[Finding]:
        """Makes an integration for the cluster, unless one is there by now, under a name that says where it comes
        from. What speaks against it is found at `stranger.path`."""
        ...


class SecretSource(Protocol):
    async def values(self, names: Collection[str]) -> Mapping[str, str]:
        """Of those that are there and can be read. When one changes, the definitions' revision grows. Raises
        `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    sandbox: Sandbox
    clock: Clock
    clusters: Clusters
    cache: CacheStore
    world: World
    pending: Pending
