"""The embedded broker behind its seam: start, address, stop.

For now it is librdkafka's mock cluster: in memory, one node, topics spring into being with 4 partitions.
Nothing outside this module may know which broker it is.
"""

from __future__ import annotations

import structlog
from confluent_kafka import KafkaException, Producer

from tidemill.core.blocking import BlockingThread
from tidemill.core.errors import Unavailable

log = structlog.get_logger(__name__)

START_TIMEOUT_S = 10.0


class EmbeddedBroker:
    """Speaks Kafka's protocol on a free port of this machine. What it holds ends with it."""

    def __init__(self) -> None:
        self._thread: BlockingThread | None = None
        self._cluster: Producer | None = None
        self._address: str | None = None

    @property
    def address(self) -> str | None:
        """`host:port` while it runs."""
        return self._address

    async def start(self) -> None:
        """Raises `Unavailable`. Does nothing if it runs already."""
        if self._address is not None:
            return
        self._thread = BlockingThread("embedded-broker")
        self._address = await self._thread.run(self._open)
        log.info("embedded broker started", address=self._address)

    async def stop(self) -> None:
        if self._thread is None:
            return
        self._address = None
        await self._thread.run(self._close)
        self._thread.close()
        self._thread = None

    def _open(self) -> str:
        # The mock cluster takes its brokers from this setting; the address only has to be there.
        self._cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "embedded", "log_level": 0})
        try:
            brokers = self._cluster.list_topics(timeout=START_TIMEOUT_S).brokers.values()
        except KafkaException as error:
            raise Unavailable(f"the embedded broker did not start: {error}") from error
        return ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def _close(self) -> None:
        self._cluster = None  # the cluster lives and dies with the handle
