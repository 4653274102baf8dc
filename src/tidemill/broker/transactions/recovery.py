"""What the transactions do once, before the first client: end what was decided, and put the journal and the partitions
in accord. After a crash they are; after a power cut the journal may have lost its last milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from tidemill.broker.errors import Refused
from tidemill.broker.ports import NO_OFFSET, ActiveProducer
from tidemill.broker.topics.topics import Topics
from tidemill.broker.transactions.completion import COORDINATOR_EPOCH
from tidemill.broker.transactions.coordinator import Transactions
from tidemill.broker.transactions.transaction import Partition

log = structlog.get_logger(__name__)


async def recover(transactions: Transactions, topics: Topics, *, aborts_open: bool) -> None:
    """`aborts_open`: nobody will come back for an open transaction, so none is left to its timeout. What the disk
    refuses now is left to the sweeper."""
    owners = {found.producer_id: key for key, found in transactions.known.items()}
    for _, producer in _active_producers(topics):
        transactions.producer_ids.skip(producer.producer_id)
        if producer.producer_id in owners:
            transactions.raise_epoch(owners[producer.producer_id], producer.producer_epoch)
    await transactions.end_all(is_open_too=aborts_open)
    for partition, producer in _active_producers(topics):
        owner = transactions.known.get(owners.get(producer.producer_id, ""))
        is_expected = owner is not None and partition in owner.partitions
        if producer.current_txn_start_offset != NO_OFFSET and not is_expected:
            _abort(topics, partition, producer)


def _active_producers(topics: Topics) -> Iterator[tuple[Partition, ActiveProducer]]:
    for topic in topics:
        for number, partition in enumerate(topic.logs):
            for producer in partition.active_producers():
                yield (topic.name, number), producer


def _abort(topics: Topics, partition: Partition, producer: ActiveProducer) -> None:
    """Nobody else would ever end it, and no `read_committed` consumer would get past it."""
    log.warning("transaction that the journal does not know is aborted", partition=partition, producer=producer)
    try:
        topics.log(*partition).append_marker(
            producer.producer_id, producer.producer_epoch, committed=False, coordinator_epoch=COORDINATOR_EPOCH
        )
    except Refused as refusal:
        log.error("partition holds back its readers", partition=partition, reason=refusal.message)
