"""What the embedded broker can be told, with its limits. Topics have settings of their own: `topics/settings.py`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec


class Fsync(StrEnum):
    """When an acknowledged record is safe from a power cut. A killed process loses nothing in any case."""

    NEVER = "never"  # whenever the kernel writes
    INTERVAL = "interval"  # `fsync_interval_ms` at the latest
    ALWAYS = "always"  # before it is acknowledged


class BrokerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults are for one machine and for trying."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    advertised_host: str | None = None
    """What clients are told to connect to; the address that they see must lead here. `host` unless given."""
    node_id: int = 1

    authentication: bool = False
    """Clients show who they are with SASL before anything else. Needed beyond loopback, and so is TLS."""
    certificate: Path | None = None
    """PEM file with the certificate and its chain; with it all connections are TLS. `key` is its key, without a
    password."""
    key: Path | None = None

    fsync: Fsync = Fsync.INTERVAL
    fsync_interval_ms: int = 50

    auto_create_topics: bool = True
    num_partitions: int = 1
    """Of a topic that is created by being mentioned, or without a number."""

    frame_bytes_max: int = 100 * 1024 * 1024
    """Of a Produce request. Every other request has `control_frame_bytes_max`."""
    control_frame_bytes_max: int = 8 * 1024 * 1024
    fetch_bytes_max: int = 55 * 1024 * 1024
    """Of one Fetch answer, whatever the client asks for."""
    connections_max: int = 1000
    greeting_timeout_s: float = 10.0
    """How long a connection may take for TLS, and then to authenticate."""
    requests_in_flight_max: int = 32
    """Per connection: what has been read and not yet answered. Then the broker stops reading from it."""
    request_bytes_in_flight_max: int = 32 * 1024 * 1024
    """The same in bytes: a connection holds so much, and one frame."""
    topics_max: int = 2000
    partitions_max: int = 10_000

    group_initial_rebalance_delay_ms: int = 0
    group_min_session_timeout_ms: int = 6_000
    group_max_session_timeout_ms: int = 1_800_000
    groups_max: int = 10_000
    group_max_size: int = 1000
    group_member_bytes_max: int = 1024 * 1024
    """Of what one member tells its leader."""
    offsets_retention_minutes: int = 7 * 24 * 60
    offset_metadata_bytes_max: int = 4096

    transactional_ids_max: int = 10_000
    transactional_id_length_max: int = 1000
    transaction_max_timeout_ms: int = 900_000
    transactional_id_expiration_ms: int = 7 * 24 * 60 * 60 * 1000
    abort_open_transactions_at_start: bool = False
    """For one program that owns the broker: nobody waits for the timeout of a predecessor's transaction."""
