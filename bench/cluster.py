"""What a benchmark asks of a broker, whichever it is: Apache Kafka (`tests/parts/kafka.py`) or the embedded one
(`tests/parts/broker.py`), each in a process of its own.
"""

from __future__ import annotations

from typing import Protocol


class Cluster(Protocol):
    @property
    def address(self) -> str:
        """`host:port`."""
        ...

    @property
    def pid(self) -> int | None: ...

    def create_topic(self, name: str, partitions: int = 1) -> None: ...
