"""Which errors are a broker's last word on a record, and who of a batch is guilty. Knows no client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from confluent_kafka import KafkaError

TOPIC_ERRORS = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
    }
)
"""They hold for every record of the topic, or of the partition that it names."""

RECORD_ERRORS = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
        KafkaError.INVALID_MSG,
        KafkaError._INVALID_ARG,
    }
)
"""The broker gives them to all records that travelled in one request, though one may be the cause."""

NO_TRANSACTIONS = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE})
"""What a cluster answers that knows no transactions."""

PERMANENT_ERRORS = TOPIC_ERRORS | RECORD_ERRORS


def guilty(
    errors: Mapping[int, KafkaError], partitions: Mapping[int, tuple[str, int]], alone: AbstractSet[int]
) -> set[int]:
    """Of the rows that failed for good (by their index) those that did so for themselves.

    `partitions` says where each was sent, `alone` which failed before they were sent with others. Empty where
    several failed together and nothing tells them apart: then the batch has to be taken apart.
    """
    sent = {index for index, error in errors.items() if index not in alone and error.code() in RECORD_ERRORS}
    together = Counter(partitions[index] for index in sent)
    return {index for index in errors if index not in sent or together[partitions[index]] == 1}
