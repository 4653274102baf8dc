"""Workers and executions as the API sees them."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.plans import plan, step, wait_for
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.clock import SystemClock
from tidemill.core.errors import Conflict, NotFound
from tidemill.ingest.effect import EffectGroup
from tidemill.workflows.control import Control
from tidemill.workflows.effects import StartWorkflow, TerminateExecution, UpdateTask, UpdateVariables
from tidemill.workflows.executions import Executions
from tidemill.workflows.plans.plan import Limits
from tidemill.workflows.ports import ExecutionQuery, LastPoll
from tidemill.workflows.removals import ExecutionRemovals
from tidemill.workflows.runners import polling
from tidemill.workflows.workers import Workers

PACK = plan(step("pack", "worker"))


def _workers(mill: Mill) -> Workers:
    """On the system's clock: waiting polls are about real time."""
    return Workers(
        mill.gate, mill.places, mill.places, mill.places, mill.plans, mill.secrets, mill.polls, SystemClock()
    )


def _executions(mill: Mill) -> Executions:
    return Executions(mill.gate, mill.places, mill.plans, mill.clock)


async def test_a_task_goes_to_one_worker_and_its_result_moves_the_execution(mill: Mill) -> None:
    mill.register(PACK)
    await mill.run(*(StartWorkflow(f"x{index}", "wf") for index in range(3)))
    workers = _workers(mill)
    assert await workers.queue_sizes(["pack", "other"]) == {"pack": 3, "other": 0}
    polled = await workers.poll("pack", "w1", count=2)
    assert [(execution.id, task.ref, task.worker, of.name) for execution, task, of in polled] == [
        ("x0", "pack", "w1", "wf"),
        ("x1", "pack", "w1", "wf"),
    ]
    assert len(await workers.poll("pack", "w2", count=5)) == 1
    assert await workers.poll("pack", "w2") == []
    assert await workers.update(UpdateTask("COMPLETED", task_id="x1.1", output={"ok": True})) == "x1.1"
    assert mill.execution("x1").status == "COMPLETED"
    with pytest.raises(Conflict):
        await workers.update(UpdateTask("FAILED", task_id="x1.1"))


async def test_a_poll_asks_for_one_name_and_domain(mill: Mill) -> None:
    mill.register(PACK)
    await mill.run(StartWorkflow("x", "wf", task_to_domain={"pack": "blue"}))
    workers = _workers(mill)
    assert not await workers.poll("pack", "w") and not await workers.poll("ship", "w", "blue")
    assert len(await workers.poll("pack", "w", "blue")) == 1


async def test_many_who_poll_at_once_share_the_tasks(mill: Mill) -> None:
    mill.register(PACK)
    await mill.run(*(StartWorkflow(f"x{index}", "wf") for index in range(20)))
    workers = _workers(mill)
    polled = await asyncio.gather(*(workers.poll("pack", f"w{index}", count=5) for index in range(8)))
    assert sorted(execution.id for tasks in polled for execution, _, _ in tasks) == sorted(mill.places.rows)


async def test_secrets_are_in_what_a_worker_is_handed_and_nowhere_else(mill: Mill) -> None:
    mill.secrets.by_name = {"K": "hunter2"}
    mill.register(
        plan(step("pack", "worker", given={"auth": "Bearer ${workflow.secrets.K}", "n": "${workflow.input.n}"}))
    )
    await mill.start(given={"n": "${workflow.secrets.K}"})
    ((execution, task, _),) = await _workers(mill).poll("pack", "w")
    assert task.input == {"auth": "Bearer hunter2", "n": "${workflow.secrets.K}"}
    assert b"hunter2" not in mill.places.rows["x"].document
    assert "hunter2" not in str(execution)
    assert "hunter2" not in str(await _workers(mill).get("x.1"))


async def test_a_task_whose_secret_is_missing_fails_and_is_not_handed_out(mill: Mill) -> None:
    mill.secrets.by_name = {"K": "hunter2"}
    pack = step("pack", "worker", given={"auth": "${workflow.secrets.K}"})
    lost = step("pack", "worker", given={"auth": "${workflow.secrets.lost}"})
    mill.register(plan(pack), plan(lost, name="other"))
    await mill.run(StartWorkflow("x", "wf"), StartWorkflow("y", "other"))
    polled = await _workers(mill).poll("pack", "w", count=5)
    assert [(execution.id, task.input) for execution, task, _ in polled] == [("x", {"auth": "hunter2"})]
    assert mill.secrets.asked == [{"K", "lost"}]
    failed = mill.execution("y").tasks[0]
    assert (failed.status, failed.reason) == ("FAILED", "there is no secret 'lost', or it cannot be read")


