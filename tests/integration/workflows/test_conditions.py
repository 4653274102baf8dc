"""Event handlers over the real sandbox: what users' conditions see, and what becomes of records that break them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fakes.definitions import MemoryDefinitions
from tests.fakes.integrations import FakeDirectory
from tests.unit.workflows.conductor.parts import task, workflow
from tests.unit.workflows.handlers.parts import document, record
from tidemill.core.clock import SystemClock
from tidemill.core.errors import BadInput
from tidemill.ingest.route import Outcome
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.settings import SandboxSettings
from tidemill.workflows.catalog import Catalog
from tidemill.workflows.handlers.definition import read_handler
from tidemill.workflows.handlers.route import EventHandlerRoute


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxPool]:
    pool = SandboxPool(SandboxSettings(), SystemClock())
    await pool.start()
    yield pool
    await pool.close()


async def judge(sandbox: SandboxPool, condition: str, *bodies: Any) -> list[Outcome]:
    handler, _ = read_handler(document(condition=condition))
    route = EventHandlerRoute(handler, "String", sandbox)
    return list(await route.handle([record(body, offset=index) for index, body in enumerate(bodies)]))


@pytest.mark.parametrize(
    ("condition", "body", "kind"),
    [
        ("$.version > 1", {"version": 2}, "done"),
        ("$.version > 1", {"version": 1}, "filtered"),
        ("$.items.length", {"items": [1]}, "done"),
        ("$.name", {"name": "true"}, "filtered"),
        ("(function(){ return $.a === 'x'; })()", {"a": "x"}, "done"),
        ("var n = $.a; n += 1; n > 2", {"a": 2}, "done"),
        ("$record.topic === 'orders-in' && $record.headers.h === '2' && $record.key === 'k1'", {}, "done"),
        ("$ === null", None, "done"),
        ("$ === 'plain'", "plain", "done"),
        ("$.inner.n === 1", {"inner": '{"n": 1}'}, "done"),
    ],
)
async def test_conditions_of_users(sandbox: SandboxPool, condition: str, body: Any, kind: str) -> None:
    (outcome,) = await judge(sandbox, condition, body)
    assert (outcome.kind, outcome.reason) == (kind, None)


async def test_a_throw_is_told_with_its_place_and_harms_no_other(sandbox: SandboxPool) -> None:
    good, bad, other = await judge(sandbox, "$.a.b.c > 0", {"a": {"b": {"c": 1}}}, {}, {"a": {"b": {}}})
    assert (good.kind, bad.kind, other.kind) == ("done", "invalid", "filtered")
    assert bad.reason is not None and bad.reason.startswith("condition: ") and "(line 1, column" in bad.reason


async def test_what_the_script_says_is_kept(sandbox: SandboxPool) -> None:
    (outcome,) = await judge(sandbox, "console.log('seen', $.n); true", {"n": 3})
    assert outcome.detail["logs"] == ["seen 3"]


async def test_scripts_are_compiled_when_they_are_saved(sandbox: SandboxPool) -> None:
    catalog = Catalog(MemoryDefinitions(), sandbox, FakeDirectory("shop"), SystemClock())
    bad = workflow(
        task("a", "INLINE", {"expression": "$.a +\n  * 2"}),
        task("b", "JSON_JQ_TRANSFORM", {"queryExpression": ".a | | .b"}),
        task("c", "SWITCH", evaluatorType="javascript", expression="if (", decisionCases={}),
    )
    with pytest.raises(BadInput) as caught:
        await catalog.save_workflow(bad, "ann")
    found = {finding.path: finding for finding in caught.value.findings}
    assert found.keys() == {
        "tasks[0].inputParameters.expression",
        "tasks[1].inputParameters.queryExpression",
        "tasks[2].expression",
    }
    assert found["tasks[0].inputParameters.expression"].line == 2
    with pytest.raises(BadInput):
        await catalog.save_handler(document(condition="$.a >"), "ann")


async def test_python_is_kept_and_not_taken_for_javascript(sandbox: SandboxPool) -> None:
    catalog = Catalog(MemoryDefinitions(), sandbox, FakeDirectory("shop"), SystemClock())
    await catalog.save_handler(document(condition="return $.a", evaluatorType="python"), "ann")
    findings = await catalog.findings("event_handler", "orders")
    assert "not yet supported: evaluatorType python" in [finding.message for finding in findings]
