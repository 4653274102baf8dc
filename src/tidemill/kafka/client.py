"""From an integration to librdkafka's settings. The numbers were measured; each says what it is good for."""

from __future__ import annotations

import hashlib
from typing import Any

import structlog
from confluent_kafka import KafkaError

from tidemill.kafka.integration import Integration

log = structlog.get_logger(__name__)

TRANSACTION_TIMEOUT_MS = 60_000
MESSAGE_BYTES_MAX = 100_000_000
"""Ours is only a last bound: what a topic takes is the broker's to say, and its reason reaches the user."""


def common_settings(integration: Integration) -> dict[str, Any]:
    return {
        **integration.settings,
        "client.id": "tidemill",
        # With the default (rebootstrap) send_offsets_to_transaction hung for more than 90 s after the only
        # broker of a cluster was started again.
        "metadata.recovery.strategy": "none",
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        "socket.keepalive.enable": True,
    }


def admin_settings(integration: Integration) -> dict[str, Any]:
    # An admin client serves no log queue; what fails comes back with the call.
    return {**common_settings(integration), "log_level": 0}


def producer_settings(integration: Integration, transactional_id: str) -> dict[str, Any]:
    return {
        **plain_producer_settings(integration),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
    }


def plain_producer_settings(integration: Integration) -> dict[str, Any]:
    """For a cluster without transactions."""
    return {
        **common_settings(integration),
        "enable.idempotence": True,
        # Kafka answers "concurrent transactions" until the markers of the last one are written, and librdkafka
        # waits one back-off each time: 107 ms per transaction with the defaults, 6 ms with these.
        "retry.backoff.ms": 1,
        "retry.backoff.max.ms": 20,
        # For whatever is not flushed, which is nothing: a flush waits for no linger. So the records of a batch go out
        # in one request a partition, and not as they are handed over, a few at a time.
        "linger.ms": 50,
        "message.max.bytes": MESSAGE_BYTES_MAX,
        # A topic that was deleted under us is refused after this, not after 30 s.
        "topic.metadata.propagation.max.ms": 5_000,
        # As Java's producers: the same key finds the same partition.
        "partitioner": "murmur2_random",
        **_quiet(integration),
    }


def consumer_settings(
    integration: Integration, group: str, session_timeout_ms: int, worker: str | None
) -> dict[str, Any]:
    """`worker` is a name that no other process has: the group then takes it back at once after a crash."""
    return {
        **common_settings(integration),
        "group.id": group,
        **({"group.instance.id": _member_name(integration, worker)} if worker else {}),
        "session.timeout.ms": session_timeout_ms,
        "heartbeat.interval.ms": min(1_000, session_timeout_ms // 3),
        # Positions are the database's business; a lost one has to be seen, not mended.
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 100,
        "fetch.message.max.bytes": 1_000_000,
        "queued.min.messages": 5_000,
        # How long librdkafka rests with its queue full: by default a second, in which a fast pump runs dry. It read no
        # more than 20,000 records a second.
        "fetch.queue.backoff.ms": 10,
        "queued.max.messages.kbytes": 16_384,
        # How soon a topic is seen that was not there before, or new partitions are.
        "topic.metadata.refresh.interval.ms": 2_000,
        # A typing mistake in a subscription shall not make a topic.
        "allow.auto.create.topics": False,
        **_quiet(integration),
    }


def lookup_settings(integration: Integration, group: str) -> dict[str, Any]:
    """For a consumer that joins no group: it reads the cursor, or looks for records that are out already."""
    return {
        **common_settings(integration),
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,
        **_quiet(integration),
    }


class ClientLog:
    """Takes librdkafka's log lines, which it calls with as a `logging.Logger`."""

    def __init__(self, integration: str) -> None:
        self._log = log.bind(integration=integration)

    def log(self, level: int, form: str, *arguments: object) -> None:
        # Lost connections and retries are librdkafka's daily bread; what matters shows in states and errors.
        self._log.debug("librdkafka", level=level, line=form % arguments)


def error_text(error: KafkaError) -> str:
    return f"{error.str()} ({error.name()})"


def _member_name(integration: Integration, worker: str) -> str:
    """Two integrations may lead to one group of one cluster; each is a member of its own. Brokers take few
    characters in it."""
    mark = hashlib.blake2b(integration.name.encode(), digest_size=6).hexdigest()
    return f"tidemill-{worker}-{mark}"


def _quiet(integration: Integration) -> dict[str, Any]:
    return {"logger": ClientLog(integration.name), "log_level": 4}