async def test_a_waiting_poll_is_woken_by_a_commit_of_this_process(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "LOOK_AGAIN_S", 600.0)
    mill.register(PACK)
    workers = _workers(mill)
    waiting = asyncio.create_task(workers.poll("pack", "w", wait_ms=60_000))
    await asyncio.sleep(0.02)
    await mill.run(StartWorkflow("x", "wf"))
    workers.committed(mill.written[-1])
    assert [execution.id for execution, _, _ in await waiting] == ["x"]


async def test_a_waiting_poll_finds_what_another_process_has_queued(mill: Mill) -> None:
    mill.register(PACK)
    waiting = asyncio.create_task(_workers(mill).poll("pack", "w", wait_ms=20_000))
    await asyncio.sleep(0.02)
    await mill.run(StartWorkflow("x", "wf"))
    async with asyncio.timeout(15):
        assert len(await waiting) == 1


async def test_a_waiting_poll_gives_up_in_time(mill: Mill) -> None:
    began_s = SystemClock().monotonic_s()
    assert await _workers(mill).poll("pack", "w", wait_ms=50) == []
    assert SystemClock().monotonic_s() - began_s > 0.04


async def test_a_write_in_between_costs_no_other_task(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    mill.register(PACK)
    await mill.run(*(StartWorkflow(f"x{index}", "wf") for index in range(3)))
    claim = mill.places.claim

    async def claim_while_somebody_writes(*args: object) -> object:
        claimed = await claim(*args)  # type: ignore[arg-type]
        prepare = mill.engine.prepare

        async def prepare_then_lose(groups: object) -> object:
            prepared = await prepare(groups)  # type: ignore[arg-type]
            monkeypatch.setattr(mill.engine, "prepare", prepare)
            await mill.run(UpdateVariables("x1", {"a": 1}), UpdateTask("COMPLETED", task_id="x2.1"))
            return prepared

        monkeypatch.setattr(mill.engine, "prepare", prepare_then_lose)
        return claimed

    monkeypatch.setattr(mill.places, "claim", claim_while_somebody_writes)
    polled = await _workers(mill).poll("pack", "w", count=3)
    assert [execution.id for execution, _, _ in polled] == ["x0", "x1"]


async def test_no_more_at_once_than_the_limit_of_the_name(mill: Mill) -> None:
    limits = Limits(concurrent=2)
    mill.register(plan(step("pack", "worker", limits=limits)))
    mill.plans.limited["pack"] = limits
    await mill.run(*(StartWorkflow(f"x{index}", "wf") for index in range(5)))
    workers = _workers(mill)
    assert len(await workers.poll("pack", "w1", count=5)) == 2
    assert await workers.poll("pack", "w2", count=5) == []
    waiting = asyncio.create_task(workers.poll("pack", "w2", count=5, wait_ms=60_000))
    await asyncio.sleep(0.02)
    await workers.update(UpdateTask("FAILED", task_id="x0.1"))
    async with asyncio.timeout(30):
        assert [execution.id for execution, _, _ in await waiting] == ["x2"]


async def test_a_task_of_several_domains_goes_where_a_worker_is(mill: Mill) -> None:
    mill.register(PACK)
    workers = _workers(mill)

    async def domain_for(execution_id: str, domains: str) -> str | None:
        await mill.run(StartWorkflow(execution_id, "wf", task_to_domain={"*": domains}))
        return mill.execution(execution_id).tasks[0].domain

    assert await domain_for("a", "blue, green ,red") == "red"
    await workers.poll("pack", "w", "green")
    assert await domain_for("b", "blue, green ,red") == "green"
    assert await domain_for("c", "blue,NO_DOMAIN") is None
    assert await domain_for("d", "NO_DOMAIN") is None
    assert await domain_for("e", "blue") == "blue"
    mill.clock.advance(10)
    assert await domain_for("f", "blue, green ,red") == "red"
    mill.last_polls.polls["pack", "blue", "elsewhere"] = LastPoll("pack", "blue", "elsewhere", mill.clock.now_ms())
    running = asyncio.create_task(mill.polls.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    assert await domain_for("g", "blue, green ,red") == "blue", "a worker that polls another process"


async def test_who_polls_can_be_looked_up(mill: Mill) -> None:
    workers = _workers(mill)
    await workers.poll("pack", "w2", "blue")
    await workers.poll("pack", "w1")
    await workers.poll("ship", "w1")
    assert [(poll.name, poll.domain, poll.worker) for poll in await workers.last_polls()] == [
        ("pack", "", "w1"),
        ("pack", "blue", "w2"),
        ("ship", "", "w1"),
    ]
    assert [poll.worker for poll in await workers.last_polls("ship")] == ["w1"]


async def test_a_signal_finds_the_task_that_waits_for_somebody(mill: Mill) -> None:
    mill.register(
        plan(step("t", "wait", wait_for("10s"), "a"), step("a", "wait", wait_for(), "pack"), step("pack", "worker"))
    )
    await mill.start()
    workers = _workers(mill)
    with pytest.raises(Conflict):
        await workers.signal("x", "COMPLETED", {})
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="t"))
    assert await workers.signal("x", "COMPLETED", {"ok": 1}) == "x.2"
    assert mill.execution().tasks[1].output == {"ok": 1}
    with pytest.raises(Conflict):
        await workers.signal("x", "COMPLETED", {})
    with pytest.raises(NotFound):
        await workers.signal("gone", "COMPLETED", {})


