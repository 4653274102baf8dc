"""The integration's cursor in Kafka: the number of the last batch that is out, kept as a group's offset.

It moves inside the transaction that publishes the batch, so it says what no crash can blur. Blocks; runs on
the publisher's thread.
"""

from __future__ import annotations

import structlog
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tidemill.core.errors import Unavailable
from tidemill.kafka.client import admin_settings, error_text, lookup_settings
from tidemill.kafka.integration import Integration

log = structlog.get_logger(__name__)

CURSOR_TOPIC = "__tidemill_cursor"
"""Holds no records. An offset can only be committed for a partition that exists."""

HELD = (
    "Kafka holds the cursor back for a transaction that has not ended. If this stays, a broker was killed while it "
    "ended one: docs/production.md says what to do"
)

_NO_OFFSET = -1
_LOOKS_MAX = 20
_LOOK_S = 0.05


class Cursor:
    """`group` is this installation's and integration's alone. The consumer never subscribes."""

    def __init__(self, integration: Integration, group: str) -> None:
        self._integration = integration
        self._group = group
        self._consumer = Consumer(lookup_settings(integration, group))

    def prepare(self, timeout_s: float) -> None:
        """Makes sure that the topic is there. Raises `Unavailable`."""
        admin = AdminClient(admin_settings(self._integration))
        known = admin.list_topics(timeout=timeout_s)
        if CURSOR_TOPIC in known.topics:
            return
        # A cluster without a controller takes no such request; there, naming a topic makes it.
        if known.controller_id in known.brokers:
            self._create(admin, timeout_s)
        error = self._awaited(admin, timeout_s)
        if error is not None:
            raise Unavailable(
                f"the topic {CURSOR_TOPIC} is not there: {error_text(error)}; if Tidemill may not create it, "
                "create it by hand, with one partition"
            )

    def read(self, timeout_s: float) -> int | None:
        """The last batch that is out; None where Kafka has no cursor. Waits for a transaction in flight, and raises
        `Unavailable` where that is all it waits for."""
        try:
            (found,) = self._consumer.committed([TopicPartition(CURSOR_TOPIC, 0)], timeout=timeout_s)
        except KafkaException as error:
            if error.args[0].code() == KafkaError._TIMED_OUT and self._is_held(timeout_s):
                raise Unavailable(HELD) from error
            raise
        if found.error is not None:
            raise KafkaException(found.error)
        return found.offset if found.offset > _NO_OFFSET else None

    def offsets(self, number: int) -> list[TopicPartition]:
        return [TopicPartition(CURSOR_TOPIC, 0, number)]

    def store(self, number: int) -> None:
        """Without a transaction, for a cluster that has none."""
        self._consumer.commit(offsets=self.offsets(number), asynchronous=False)

    def group_metadata(self) -> object:
        return self._consumer.consumer_group_metadata()

    def close(self) -> None:
        self._consumer.close()

    def _awaited(self, admin: AdminClient, timeout_s: float) -> KafkaError | None:
        """What is wrong with the topic. Brokers hear of it a moment after the controller has made it."""
        for _ in range(_LOOKS_MAX):
            error: KafkaError | None = admin.list_topics(CURSOR_TOPIC, timeout=timeout_s).topics[CURSOR_TOPIC].error
            if error is None or error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                return error
            _ = self._consumer.poll(_LOOK_S)
        return KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)

    def _is_held(self, timeout_s: float) -> bool:
        """Whether Kafka says at once what it had before the transaction."""
        admin = AdminClient(admin_settings(self._integration))
        asked = [ConsumerGroupTopicPartitions(self._group, [TopicPartition(CURSOR_TOPIC, 0)])]
        answer = admin.list_consumer_group_offsets(asked, require_stable=False, request_timeout=timeout_s)
        return answer[self._group].exception() is None

    def _create(self, admin: AdminClient, timeout_s: float) -> None:
        request = admin.create_topics([NewTopic(CURSOR_TOPIC, 1, -1)], operation_timeout=timeout_s)
        try:
            request[CURSOR_TOPIC].result()
        except KafkaException as error:
            # Somebody else may have been faster, or may be the one who has to do it.
            log.info("cursor topic not created", integration=self._integration.name, error=error_text(error.args[0]))
