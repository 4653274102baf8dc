"""Metrics that are asked of the database now and then instead of being counted as things happen."""

from __future__ import annotations

import structlog

from tidemill.core import metrics
from tidemill.core.clock import Clock
from tidemill.core.errors import Unavailable
from tidemill.workflows.ports import ExecutionStore

log = structlog.get_logger(__name__)

EVERY_S = 15.0


async def sample_gauges(executions: ExecutionStore, clock: Clock) -> None:
    """Never returns. A database that is away leaves the figures as they were."""
    while True:
        try:
            for status, count in (await executions.counts()).items():
                metrics.executions.labels(status).set(count)
        except Unavailable as error:
            log.debug("gauges not sampled", error=str(error))
        await clock.sleep(EVERY_S)
