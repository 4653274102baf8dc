"""Which requests the broker serves, and in which versions. The one place to change when a version is added:
then write the messages anew (`python -m tests.parts.messages`).
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class ApiKey(IntEnum):
    """Kafka's numbers of the requests that are served."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    DESCRIBE_GROUPS = 15
    LIST_GROUPS = 16
    SASL_HANDSHAKE = 17
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    DELETE_TOPICS = 20
    DELETE_RECORDS = 21
    INIT_PRODUCER_ID = 22
    OFFSET_FOR_LEADER_EPOCH = 23
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    WRITE_TXN_MARKERS = 27
    TXN_OFFSET_COMMIT = 28
    DESCRIBE_ACLS = 29
    DESCRIBE_CONFIGS = 32
    ALTER_CONFIGS = 33
    DESCRIBE_LOG_DIRS = 35
    SASL_AUTHENTICATE = 36
    CREATE_PARTITIONS = 37
    DELETE_GROUPS = 42
    INCREMENTAL_ALTER_CONFIGS = 44
    LIST_PARTITION_REASSIGNMENTS = 46
    OFFSET_DELETE = 47
    DESCRIBE_CLUSTER = 60
    DESCRIBE_PRODUCERS = 61
    DESCRIBE_TRANSACTIONS = 65
    LIST_TRANSACTIONS = 66


class Api(msgspec.Struct, frozen=True):
    """`advertised_min` is what ApiVersions says where a client insists on a version that it never sends."""

    key: ApiKey
    version_min: int
    version_max: int
    flexible_min: int
    """From this version on lengths are compact and tagged fields may follow."""
    advertised_min: int | None = None

    @property
    def name(self) -> str:
        """As Kafka writes it, for example `InitProducerId`; the classes in `messages/` start with it."""
        return "".join(word.capitalize() for word in self.key.name.split("_"))

    @property
    def module(self) -> str:
        return self.key.name.lower()

    def is_flexible(self, version: int) -> bool:
        return version >= self.flexible_min


NEVER = 99

APIS: dict[int, Api] = {
    api.key: api
    for api in (
        # librdkafka takes a broker whose Produce does not start at 0 for one without message format 2.
        Api(ApiKey.PRODUCE, 3, 9, 9, advertised_min=0),
        Api(ApiKey.FETCH, 4, 12, 12),
        Api(ApiKey.LIST_OFFSETS, 1, 7, 6),
        Api(ApiKey.METADATA, 0, 12, 9),
        Api(ApiKey.OFFSET_COMMIT, 2, 8, 8),
        Api(ApiKey.OFFSET_FETCH, 1, 8, 6),
        Api(ApiKey.FIND_COORDINATOR, 0, 4, 3),
        Api(ApiKey.JOIN_GROUP, 0, 9, 6),
        Api(ApiKey.HEARTBEAT, 0, 4, 4),
        Api(ApiKey.LEAVE_GROUP, 0, 5, 4),
        Api(ApiKey.SYNC_GROUP, 0, 5, 4),
        Api(ApiKey.DESCRIBE_GROUPS, 0, 5, 5),
        Api(ApiKey.LIST_GROUPS, 0, 5, 3),
        Api(ApiKey.SASL_HANDSHAKE, 0, 1, NEVER),
        Api(ApiKey.API_VERSIONS, 0, 3, 3),
        Api(ApiKey.CREATE_TOPICS, 2, 7, 5),
        Api(ApiKey.DELETE_TOPICS, 1, 6, 4),
        Api(ApiKey.DELETE_RECORDS, 0, 2, 2),
        Api(ApiKey.INIT_PRODUCER_ID, 0, 4, 2),
        Api(ApiKey.OFFSET_FOR_LEADER_EPOCH, 2, 4, 4),
        Api(ApiKey.ADD_PARTITIONS_TO_TXN, 0, 3, 3),
        Api(ApiKey.ADD_OFFSETS_TO_TXN, 0, 3, 3),
        Api(ApiKey.END_TXN, 0, 3, 3),
        Api(ApiKey.WRITE_TXN_MARKERS, 1, 1, 1),
        Api(ApiKey.TXN_OFFSET_COMMIT, 0, 3, 3),
        Api(ApiKey.DESCRIBE_ACLS, 1, 3, 2),
        Api(ApiKey.DESCRIBE_CONFIGS, 1, 4, 4),
        Api(ApiKey.ALTER_CONFIGS, 0, 2, 2),
        Api(ApiKey.DESCRIBE_LOG_DIRS, 1, 4, 2),
        Api(ApiKey.SASL_AUTHENTICATE, 0, 2, 2),
        Api(ApiKey.CREATE_PARTITIONS, 0, 3, 2),
        Api(ApiKey.DELETE_GROUPS, 0, 2, 2),
        Api(ApiKey.INCREMENTAL_ALTER_CONFIGS, 0, 1, 1),
        Api(ApiKey.LIST_PARTITION_REASSIGNMENTS, 0, 0, 0),
        Api(ApiKey.OFFSET_DELETE, 0, 0, NEVER),
        Api(ApiKey.DESCRIBE_CLUSTER, 0, 1, 0),
        Api(ApiKey.DESCRIBE_PRODUCERS, 0, 0, 0),
        Api(ApiKey.DESCRIBE_TRANSACTIONS, 0, 0, 0),
        Api(ApiKey.LIST_TRANSACTIONS, 0, 1, 0),
    )
}
