"""The example of each task type, run through the real engine and the real sandbox; only the outside world is played."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.fakes.definitions import MemoryDefinitions
from tests.fakes.integrations import FakeDirectory
from tests.fakes.workflows import MemoryPlans, MemoryWorkflows
from tidemill.core.clock import HeldClock, SystemClock
from tidemill.core.codec import from_json
from tidemill.core.http import HttpResponse
from tidemill.ingest.effect import Effect, EffectGroup
from tidemill.ingest.publication import Published
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.settings import SandboxSettings
from tidemill.workflows.catalog import Catalog
from tidemill.workflows.effects import SendMessage, StartWorkflow, TaskPolled, TimerFired, UpdateTask
from tidemill.workflows.engine.engine import Engine
from tidemill.workflows.formats.conductor.types import TYPES
from tidemill.workflows.plans.plan import Limits, Plan
from tidemill.workflows.state.rows import execution_of_row
from tidemill.workflows.state.state import Execution
from tidemill.workflows.tasks.http import HTTP_QUEUE, answered, request_of

FOLDER = Path(__file__).parents[3] / "examples" / "conductor"


class Run(msgspec.Struct, frozen=True):
    """`answers` is what somebody outside reports on each task, by its reference name."""

    output: Any
    given: Mapping[str, Any] = {}
    answers: Mapping[str, Any] = {}
    messages: Sequence[Any] = ()


ORDER = {"order": "17"}
LINES = {"lines": [{"name": "pen", "price": 2, "count": 3}, {"name": "ink", "price": 4, "count": 1}]}
RUNS: Mapping[str, Run] = {
    "SIMPLE": Run({"box": 3}, ORDER, {"pack": {"box": 3}}),
    "EVENT": Run({"topic": "topic-name-results"}, ORDER),
    "KAFKA_PUBLISH": Run({"topic": "topic-name-results"}, ORDER),
    "HTTP": Run({"count": 5, "status": 200}, {"service": "http://shop.example", "item": "pen"}),
    "INLINE": Run({"total": 10}, LINES),
    "JSON_JQ_TRANSFORM": Run({"names": ["pen", "ink"]}, LINES),
    "SET_VARIABLE": Run({"greeting": "Hello Ann"}, {"customer": "Ann"}),
    "SWITCH": Run({"how": "ship", "country": "IS"}, {"country": "IS"}),
    "DECISION": Run({"how": "truck"}, {"weight": 12}),
    "EXCLUSIVE_JOIN": Run({"price": 100}, {"kind": "guest", "price": 100}),
    "FORK_JOIN": Run({"box": "box of 17, labelled", "bill": "bill of 17"}, ORDER),
    "JOIN": Run({"first": "quick"}),
    "FORK_JOIN_DYNAMIC": Run(
        {"greetings": {"_greet_0": {"result": "Hi Ann"}, "_greet_1": {"result": "Hi Bob"}}},
        {"customers": [{"expression": "'Hi ' + $.name", "name": name} for name in ("Ann", "Bob")]},
    ),
    "DO_WHILE": Run({"sum": 10, "iterations": 4}, {"enough": 8}),
    "SUB_WORKFLOW": Run({"label": "to the customer of 17", "child": "another execution"}, ORDER),
    "START_WORKFLOW": Run({"started": "another execution"}, ORDER),
    "DYNAMIC": Run({"result": "packed"}, {"task": "pack_order", **ORDER}, {"whichever": {"result": "packed"}}),
    "TERMINATE": Run({"done": 0}, {"count": 0}),
    "WAIT": Run({"waited": "COMPLETED"}),
    "HUMAN": Run({"approved": True}, ORDER, {"approve": {"approved": True}}),
    "PULL_WORKFLOW_MESSAGES": Run({"said": ["hello"], "count": 1}, messages=[{"text": "hello"}]),
    "NOOP": Run(ORDER, ORDER),
    "LAMBDA": Run({"price": 9}, {"count": 12}),
}


class CatalogPlans(MemoryPlans):
    """The plans of a real catalog, for places in memory."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self.catalog = catalog

    async def refresh(self) -> int:
        self.revision = await self.catalog.refresh()
        return self.revision

    def latest(self, name: str, version: int | None) -> Plan:
        return self.catalog.latest(name, version)

    def unregistered(self, definition: Mapping[str, Any]) -> Plan:
        return self.catalog.unregistered(definition)

    def limits(self, name: str) -> Limits:
        return self.catalog.limits(name)

    async def at(self, name: str, version: int, save: int, definition: Mapping[str, Any] | None = None) -> Plan:
        return await self.catalog.at(name, version, save, definition)


