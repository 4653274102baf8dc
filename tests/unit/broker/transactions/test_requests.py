"""What clients and tools are answered: the code that their version understands, and nothing half done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.broker.wire import batch
from tests.unit.broker.transactions.node import Killed, Node
from tidemill.broker.dispatch import Answer, RequestContext
from tidemill.broker.log.produce import ProduceHandler
from tidemill.broker.protocol.apis import APIS, ApiKey
from tidemill.broker.protocol.codec import request_class
from tidemill.broker.protocol.error_code import ErrorCode
from tidemill.broker.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnTopic
from tidemill.broker.protocol.messages.produce import PartitionProduceData, TopicProduceData
from tidemill.broker.protocol.messages.write_txn_markers import WritableTxnMarker, WritableTxnMarkerTopic
from tidemill.broker.transactions.admin import TransactionAdminHandlers
from tidemill.broker.transactions.producer_ids import BLOCK
from tidemill.broker.transactions.requests import TransactionHandlers
from tidemill.broker.transactions.transaction import Producer


class Broker:
    """The handlers over a node, asked as a connection asks them."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._handlers = {
            **TransactionHandlers(node.transactions, node.topics).handlers(),
            **TransactionAdminHandlers(node.transactions, node.topics, node.clock).handlers(),
            **ProduceHandler(node.topics, node.transactions).handlers(),
        }

    async def ask(self, key: ApiKey, version: int | None = None, **fields: Any) -> Any:
        api = APIS[key]
        context = RequestContext(api, api.version_max if version is None else version, 1, None, "")
        answer: Answer | Awaitable[Answer] = self._handlers[key](request_class(api)(**fields), context)
        return await answer if isawaitable(answer) else answer

    async def init(self, version: int = 4, **fields: Any) -> Any:
        usual = {"transactional_id": "t", "transaction_timeout_ms": 60_000}
        return await self.ask(ApiKey.INIT_PRODUCER_ID, version, **usual | fields)

    async def begin(self, id_: str = "t") -> Producer:
        answer = await self.init(transactional_id=id_)
        return Producer(answer.producer_id, answer.producer_epoch)

    async def add(
        self, producer: Producer, *topics: tuple[str, list[int]], id_: str = "t", version: int = 3
    ) -> list[ErrorCode]:
        answer = await self.ask(
            ApiKey.ADD_PARTITIONS_TO_TXN,
            version,
            v3_and_below_transactional_id=id_,
            v3_and_below_producer_id=producer.id,
            v3_and_below_producer_epoch=producer.epoch,
            v3_and_below_topics=[AddPartitionsToTxnTopic(name=name, partitions=numbers) for name, numbers in topics],
        )
        results = [one for topic in answer.results_by_topic_v3_and_below for one in topic.results_by_partition]
        return [ErrorCode(one.partition_error_code) for one in results]

    async def add_group(self, producer: Producer, id_: str = "t", version: int = 3) -> ErrorCode:
        names = {"transactional_id": id_, "group_id": "g"}
        ids = {"producer_id": producer.id, "producer_epoch": producer.epoch}
        return ErrorCode((await self.ask(ApiKey.ADD_OFFSETS_TO_TXN, version, **names, **ids)).error_code)

    async def end(
        self, producer: Producer, *, is_committed: bool = True, id_: str = "t", version: int = 3
    ) -> ErrorCode:
        ids = {"transactional_id": id_, "producer_id": producer.id, "producer_epoch": producer.epoch}
        return ErrorCode((await self.ask(ApiKey.END_TXN, version, **ids, committed=is_committed)).error_code)

    async def list(self, **filters: Any) -> dict[str, str]:
        answer = await self.ask(ApiKey.LIST_TRANSACTIONS, **filters)
        return {one.transactional_id: one.transaction_state for one in answer.transaction_states}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    node = Node(tmp_path)
    await node.start()
    yield Broker(node)
    await node.stop()


