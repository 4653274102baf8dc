"""Named places where a test lets the process die, hang or fail. In production nothing is planned.

A plan comes from the environment, so that real worker processes can be told where to die:
`TIDEMILL_FAULTS="after_commit:kill:3"` kills the process with SIGKILL the third time it gets there.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Literal

Point = Literal[
    "before_commit",  # pump: effects are computed, the database transaction is not committed
    "after_commit",  # pump: the transaction is committed, nothing is published yet
    "inside_kafka_transaction",  # publisher: records are flushed, the Kafka transaction is open
    "after_kafka_commit",  # publisher: the Kafka transaction is committed, the rows are still there
    "before_resume_commit",  # held runs: they went on, the database transaction is not committed
    "after_resume_commit",  # held runs: the transaction is committed, nothing is published yet
    "during_rebalance",  # consumer: partitions were assigned, positions are not read yet
]


class Faults:
    """Counts how often each point was reached and kills the process where the plan says so."""

    def __init__(self, plan: Mapping[str, int] | None = None) -> None:
        self._remaining = dict(plan or {})

    @classmethod
    def from_environment(cls) -> Faults:
        plan: dict[str, int] = {}
        for item in filter(None, os.environ.get("TIDEMILL_FAULTS", "").split(",")):
            point, _, nth = item.partition(":kill:")
            plan[point] = int(nth)
        return cls(plan)

    def reached(self, point: Point) -> None:
        if point not in self._remaining:
            return
        self._remaining[point] -= 1
        if self._remaining[point] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
