"""A script in a group has no longer than the group gives; the messages beside it have their time all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.rules import RulesRoom, message
from tests.unit.rules.nodes.ends import node, ran, shown
from tidemill.core.clock import SystemClock
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.settings import SandboxSettings


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxPool]:
    pool = SandboxPool(SandboxSettings(time_limit_s=60, strikes_max=1), SystemClock())
    await pool.start()
    yield pool
    await pool.close()


async def test_a_script_that_hangs_is_given_up_with_the_group(sandbox: SandboxPool) -> None:
    script = "while (msg.hangs) {} return {msg: {n: msg.n + 1}};"
    nodes = [
        node("g", "groupAction", nodeIds="slow", timeout=1),
        node("slow", "jsTransform", jsScript=script),
    ]
    given = [message(b'{"n":1}'), message(b'{"n":2,"hangs":true}'), message(b'{"n":3}')]
    results = await ran(RulesRoom(sandbox), nodes, [], *given)
    assert [shown(result.ends) for result in results] == [[("g", "Success")], [("g", "Failure")], [("g", "Success")]]
    assert (results[1].ends[0].error or "").endswith("slow: the group g waits 1 s, and they are over")
    assert sandbox._strikes._counts == {}, "elsewhere the script has the time that it had"
