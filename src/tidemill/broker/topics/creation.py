"""CreateTopics, DeleteTopics, CreatePartitions. Each topic of a request stands or falls alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar
from uuid import UUID

import msgspec

from tidemill.broker.dispatch import Answer, Handlers, RequestContext
from tidemill.broker.durability import when_durable
from tidemill.broker.errors import Refused
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)
from tidemill.broker.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from tidemill.broker.protocol.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from tidemill.broker.topics.configs import effective
from tidemill.broker.topics.settings import TopicSettings
from tidemill.broker.topics.topics import Topics

NO_ID = UUID(int=0)
Result = TypeVar("Result", CreatableTopicResult, DeletableTopicResult, CreatePartitionsTopicResult)


class CreationHandlers:
    def __init__(self, topics: Topics) -> None:
        self._topics = topics

    def handlers(self) -> Handlers:
        return {
            ApiKey.CREATE_TOPICS: self.create_topics,
            ApiKey.DELETE_TOPICS: self.delete_topics,
            ApiKey.CREATE_PARTITIONS: self.create_partitions,
        }

    def create_topics(self, request: CreateTopicsRequest, context: RequestContext) -> Answer | Awaitable[Answer]:
        named = Counter(topic.name for topic in request.topics)
        results = []
        for topic in request.topics:
            try:
                if named[topic.name] > 1:
                    raise Refused(ErrorCode.INVALID_REQUEST, "The request names this topic more than once.")
                results.append(self._create(topic, request.validate_only))
            except Refused as refusal:
                result = CreatableTopicResult(name=topic.name, error_code=refusal.code, error_message=refusal.message)
                results.append(result)
        answer = CreateTopicsResponse(topics=results)
        return self._when_durable(answer, lambda code: CreateTopicsResponse(topics=_lost(results, code)))

    def delete_topics(self, request: DeleteTopicsRequest, context: RequestContext) -> Answer | Awaitable[Answer]:
        wanted = request.topics or [DeleteTopicState(name=name, topic_id=NO_ID) for name in request.topic_names]
        results = [self._delete(topic) for topic in wanted]
        answer = DeleteTopicsResponse(responses=results)
        return self._when_durable(answer, lambda code: DeleteTopicsResponse(responses=_lost(results, code)))

    def create_partitions(
        self, request: CreatePartitionsRequest, context: RequestContext
    ) -> Answer | Awaitable[Answer]:
        results = [self._grow(topic, request.validate_only) for topic in request.topics]
        answer = CreatePartitionsResponse(results=results)
        return self._when_durable(answer, lambda code: CreatePartitionsResponse(results=_lost(results, code)))

    def _when_durable(self, answer: Answer, lost: Callable[[ErrorCode], Answer]) -> Answer | Awaitable[Answer]:
        return when_durable([self._topics.durable], answer, lambda refusal: lost(refusal.code))

    def _create(self, wanted: CreatableTopic, validate_only: bool) -> CreatableTopicResult:
        partitions = wanted.num_partitions
        if wanted.assignments:
            if partitions != -1 or wanted.replication_factor != -1:
                message = "Both numPartitions or replicationFactor and replicasAssignments were set."
                raise Refused(ErrorCode.INVALID_REQUEST, message)
            indexes = sorted(item.partition_index for item in wanted.assignments)
            if indexes != list(range(len(indexes))) or any(len(item.broker_ids) != 1 for item in wanted.assignments):
                raise Refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, "One replica for each partition from 0 on.")
            partitions = len(indexes)
        elif wanted.replication_factor not in (-1, 1):
            message = f"Replication factor is {wanted.replication_factor}; this broker is one node."
            raise Refused(ErrorCode.INVALID_REPLICATION_FACTOR, message)
        given = {config.name: config.value for config in wanted.configs}
        topic = self._topics.create(wanted.name, partitions, given, validate_only=validate_only)
        return CreatableTopicResult(
            name=topic.name,
            topic_id=topic.id,
            num_partitions=len(topic.logs) or partitions,
            replication_factor=1,
            configs=_configs(topic.settings),
        )

    def _delete(self, wanted: DeleteTopicState) -> DeletableTopicResult:
        name = wanted.name
        if name is None:
            topic = self._topics.of_id(wanted.topic_id)
            if topic is None:
                code = ErrorCode.UNKNOWN_TOPIC_ID
                return DeletableTopicResult(name=None, topic_id=wanted.topic_id, error_code=code)
            name = topic.name
        found = self._topics.get(name)
        try:
            self._topics.delete(name)
        except Refused as refusal:
            return DeletableTopicResult(name=name, error_code=refusal.code, error_message=refusal.message)
        return DeletableTopicResult(name=name, topic_id=found.id if found else NO_ID)

    def _grow(self, wanted: CreatePartitionsTopic, validate_only: bool) -> CreatePartitionsTopicResult:
        try:
            self._topics.grow(wanted.name, wanted.count, validate_only=validate_only)
        except Refused as refusal:
            return CreatePartitionsTopicResult(name=wanted.name, error_code=refusal.code, error_message=refusal.message)
        return CreatePartitionsTopicResult(name=wanted.name)


def _lost(results: Iterable[Result], code: ErrorCode) -> list[Result]:
    """Whether it will be there after a power cut, nobody knows."""
    return [one if one.error_code else msgspec.structs.replace(one, error_code=code) for one in results]


def _configs(settings: TopicSettings) -> list[CreatableTopicConfigs]:
    return [
        CreatableTopicConfigs(name=name, value=value, read_only=False, config_source=source, is_sensitive=False)
        for name, value, source in effective(settings)
    ]
