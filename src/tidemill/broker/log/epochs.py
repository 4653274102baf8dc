"""The leader epoch that a client names: it rises where records may have been lost that consumers have seen."""

from __future__ import annotations

from tidemill.broker.errors import Refused
from tidemill.broker.ports import PartitionLog
from tidemill.broker.protocol.error_code import ErrorCode

NO_EPOCH = -1


def check_leader_epoch(log: PartitionLog, named: int) -> None:
    """Raises `Refused` where it is not the log's: the client asks for the metadata again, and then how far it and the
    log agree. `NO_EPOCH` is a client that does not say (KIP-320)."""
    if named == NO_EPOCH or named == log.leader_epoch:
        return
    raise Refused(ErrorCode.FENCED_LEADER_EPOCH if named < log.leader_epoch else ErrorCode.UNKNOWN_LEADER_EPOCH)
