"""InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn: what a transactional producer asks."""

from __future__ import annotations

from collections.abc import Awaitable

from tidemill.broker.dispatch import Answer, Handlers, RequestContext
from tidemill.broker.durability import all_durable, when_durable
from tidemill.broker.errors import Refused
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.add_offsets_to_txn import AddOffsetsToTxnRequest, AddOffsetsToTxnResponse
from tidemill.broker.protocol.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnRequest,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
)
from tidemill.broker.protocol.messages.end_txn import EndTxnRequest, EndTxnResponse
from tidemill.broker.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from tidemill.broker.topics.topics import Topics
from tidemill.broker.transactions.coordinator import Transactions
from tidemill.broker.transactions.transaction import NONE, Partition, Producer

# From these versions on a client knows what PRODUCER_FENCED means (KIP-588).
FENCED_SINCE = {
    ApiKey.INIT_PRODUCER_ID: 4,
    ApiKey.ADD_PARTITIONS_TO_TXN: 2,
    ApiKey.ADD_OFFSETS_TO_TXN: 2,
    ApiKey.END_TXN: 2,
}


class TransactionHandlers:
    def __init__(self, transactions: Transactions, topics: Topics) -> None:
        self._transactions = transactions
        self._topics = topics

    def handlers(self) -> Handlers:
        return {
            ApiKey.INIT_PRODUCER_ID: self.init_producer_id,
            ApiKey.ADD_PARTITIONS_TO_TXN: self.add_partitions_to_txn,
            ApiKey.ADD_OFFSETS_TO_TXN: self.add_offsets_to_txn,
            ApiKey.END_TXN: self.end_txn,
        }

    async def init_producer_id(self, request: InitProducerIdRequest, context: RequestContext) -> InitProducerIdResponse:
        try:
            producer = await self._initialized(request)
        except Refused as refusal:
            return InitProducerIdResponse(error_code=_code(refusal, context), producer_epoch=NONE)
        return InitProducerIdResponse(producer_id=producer.id, producer_epoch=producer.epoch)

    def add_partitions_to_txn(
        self, request: AddPartitionsToTxnRequest, context: RequestContext
    ) -> Answer | Awaitable[Answer]:
        wanted = [(topic.name, number) for topic in request.v3_and_below_topics for number in topic.partitions]
        missing = {partition for partition in wanted if not self._is_there(partition)}
        if missing:  # all or none
            return _added(request, dict.fromkeys(missing, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
        try:
            durable = self._transactions.add(
                _named(request.v3_and_below_transactional_id),
                Producer(request.v3_and_below_producer_id, request.v3_and_below_producer_epoch),
                partitions=wanted,
            )
        except Refused as refusal:
            return _added(request, dict.fromkeys(wanted, _code(refusal, context)))
        answer = _added(request, dict.fromkeys(wanted, ErrorCode.NONE))
        lost = dict.fromkeys(wanted, ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return when_durable([durable], answer, lambda _: _added(request, lost))

    def add_offsets_to_txn(
        self, request: AddOffsetsToTxnRequest, context: RequestContext
    ) -> Answer | Awaitable[Answer]:
        try:
            durable = self._transactions.add(
                _named(request.transactional_id),
                Producer(request.producer_id, request.producer_epoch),
                groups=[request.group_id],
            )
        except Refused as refusal:
            return AddOffsetsToTxnResponse(error_code=_code(refusal, context))
        lost = AddOffsetsToTxnResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
        return when_durable([durable], AddOffsetsToTxnResponse(), lambda _: lost)

    async def end_txn(self, request: EndTxnRequest, context: RequestContext) -> EndTxnResponse:
        try:
            await self._transactions.end(
                _named(request.transactional_id),
                Producer(request.producer_id, request.producer_epoch),
                is_committed=request.committed,
            )
        except Refused as refusal:
            return EndTxnResponse(error_code=_code(refusal, context))
        return EndTxnResponse()

    async def _initialized(self, request: InitProducerIdRequest) -> Producer:
        if request.transactional_id is None:
            producer = Producer(self._transactions.producer_ids.take(), 0)
            await all_durable([self._transactions.producer_ids.durable])
            return producer
        if (request.producer_id == NONE) != (request.producer_epoch == NONE):
            raise Refused(ErrorCode.INVALID_REQUEST)
        expected = None if request.producer_id == NONE else Producer(request.producer_id, request.producer_epoch)
        id_ = _named(request.transactional_id)
        return await self._transactions.initialize(id_, request.transaction_timeout_ms, expected)

    def _is_there(self, partition: Partition) -> bool:
        topic = self._topics.get(partition[0])
        return topic is not None and 0 <= partition[1] < len(topic.logs)


def _named(transactional_id: str) -> str:
    if not transactional_id:
        raise Refused(ErrorCode.INVALID_REQUEST)
    return transactional_id


def _code(refusal: Refused, context: RequestContext) -> ErrorCode:
    """Clients try again where the coordinator cannot, and would give up where a disk cannot."""
    if refusal.code == ErrorCode.KAFKA_STORAGE_ERROR:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if refusal.code == ErrorCode.PRODUCER_FENCED and context.version < FENCED_SINCE[context.api.key]:
        return ErrorCode.INVALID_PRODUCER_EPOCH
    return refusal.code


def _added(request: AddPartitionsToTxnRequest, codes: dict[Partition, ErrorCode]) -> AddPartitionsToTxnResponse:
    return AddPartitionsToTxnResponse(
        results_by_topic_v3_and_below=[
            AddPartitionsToTxnTopicResult(
                name=topic.name,
                results_by_partition=[
                    AddPartitionsToTxnPartitionResult(
                        partition_index=number,
                        partition_error_code=codes.get((topic.name, number), ErrorCode.OPERATION_NOT_ATTEMPTED),
                    )
                    for number in topic.partitions
                ],
            )
            for topic in request.v3_and_below_topics
        ]
    )
