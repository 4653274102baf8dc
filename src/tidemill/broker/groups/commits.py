"""OffsetCommit, TxnOffsetCommit and OffsetDelete: who may, for which partitions, and when it is safe to say so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from tidemill.broker.dispatch import Answer, Handlers, RequestContext
from tidemill.broker.durability import Durable, when_durable
from tidemill.broker.errors import Refused
from tidemill.broker.groups import requests
from tidemill.broker.groups.coordinator import Groups
from tidemill.broker.groups.group import Group, State
from tidemill.broker.groups.offsets import Committed, Place
from tidemill.broker.groups.requests import Asking
from tidemill.broker.groups.subscriptions import CONSUMER, subscribed_topics
from tidemill.broker.ports import OpenTransactions
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from tidemill.broker.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from tidemill.broker.protocol.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)
from tidemill.broker.topics.topics import Topics
from tidemill.core.clock import Clock

T = TypeVar("T")
Errors = dict[Place, ErrorCode]


class NamedPartition(Protocol):
    @property
    def partition_index(self) -> int: ...


class NamedTopic(Protocol):
    """A topic of any of these requests."""

    @property
    def name(self) -> str: ...
    @property
    def partitions(self) -> Sequence[NamedPartition]: ...


class WantedPartition(NamedPartition, Protocol):
    """A partition of either commit request."""

    @property
    def committed_offset(self) -> int: ...
    @property
    def committed_leader_epoch(self) -> int: ...
    @property
    def committed_metadata(self) -> str | None: ...


Wanted = list[tuple[str, WantedPartition]]


class CommitHandlers:
    def __init__(self, groups: Groups, topics: Topics, transactions: OpenTransactions, clock: Clock) -> None:
        self._groups = groups
        self._topics = topics
        self._transactions = transactions
        self._clock = clock

    def handlers(self) -> Handlers:
        return {
            ApiKey.OFFSET_COMMIT: self.offset_commit,
            ApiKey.TXN_OFFSET_COMMIT: self.txn_offset_commit,
            ApiKey.OFFSET_DELETE: self.offset_delete,
        }

    def offset_commit(self, request: OffsetCommitRequest, context: RequestContext) -> Answer | Awaitable[Answer]:
        asking = Asking(request.member_id, request.generation_id_or_member_epoch, request.group_instance_id)
        wanted: Wanted = [(topic.name, one) for topic in request.topics for one in topic.partitions]
        expires_ms = self._clock.now_ms() + request.retention_time_ms if request.retention_time_ms >= 0 else None

        def store(offsets: Mapping[Place, Committed]) -> Durable:
            return self._groups.offsets.commit(request.group_id, offsets)

        def respond(errors: Errors) -> OffsetCommitResponse:
            topics = _answered(request.topics, errors, OffsetCommitResponseTopic, OffsetCommitResponsePartition)
            return OffsetCommitResponse(topics=topics)

        def check() -> None:
            group = self._group_of(request.group_id, asking)
            requests.check_commit(group, asking, self._groups.now_ms(), in_transaction=False)

        return self._commit(wanted, expires_ms, check, store, respond)

    def txn_offset_commit(self, request: TxnOffsetCommitRequest, context: RequestContext) -> Answer | Awaitable[Answer]:
        asking = Asking(request.member_id, request.generation_id, request.group_instance_id)
        wanted: Wanted = [(topic.name, one) for topic in request.topics for one in topic.partitions]
        producer = (request.producer_id, request.producer_epoch)

        def store(offsets: Mapping[Place, Committed]) -> Durable:
            return self._groups.offsets.commit_later(request.producer_id, request.group_id, offsets)

        def respond(errors: Errors) -> TxnOffsetCommitResponse:
            topics = _answered(request.topics, errors, TxnOffsetCommitResponseTopic, TxnOffsetCommitResponsePartition)
            return TxnOffsetCommitResponse(topics=topics)

        def check() -> None:
            self._transactions.verify_group(request.transactional_id, *producer, request.group_id)
            group = self._group_of(request.group_id, asking)
            requests.check_commit(group, asking, self._groups.now_ms(), in_transaction=True)

        return self._commit(wanted, None, check, store, respond)

    def offset_delete(self, request: OffsetDeleteRequest, context: RequestContext) -> Answer | Awaitable[Answer]:
        try:
            group = self._groups.known(request.group_id, ErrorCode.GROUP_ID_NOT_FOUND)
            if group.state is not State.EMPTY and group.protocol_type != CONSUMER:
                raise Refused(ErrorCode.NON_EMPTY_GROUP)
            errors = self._deletable(request, group)
            durable = self._groups.offsets.delete(
                group.id, [place for place, error in errors.items() if error is ErrorCode.NONE]
            )
        except Refused as refusal:
            return OffsetDeleteResponse(error_code=_as_clients_know(refusal.code), topics=[])
        topics = _answered(request.topics, errors, OffsetDeleteResponseTopic, OffsetDeleteResponsePartition)
        response = OffsetDeleteResponse(topics=topics)

        def lost(refusal: Refused) -> Answer:
            return OffsetDeleteResponse(error_code=_as_clients_know(refusal.code), topics=[])

        return when_durable([durable], response, lost)

    def _deletable(self, request: OffsetDeleteRequest, group: Group) -> Errors:
        subscribed = subscribed_topics(group)
        errors = {}
        for topic in request.topics:
            for one in topic.partitions:
                error = self._error_of(topic.name, one.partition_index)
                if error is ErrorCode.NONE and (subscribed is None or topic.name in subscribed):
                    error = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC
                errors[topic.name, one.partition_index] = error
        return errors

    def _commit(
        self,
        wanted: Wanted,
        expires_ms: int | None,
        check: Callable[[], None],
        store: Callable[[Mapping[Place, Committed]], Durable],
        respond: Callable[[Errors], Answer],
    ) -> Answer | Awaitable[Answer]:
        errors: Errors = {(topic, one.partition_index): ErrorCode.NONE for topic, one in wanted}

        def refused(refusal: Refused) -> Answer:
            return respond(dict.fromkeys(errors, _as_clients_know(refusal.code)))

        try:
            check()
            offsets = self._acceptable(wanted, expires_ms, errors)
            durable = store(offsets) if offsets else None
        except Refused as refusal:
            return refused(refusal)
        return when_durable([durable], respond(errors), refused)

    def _acceptable(self, wanted: Wanted, expires_ms: int | None, errors: Errors) -> dict[Place, Committed]:
        """Notes in `errors` what is not."""
        now_ms, number = self._clock.now_ms(), self._groups.offsets.next_number()
        offsets = {}
        for topic, one in wanted:
            place = (topic, one.partition_index)
            metadata = one.committed_metadata or ""
            errors[place] = self._error_of(*place)
            if len(metadata.encode()) > self._groups.settings.offset_metadata_bytes_max:
                errors[place] = ErrorCode.OFFSET_METADATA_TOO_LARGE
            if errors[place] is ErrorCode.NONE:
                offsets[place] = Committed(
                    one.committed_offset, one.committed_leader_epoch, metadata, now_ms, number, expires_ms
                )
        return offsets

    def _group_of(self, group_id: str, asking: Asking) -> Group:
        """Who names a generation must find it; others may bring a new group."""
        if asking.generation >= 0:
            return self._groups.known(group_id, ErrorCode.ILLEGAL_GENERATION)
        return self._groups.mentioned(group_id)

    def _error_of(self, topic: str, partition: int) -> ErrorCode:
        found = self._topics.get(topic)
        is_there = found is not None and 0 <= partition < len(found.logs)
        return ErrorCode.NONE if is_there else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def _answered(
    named: Iterable[NamedTopic], errors: Errors, topic_of: Callable[..., T], partition_of: Callable[..., object]
) -> list[T]:
    """What became of each partition, in the form of one answer."""

    def partitions(topic: NamedTopic) -> list[object]:
        indexes = [one.partition_index for one in topic.partitions]
        return [partition_of(partition_index=index, error_code=errors[topic.name, index]) for index in indexes]

    return [topic_of(name=topic.name, partitions=partitions(topic)) for topic in named]


def _as_clients_know(code: ErrorCode) -> ErrorCode:
    """A coordinator that cannot write is, for clients, one that is away: they try again."""
    return ErrorCode.COORDINATOR_NOT_AVAILABLE if code is ErrorCode.KAFKA_STORAGE_ERROR else code
