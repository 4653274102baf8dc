"""Produce: hands the batches to their logs, and answers when they are as durable as the broker promises."""

from __future__ import annotations

from collections.abc import Awaitable

from tidemill.broker.dispatch import Answer, Handlers, RequestContext
from tidemill.broker.durability import Durable, when_durable
from tidemill.broker.errors import Refused
from tidemill.broker.log.batch import is_transactional, producer_of
from tidemill.broker.ports import NO_OFFSET, OpenTransactions
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from tidemill.broker.topics.topics import Topics

ACKS = (-1, 0, 1)


class ProduceHandler:
    def __init__(self, topics: Topics, transactions: OpenTransactions) -> None:
        self._topics = topics
        self._transactions = transactions

    def handlers(self) -> Handlers:
        return {ApiKey.PRODUCE: self.produce}

    def produce(self, request: ProduceRequest, context: RequestContext) -> Answer | Awaitable[Answer]:
        durable: set[Durable] = set()
        response = ProduceResponse(
            responses=[
                TopicProduceResponse(
                    name=topic.name,
                    partition_responses=[
                        self._append(request, topic.name, partition, durable) for partition in topic.partition_data
                    ],
                )
                for topic in request.topic_data
            ]
        )
        if request.acks == 0:
            return None
        return when_durable(durable, response, lambda refusal: _lost(response, refusal)) if durable else response

    def _append(
        self, request: ProduceRequest, topic: str, data: PartitionProduceData, durable: set[Durable]
    ) -> PartitionProduceResponse:
        try:
            if request.acks not in ACKS:
                raise Refused(ErrorCode.INVALID_REQUIRED_ACKS)
            log = self._topics.log(topic, data.index)
            if data.records is None:
                raise Refused(ErrorCode.INVALID_RECORD, "no records")
            batches = memoryview(data.records)
            producer = producer_of(batches)
            if request.transactional_id is not None or is_transactional(batches):
                self._transactions.verify_partition(request.transactional_id, *producer, topic, data.index)
            appended = log.append(batches)
        except Refused as refusal:
            return PartitionProduceResponse(
                index=data.index, error_code=refusal.code, base_offset=NO_OFFSET, error_message=refusal.message
            )
        if appended.durable is not None:
            durable.add(appended.durable)
        return PartitionProduceResponse(
            index=data.index,
            base_offset=appended.base_offset,
            log_append_time_ms=appended.log_append_time_ms,
            log_start_offset=log.log_start_offset,
        )


def _lost(response: ProduceResponse, refusal: Refused) -> ProduceResponse:
    """Of what was taken nothing can be promised: the client sends it again."""
    return ProduceResponse(
        responses=[
            TopicProduceResponse(
                name=topic.name,
                partition_responses=[
                    partition
                    if partition.error_code
                    else PartitionProduceResponse(
                        index=partition.index,
                        error_code=refusal.code,
                        base_offset=NO_OFFSET,
                        error_message=refusal.message,
                    )
                    for partition in topic.partition_responses
                ],
            )
            for topic in response.responses
        ]
    )
