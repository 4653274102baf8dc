"""Figures that are looked at now and then."""

from __future__ import annotations

import asyncio

from tests.fakes.plans import plan, step, wait_for
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core import metrics
from tidemill.server.gauges import EVERY_S, sample_gauges
from tidemill.workflows.effects import UpdateTask


def running() -> float:
    return float(metrics.executions.labels("RUNNING")._value.get())


async def test_a_status_that_no_execution_has_any_more_is_zero() -> None:
    mill = Mill()
    mill.register(plan(step("a", "wait", wait_for())))
    await mill.start()
    sampling = asyncio.create_task(sample_gauges(mill.places, mill.clock))
    await asyncio.sleep(0)
    assert running() == 1
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="a"))
    mill.clock.advance(EVERY_S)
    for _ in range(10):
        await asyncio.sleep(0)
    assert running() == 0
    sampling.cancel()