class World:
    """The engine, and everybody outside: workers, a web service, brokers, time."""

    def __init__(self, sandbox: SandboxPool) -> None:
        self.clock = HeldClock()
        self.catalog = Catalog(MemoryDefinitions(), sandbox, FakeDirectory("kafka-test"), self.clock)
        plans = CatalogPlans(self.catalog)
        self.places = MemoryWorkflows(self.clock, plans)
        self.engine = Engine(self.places, plans, sandbox, self.clock, lambda _: None)

    async def apply(self, *effects: Effect) -> None:
        prepared = await self.engine.prepare([EffectGroup((effect,)) for effect in effects])
        async with self.places.begin() as tx:
            await prepared.write(tx)
        prepared.committed()
        for verdict in prepared.verdicts:
            assert verdict.error is None, verdict.error

    def execution(self, execution_id: str = "x") -> Execution:
        return execution_of_row(self.places.rows[execution_id])

    async def plan(self) -> Plan:
        execution = self.execution()
        return await self.catalog.at(execution.name, execution.version, execution.save)

    async def run(self, name: str, run: Run) -> Execution:
        await self.apply(StartWorkflow("x", name, input=dict(run.given)))
        while self.execution().is_running:
            assert await self._brokers() or await self._workers(run) or await self._people(run) or await self._time()
        return self.execution()

    async def _brokers(self) -> bool:
        acknowledged = [Published(each.origin or "", each.topic, 0, 0) for each in self.places.outbox]
        self.places.outbox.clear()
        await self.apply(*acknowledged)
        return bool(acknowledged)

    async def _workers(self, run: Run) -> bool:
        waiting = list(self.places.waiting.values())
        steps = (await self.plan()).steps
        for queued in waiting:
            await self.apply(TaskPolled(queued.task_id, "w"))
            (task,) = [task for task in self.execution().tasks if self.execution().task_id(task) == queued.task_id]
            if queued.name == HTTP_QUEUE:
                settings = steps[task.ref].settings
                assert request_of(settings, task.input).uri == "http://shop.example/stock/pen"
                response = HttpResponse(200, "OK", (("Content-Type", "application/json"),), b'{"count":5}')
                await self.apply(answered(settings, queued.task_id, response))
            else:
                await self.apply(UpdateTask("COMPLETED", queued.task_id, output=run.answers[task.ref]))
        return bool(waiting)

    async def _people(self, run: Run) -> bool:
        if run.messages:
            await self.apply(*(SendMessage("x", f"m-{number}", sent) for number, sent in enumerate(run.messages)))
            return True
        open_refs = [task.ref for task in self.execution().tasks if task.is_open and task.ref in run.answers]
        await self.apply(
            *(UpdateTask("COMPLETED", execution_id="x", ref=ref, output=run.answers[ref]) for ref in open_refs)
        )
        return bool(open_refs)

    async def _time(self) -> bool:
        timers = sorted(self.places.timers.values(), key=lambda timer: timer.due_ms)[:1]
        for timer in timers:
            self.clock.advance(max(0, timer.due_ms - self.clock.now_ms()) / 1000)
            await self.apply(TimerFired(timer.id, timer.execution_id, timer.seq, timer.purpose))
        return bool(timers)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox() -> AsyncIterator[SandboxPool]:
    pool = SandboxPool(SandboxSettings(), SystemClock())
    await pool.start()
    yield pool
    await pool.close()


def test_every_type_has_an_example_that_is_run() -> None:
    names = {each.name for each in TYPES}
    assert names == RUNS.keys() == {path.stem.upper() for path in FOLDER.glob("*.json")}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", RUNS)
async def test_an_example(sandbox: SandboxPool, name: str) -> None:
    world = World(sandbox)
    for path in {FOLDER / f"{name.lower()}.json", FOLDER / "noop.json"}:
        await world.catalog.save_workflow(from_json(path.read_bytes()), "ann")
    document = from_json((FOLDER / f"{name.lower()}.json").read_bytes())
    registered = await world.catalog.workflow(document["name"])
    assert {key: registered[key] for key in document} == document
    assert await world.catalog.findings("workflow", document["name"]) == []
    execution = await world.run(f"{name.lower()}_example", RUNS[name])
    assert (execution.status, execution.reason) == ("COMPLETED", "nothing to do" if name == "TERMINATE" else None)
    others = world.places.rows.keys() - {"x"}
    output = {key: "another execution" if str(value) in others else value for key, value in execution.output.items()}
    assert output == RUNS[name].output
    assert name in {step.source["type"] for step in (await world.plan()).steps.values()}
