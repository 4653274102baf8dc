"""ListTransactions, DescribeTransactions, and WriteTxnMarkers as tools use it: to end a transaction by hand."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from tidemill.broker.dispatch import Handlers, RequestContext
from tidemill.broker.durability import Durable, all_durable
from tidemill.broker.errors import Refused
from tidemill.broker.protocol.apis import ApiKey
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages import describe_transactions as described
from tidemill.broker.protocol.messages import list_transactions as listed
from tidemill.broker.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from tidemill.broker.topics.topics import Topics
from tidemill.broker.transactions.coordinator import Transactions
from tidemill.broker.transactions.transaction import NONE, Partition, State, Transaction
from tidemill.core.clock import Clock

STATES = {*State, "Dead", "PrepareEpochFence"}
"""What may be asked for; in the last two no transaction is ever found here."""


class TransactionAdminHandlers:
    def __init__(self, transactions: Transactions, topics: Topics, clock: Clock) -> None:
        self._transactions = transactions
        self._topics = topics
        self._clock = clock

    def handlers(self) -> Handlers:
        return {
            ApiKey.LIST_TRANSACTIONS: self.list_transactions,
            ApiKey.DESCRIBE_TRANSACTIONS: self.describe_transactions,
            ApiKey.WRITE_TXN_MARKERS: self.write_txn_markers,
        }

    def list_transactions(
        self, request: listed.ListTransactionsRequest, context: RequestContext
    ) -> listed.ListTransactionsResponse:
        now_ms = self._clock.now_ms()
        return listed.ListTransactionsResponse(
            unknown_state_filters=[state for state in request.state_filters if state not in STATES],
            transaction_states=[
                listed.TransactionState(
                    transactional_id=key, producer_id=found.producer_id, transaction_state=found.state
                )
                for key, found in self._transactions.known.items()
                if _is_wanted(found, request, now_ms)
            ],
        )

    def describe_transactions(
        self, request: described.DescribeTransactionsRequest, context: RequestContext
    ) -> described.DescribeTransactionsResponse:
        known = self._transactions.known
        states = [_described(key, known.get(key)) for key in request.transactional_ids]
        return described.DescribeTransactionsResponse(transaction_states=states)

    async def write_txn_markers(
        self, request: WriteTxnMarkersRequest, context: RequestContext
    ) -> WriteTxnMarkersResponse:
        return WriteTxnMarkersResponse(
            markers=[
                WritableTxnMarkerResult(
                    producer_id=marker.producer_id,
                    topics=[
                        WritableTxnMarkerTopicResult(
                            name=topic.name,
                            partitions=[
                                WritableTxnMarkerPartitionResult(
                                    partition_index=number, error_code=await self._mark((topic.name, number), marker)
                                )
                                for number in topic.partition_indexes
                            ],
                        )
                        for topic in marker.topics
                    ],
                )
                for marker in request.markers
            ]
        )

    async def _mark(self, partition: Partition, marker: WritableTxnMarker) -> ErrorCode:
        try:
            await all_durable([self._append(partition, marker)])
        except Refused as refusal:
            return refusal.code
        return ErrorCode.NONE

    def _append(self, partition: Partition, marker: WritableTxnMarker) -> Durable:
        appended = self._topics.log(*partition).append_marker(
            marker.producer_id,
            marker.producer_epoch,
            committed=marker.transaction_result,
            coordinator_epoch=marker.coordinator_epoch,
        )
        return appended.durable


def _is_wanted(found: Transaction, request: listed.ListTransactionsRequest, now_ms: int) -> bool:
    if request.state_filters and found.state not in request.state_filters:
        return False
    if request.producer_id_filters and found.producer_id not in request.producer_id_filters:
        return False
    return request.duration_filter < 0 or now_ms - found.started_ms > request.duration_filter


def _described(transactional_id: str, found: Transaction | None) -> described.TransactionState:
    if found is None:
        code = ErrorCode.TRANSACTIONAL_ID_NOT_FOUND if transactional_id else ErrorCode.INVALID_REQUEST
        found = Transaction(NONE, NONE, NONE, NONE)
        state = ""
    else:
        code, state = ErrorCode.NONE, found.state
    return described.TransactionState(
        error_code=code,
        transactional_id=transactional_id,
        transaction_state=state,
        transaction_timeout_ms=found.timeout_ms,
        transaction_start_time_ms=found.started_ms,
        producer_id=found.producer_id,
        producer_epoch=found.producer_epoch,
        topics=[
            described.TopicData(topic=topic, partitions=[number for _, number in partitions])
            for topic, partitions in groupby(sorted(found.partitions), key=itemgetter(0))
        ],
    )