async def test_idempotent_producers_get_ids_of_their_own(broker: Broker) -> None:
    answers = [await broker.init(transactional_id=None, transaction_timeout_ms=0) for _ in range(BLOCK + 5)]
    assert len({answer.producer_id for answer in answers}) == BLOCK + 5
    assert {(answer.error_code, answer.producer_epoch) for answer in answers} == {(ErrorCode.NONE, 0)}


async def test_producer_is_named_whole_or_not_at_all(broker: Broker) -> None:
    for fields in ({"producer_id": 1}, {"producer_epoch": 1}, {"transactional_id": ""}):
        answer = await broker.init(**fields)
        assert (answer.error_code, answer.producer_id) == (ErrorCode.INVALID_REQUEST, -1)


async def test_number_and_length_of_ids_are_bounded(tmp_path: Path) -> None:
    node = Node(tmp_path, transactional_ids_max=2, transactional_id_length_max=3, transactional_id_expiration_ms=60_000)
    await node.start()
    broker = Broker(node)
    assert (await broker.init(transactional_id="long")).error_code == ErrorCode.INVALID_REQUEST
    for name, code in [("a", 0), ("b", 0), ("c", ErrorCode.POLICY_VIOLATION), ("a", 0)]:
        assert (await broker.init(transactional_id=name)).error_code == code
    node.clock.advance(61)
    assert (await broker.init(transactional_id="c")).error_code == 0
    await node.stop()


async def test_fenced_is_said_in_the_words_of_the_version(broker: Broker) -> None:
    zombie = await broker.begin()
    await broker.begin()
    who = {"producer_id": zombie.id, "producer_epoch": zombie.epoch}
    old, new = ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.PRODUCER_FENCED
    assert [(await broker.init(version, **who)).error_code for version in (3, 4)] == [old, new]
    for version, code in enumerate((old, old, new, new)):
        assert await broker.add(zombie, ("a", [0]), version=version) == [code]
        assert await broker.add_group(zombie, version=version) == code
        assert await broker.end(zombie, version=version) == code


async def test_partitions_are_added_together_or_not_at_all(broker: Broker) -> None:
    producer = await broker.begin()
    missing, rest = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.OPERATION_NOT_ATTEMPTED
    assert await broker.add(producer, ("a", [0, 2]), ("nowhere", [0])) == [rest, missing, missing]
    assert await broker.list() == {"t": "Empty"}
    assert await broker.add(producer, ("a", [0, 1]), ("b", [0])) == [ErrorCode.NONE] * 3
    assert await broker.list() == {"t": "Ongoing"}


async def test_strangers(broker: Broker) -> None:
    producer = await broker.begin()
    code = ErrorCode.INVALID_PRODUCER_ID_MAPPING
    for stranger, id_ in ((Producer(producer.id + 1, 0), "t"), (producer, "unknown")):
        assert await broker.add(stranger, ("a", [0]), id_=id_) == [code]
        assert await broker.add_group(stranger, id_=id_) == code
        assert await broker.end(stranger, id_=id_) == code
    assert await broker.add(producer, ("a", [0]), id_="") == [ErrorCode.INVALID_REQUEST]


async def test_full_disk_is_a_coordinator_that_is_away(broker: Broker) -> None:
    """Clients give up on a storage error, and come back to a coordinator."""
    producer = await broker.begin()
    broker.node.disk.is_full = True
    away = ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert (await broker.init()).error_code == away
    assert await broker.add(producer, ("a", [0])) == [away]
    assert await broker.add_group(producer) == away
    broker.node.disk.is_full = False
    assert await broker.add(producer, ("a", [0])) == [ErrorCode.NONE]
    broker.node.disk.is_full = True
    assert await broker.end(producer) == away
    broker.node.disk.is_full = False
    assert await broker.end(producer) == ErrorCode.NONE


