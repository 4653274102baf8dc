"""For a broker without a transaction coordinator: nobody has an open transaction."""

from __future__ import annotations

from tidemill.broker.errors import Refused
from tidemill.broker.protocol.error_code import ErrorCode


class ClosedTransactions:
    def verify_partition(
        self, transactional_id: str | None, producer_id: int, producer_epoch: int, topic: str, partition: int
    ) -> None:
        raise Refused(ErrorCode.INVALID_TXN_STATE)

    def verify_group(self, transactional_id: str, producer_id: int, producer_epoch: int, group_id: str) -> None:
        raise Refused(ErrorCode.INVALID_TXN_STATE)
