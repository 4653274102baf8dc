"""Metrics that are asked for now and then instead of being counted as things happen: of the database, and of the
embedded broker, which counts in a process of its own."""

from __future__ import annotations

from typing import get_args

import structlog

from tidemill.broker.metrics import BrokerMetrics
from tidemill.broker.process import BrokerProcess
from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.workflows.ports import ExecutionStore
from tidemill.workflows.state.state import ExecutionStatus

log = structlog.get_logger(__name__)

EVERY_S = 15.0
BROKER_EVERY_S = 2.0


async def sample_gauges(executions: ExecutionStore, clock: Clock) -> None:
    """Never returns. A database that is away leaves the figures as they were."""
    while True:
        try:
            counts = await executions.counts()
            for status in get_args(ExecutionStatus):
                metrics.executions.labels(status).set(counts.get(status, 0))
        except Unavailable as error:
            log.debug("gauges not sampled", error=str(error))
        await clock.sleep(EVERY_S)


async def sample_broker(broker: BrokerProcess, clock: Clock) -> None:
    """Never returns. What the broker counts begins again with each of its processes; what is exported does not."""
    counted: BrokerMetrics | None = None
    pid = None
    while True:
        found = broker.metrics
        if found is not None:
            if broker.pid != pid:
                counted, pid = None, broker.pid
            _export(found, counted)
            counted = found
        metrics.broker_up.set(found is not None)
        await clock.sleep(BROKER_EVERY_S)


def _export(found: BrokerMetrics, counted: BrokerMetrics | None) -> None:
    metrics.broker_connections.set(found.connections)
    metrics.broker_topics.set(found.topics)
    metrics.broker_partitions.set(found.partitions)
    metrics.broker_log_bytes.set(found.log_bytes)
    before = counted.requests if counted is not None else {}
    for api, count in found.requests.items():
        metrics.broker_requests.labels(api).inc(count - before.get(api, 0))
    metrics.broker_bytes.labels("in").inc(found.bytes_in - (counted.bytes_in if counted is not None else 0))
    metrics.broker_bytes.labels("out").inc(found.bytes_out - (counted.bytes_out if counted is not None else 0))
    refused = found.connections_refused - (counted.connections_refused if counted is not None else 0)
    metrics.broker_connections_refused.inc(refused)