async def test_end_that_broke_off_may_come_again(broker: Broker) -> None:
    producer = await broker.begin()
    broker.node.write(producer, b"value")
    broker.node.disk.writes_left = 1
    with pytest.raises(Killed):
        await broker.end(producer)
    broker.node.disk.writes_left = None
    assert await broker.list() == {"t": "PrepareCommit"}
    assert await broker.end(producer, is_committed=False) == ErrorCode.INVALID_TXN_STATE
    assert [await broker.end(producer) for _ in range(2)] == [ErrorCode.NONE] * 2
    assert broker.node.values() == [b"value"]


@pytest.mark.parametrize(
    ("id_", "is_transactional", "code"),
    [
        ("t", True, ErrorCode.INVALID_TXN_STATE),
        ("t", False, ErrorCode.INVALID_TXN_STATE),
        (None, True, ErrorCode.INVALID_PRODUCER_ID_MAPPING),
        (None, False, ErrorCode.NONE),
    ],
)
async def test_only_what_was_added_is_produced(
    broker: Broker, id_: str | None, is_transactional: bool, code: ErrorCode
) -> None:
    producer = await broker.begin()
    who = (producer.id, producer.epoch)
    records = bytearray(batch(b"value", producer=who, sequence=0, is_transactional=is_transactional))
    data = [PartitionProduceData(index=0, records=memoryview(records))]
    answer = await broker.ask(
        ApiKey.PRODUCE,
        transactional_id=id_,
        acks=-1,
        timeout_ms=1_000,
        topic_data=[TopicProduceData(name="a", partition_data=data)],
    )
    assert answer.responses[0].partition_responses[0].error_code == code


async def test_listing(broker: Broker) -> None:
    one, two = await broker.begin("one"), await broker.begin("two")
    assert await broker.list() == {"one": "Empty", "two": "Empty"}
    await broker.add(one, ("a", [0]), id_="one")
    assert await broker.list(state_filters=["Ongoing", "Dead"]) == {"one": "Ongoing"}
    assert await broker.list(producer_id_filters=[two.id]) == {"two": "Empty"}
    broker.node.clock.advance(5)
    assert "one" not in await broker.list(duration_filter=5_000)
    assert "one" in await broker.list(duration_filter=4_999)
    answer = await broker.ask(ApiKey.LIST_TRANSACTIONS, state_filters=["Odd"])
    assert (answer.unknown_state_filters, answer.transaction_states) == (["Odd"], [])


async def test_description(broker: Broker) -> None:
    producer = await broker.begin()
    await broker.add(producer, ("b", [0]), ("a", [1, 0]))
    await broker.add_group(producer)
    answer = await broker.ask(ApiKey.DESCRIBE_TRANSACTIONS, transactional_ids=["t", "unknown"])
    found, unknown = answer.transaction_states
    assert (found.error_code, found.transaction_state) == (ErrorCode.NONE, "Ongoing")
    assert (found.producer_id, found.producer_epoch) == (producer.id, producer.epoch)
    assert (found.transaction_timeout_ms, found.transaction_start_time_ms) == (60_000, broker.node.clock.now_ms())
    assert [(one.topic, one.partitions) for one in found.topics] == [("a", [0, 1]), ("b", [0])]
    assert unknown.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND


async def test_transaction_that_is_ended_by_hand(broker: Broker) -> None:
    producer = await broker.begin()
    broker.node.write(producer, b"hanging")
    topics = [WritableTxnMarkerTopic(name="a", partition_indexes=[0, 7])]
    markers = [
        WritableTxnMarker(
            producer_id=producer.id,
            producer_epoch=epoch,
            transaction_result=False,
            topics=topics,
            coordinator_epoch=0,
        )
        for epoch in (producer.epoch, producer.epoch - 1)
    ]
    answer = await broker.ask(ApiKey.WRITE_TXN_MARKERS, markers=markers)
    codes = [[one.error_code for topic in marker.topics for one in topic.partitions] for marker in answer.markers]
    missing = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert codes == [[ErrorCode.NONE, missing], [ErrorCode.INVALID_PRODUCER_EPOCH, missing]]
    assert broker.node.is_settled()
    assert broker.node.values() == []