async def test_callbacks_can_be_reset(mill: Mill) -> None:
    mill.register(PACK)
    await mill.start()
    workers = _workers(mill)
    mill.clock.advance((SystemClock().now_ms() - mill.clock.now_ms()) / 1000)
    await workers.poll("pack", "w")
    await workers.update(UpdateTask("IN_PROGRESS", task_id="x.1", callback_after_s=3_600))
    assert await workers.poll("pack", "w") == []
    await workers.reset_callbacks("x")
    assert len(await workers.poll("pack", "w")) == 1
    await workers.reset_callbacks("x")
    assert await workers.poll("pack", "w") == [], "one that a worker has stays its"
    with pytest.raises(NotFound):
        await workers.reset_callbacks("gone")


async def test_logs_belong_to_a_task(mill: Mill) -> None:
    mill.register(PACK)
    await mill.start()
    workers = _workers(mill)
    await workers.add_log("x.1", "half way")
    assert [entry.text for entry in await workers.logs("x.1")] == ["half way"]
    for task_id in ("x.2", "gone.1", "rubbish"):
        with pytest.raises(NotFound):
            await workers.add_log(task_id, "lost")


async def test_executions_from_outside(mill: Mill) -> None:
    mill.register(plan(step("a", "wait", wait_for())))
    executions = _executions(mill)
    assert await executions.start(StartWorkflow("x", "wf", input={"a": 1})) == "x"
    control = Control(mill.gate, mill.places, ExecutionRemovals(mill.places, mill.places))
    await control.apply(UpdateVariables("x", {"v": 1}))
    await control.apply(TerminateExecution("x", "enough"))
    execution, of = await executions.get("x")
    assert (execution.status, execution.reason, execution.variables, of.name) == (
        "TERMINATED",
        "enough",
        {"v": 1},
        "wf",
    )
    total, page = await executions.find(ExecutionQuery(names=["wf"]))
    assert (total, [found.id for found, _ in page]) == (1, ["x"])
    with pytest.raises(Conflict):
        await control.apply(TerminateExecution("x"))
    with pytest.raises(NotFound):
        await executions.get("gone")
    with pytest.raises(NotFound):
        await executions.start(StartWorkflow("y", "gone"))


async def test_who_loses_the_race_decides_again(mill: Mill) -> None:
    mill.register(plan(step("a", "wait", wait_for())))
    executions = _executions(mill)
    await executions.start(StartWorkflow("x", "wf"))
    updates = (UpdateVariables("x", {"l": [n]}, append=True) for n in range(10))
    control = Control(mill.gate, mill.places, ExecutionRemovals(mill.places, mill.places))
    await control.apply(UpdateVariables("x", {"l": []}))
    await asyncio.gather(*(control.apply(update) for update in updates))
    assert sorted(mill.execution().variables["l"]) == list(range(10))


async def test_groups_of_one_prepare_keep_their_order(mill: Mill) -> None:
    mill.register(plan(step("a", "wait", wait_for())))
    await mill.start()
    await mill.run_groups(*(EffectGroup((UpdateVariables("x", {"last": n}),)) for n in range(5)))
    assert mill.execution().variables == {"last": 4}
