"""The engine: batches, groups, verdicts, the sandbox, and what is written."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.plans import plan, publish_to, script_of, step, switch_on, terminate_with, wait_for
from tests.unit.workflows.engine.conftest import Mill
from tidemill.core.errors import BadInput, Conflict, NotFound, StaleWrite
from tidemill.ingest.effect import EffectGroup
from tidemill.ingest.publication import PublicationRefused, Published
from tidemill.workflows.effects import (
    StartWorkflow,
    TaskPolled,
    TerminateExecution,
    TimerFired,
    UpdateTask,
    UpdateVariables,
)
from tidemill.workflows.state import rows

WAITING = plan(step("a", "wait", wait_for()))
COUNTING = plan(
    step("s", "script", script_of("$.n + 1"), "w", {"n": "${workflow.input.n}"}),
    step("w", "wait", wait_for()),
    name="counting",
)


async def test_a_batch_is_one_read_and_one_write(mill: Mill) -> None:
    mill.register(plan(step("p", "publish", publish_to())))
    verdicts = await mill.run(*(StartWorkflow(f"x{index}", "wf") for index in range(100)))
    assert [verdict.results for verdict in verdicts] == [[f"x{index}"] for index in range(100)]
    assert (mill.places.loads, mill.places.writes) == (1, 1)
    assert [publication.id for publication in mill.places.outbox] == [f"x{index}.1" for index in range(100)]
    assert mill.written[0].integrations == {"shop"}
    await mill.run(*(Published(publication.origin, "out", 0, 1) for publication in mill.places.outbox))
    assert (mill.places.loads, mill.places.writes) == (2, 2)
    assert {row.status for row in mill.places.rows.values()} == {"COMPLETED"}


async def test_what_was_started_carries_its_cause(mill: Mill) -> None:
    mill.register(plan(step("p", "publish", publish_to()), input_defaults={"a": 0, "b": 1}))
    start = StartWorkflow("x", "wf", input={"a": 2}, correlation_id="c", event="kafka:i:t", created_by="me", priority=3)
    await mill.run_groups(EffectGroup((start,), "kafka:i:t:0:17", 4, "00-" + "a" * 32 + "-" + "b" * 16 + "-01"))
    execution = mill.execution()
    assert execution.input == {"a": 2, "b": 1}
    assert (execution.cause, execution.hops, execution.correlation_id) == ("kafka:i:t:0:17", 4, "c")
    assert (execution.event, execution.created_by, execution.priority) == ("kafka:i:t", "me", 3)
    headers = dict(mill.places.outbox[0].headers)
    assert headers["tidemill-hops"] == b"5" and b"a" * 32 in (headers["traceparent"] or b"")


async def test_hops_of_a_later_record_count_too(mill: Mill) -> None:
    mill.register(plan(step("a", "wait", wait_for(), "p"), step("p", "publish", publish_to())))
    await mill.start()
    await mill.run_groups(EffectGroup((UpdateTask("COMPLETED", execution_id="x", ref="a"),), hops=7))
    assert dict(mill.places.outbox[0].headers)["tidemill-hops"] == b"8"


async def test_executions_at_the_same_script_make_one_call(mill: Mill) -> None:
    mill.register(COUNTING)
    mill.sandbox.scripts["$.n + 1"] = lambda bindings: bindings["$"]["n"] + 1
    await mill.run(*(StartWorkflow(f"x{n}", "counting", input={"n": n}) for n in range(50)))
    assert len(mill.sandbox.calls) == 1
    assert [mill.execution(f"x{n}").tasks[0].output for n in range(50)] == [{"result": n + 1} for n in range(50)]


async def test_what_a_script_logs_is_kept_with_its_task(mill: Mill) -> None:
    mill.register(COUNTING)
    mill.sandbox.scripts["$.n + 1"] = lambda bindings: bindings["$"]["n"] + 1
    mill.sandbox.logs["$.n + 1"] = ["counting", "done"]
    await mill.start("counting", given={"n": 1})
    assert [(log.task_id, log.text) for log in mill.places.entries] == [("x.1", "counting"), ("x.1", "done")]


async def test_a_later_group_sees_what_a_script_did_for_an_earlier_one(mill: Mill) -> None:
    mill.register(COUNTING, WAITING)
    mill.sandbox.scripts["$.n + 1"] = lambda bindings: 5
    verdicts = await mill.run_groups(
        EffectGroup(
            (StartWorkflow("x", "counting", input={"n": 4}), UpdateTask("COMPLETED", execution_id="x", ref="w"))
        ),
        EffectGroup((UpdateVariables("x", {"late": 1}),)),
        EffectGroup((StartWorkflow("y", "wf"),)),
    )
    assert [type(verdict.error) for verdict in verdicts] == [type(None), Conflict, type(None)]
    assert verdicts[0].results == ["x", "x.2"]
    assert mill.execution().status == "COMPLETED"
    assert mill.execution("y").status == "RUNNING"


async def test_a_chain_of_scripts_runs_through(mill: Mill) -> None:
    mill.sandbox.scripts = {"a": lambda _: 1, "b": lambda bindings: bindings["$"]["v"] + 1}
    mill.register(
        plan(
            step("a", "script", script_of("a"), "b"),
            step("b", "script", script_of("b"), "c", {"v": "${a.output.result}"}),
            step("c", "jq", script_of("gone")),
        )
    )
    execution = await mill.start()
    assert [task.status for task in execution.tasks] == ["COMPLETED", "COMPLETED", "FAILED_WITH_TERMINAL_ERROR"]
    assert execution.tasks[1].output == {"result": 2}
    assert "line 1, column 1" in (execution.reason or "")


# --- groups


async def test_a_refused_group_leaves_no_trace(mill: Mill) -> None:
    mill.register(WAITING, plan(step("p", "publish", publish_to()), name="pub"))
    await mill.start()
    refused, after = await mill.run_groups(
        EffectGroup(
            (
                UpdateVariables("x", {"a": 1}),
                StartWorkflow("y", "pub", idempotency_key="k"),
                UpdateTask("COMPLETED", execution_id="x", ref="nobody"),
            )
        ),
        EffectGroup((UpdateVariables("x", {"b": 2}), StartWorkflow("z", "pub", idempotency_key="k"))),
    )
    assert isinstance(refused.error, NotFound) and not refused.results
    assert after.results == ["x", "z"]
    assert mill.execution().variables == {"b": 2}
    assert set(mill.places.rows) == {"x", "z"}
    assert mill.places.keys == {("pub", "k"): "z"}
    assert [publication.origin for publication in mill.places.outbox] == ["z.1"]


async def test_a_group_refused_on_the_second_touch_is_undone_to_before_the_first(mill: Mill) -> None:
    mill.register(WAITING)
    await mill.start()
    first = UpdateVariables("x", {"n": 1})
    refused = (UpdateVariables("x", {"n": 2}), UpdateVariables("x", {"n": 3}), TerminateExecution("gone"))
    verdicts = await mill.run_groups(EffectGroup((first,)), EffectGroup(refused))
    assert [verdict.error is None for verdict in verdicts] == [True, False]
    assert mill.execution().variables == {"n": 1}


# --- starts


async def test_an_execution_is_started_once_by_its_id(mill: Mill) -> None:
    mill.register(WAITING)
    await mill.start(given={"n": 1})
    verdicts = await mill.run(
        StartWorkflow("x", "wf", input={"n": 2}), StartWorkflow("y", "wf"), StartWorkflow("y", "wf")
    )
    assert [verdict.results for verdict in verdicts] == [["x"], ["y"], ["y"]]
    assert mill.execution().input == {"n": 1}


@pytest.mark.parametrize("is_one_batch", [False, True])
async def test_idempotency_keys(mill: Mill, is_one_batch: bool) -> None:
    mill.register(WAITING)

    def keyed(execution_id: str, **options: Any) -> StartWorkflow:
        return StartWorkflow(execution_id, "wf", idempotency_key="k", **options)

    effects = [
        keyed("a"),
        keyed("b"),
        keyed("c", idempotency_strategy="FAIL"),
        keyed("d", idempotency_strategy="FAIL_ON_RUNNING"),
        TerminateExecution("a"),
        keyed("e", idempotency_strategy="FAIL_ON_RUNNING"),
        keyed("f", idempotency_strategy="FAIL_ON_RUNNING"),
        keyed("g"),
    ]
    batches = [effects] if is_one_batch else [[effect] for effect in effects]
    verdicts = [verdict for batch in batches for verdict in await mill.run(*batch)]
    got = [verdict.results[0] if verdict.error is None else type(verdict.error) for verdict in verdicts]
    assert got == ["a", "a", Conflict, Conflict, "a", "e", Conflict, "e"]
    assert set(mill.places.rows) == {"a", "e"}


async def test_keys_of_different_workflows_do_not_meet(mill: Mill) -> None:
    mill.register(WAITING, plan(name="other"))
    await mill.run(StartWorkflow("a", "wf", idempotency_key="k"), StartWorkflow("b", "other", idempotency_key="k"))
    assert set(mill.places.rows) == {"a", "b"}


async def test_what_cannot_be_started_is_a_verdict(mill: Mill) -> None:
    mill.register(WAITING)
    mill.plans.broken["broken"] = NotFound("task type FORK is not there yet")
    verdicts = await mill.run(
        StartWorkflow("a", "nobody"),
        StartWorkflow("b", "wf", 9),
        StartWorkflow("c", "broken"),
        StartWorkflow("d", "wf", input=[1]),
        StartWorkflow("e", "wf"),
    )
    assert [type(verdict.error) for verdict in verdicts] == [NotFound, NotFound, BadInput, BadInput, type(None)]
    assert not any(verdict.is_retryable for verdict in verdicts)
    assert set(mill.places.rows) == {"e"}


async def test_texts_that_no_index_takes_are_refused_whoever_starts(mill: Mill) -> None:
    mill.register(WAITING)
    long, odd = "x" * 501, "a\x00b"
    one = StartWorkflow("x", "wf", correlation_id=long, idempotency_key=odd, task_to_domain={"a": long})
    two = StartWorkflow("y", "wf", correlation_id="x" * 500, idempotency_key="k", task_to_domain={"a": "d"})
    first, second = await mill.run(one, two)
    assert isinstance(first.error, BadInput) and not first.is_retryable
    assert [finding.path for finding in first.error.findings] == ["correlationId", "idempotencyKey", "taskToDomain.a"]
    assert second.results == ["y"] and set(mill.places.rows) == {"y"}


async def test_a_definition_saved_meanwhile_repeats_the_decision(mill: Mill) -> None:
    mill.register(WAITING)
    prepared = await mill.engine.prepare([EffectGroup((StartWorkflow("x", "wf"),))])
    mill.plans.revision += 1
    with pytest.raises(StaleWrite):
        await mill.write(prepared)
    assert not mill.places.rows


async def test_two_who_decide_about_one_execution(mill: Mill) -> None:
    mill.register(WAITING)
    await mill.start()
    first, second = [await mill.engine.prepare([EffectGroup((UpdateVariables("x", {n: 1}),))]) for n in ("a", "b")]
    await mill.write(first)
    with pytest.raises(StaleWrite):
        await mill.write(second)
    assert mill.execution().variables == {"a": 1}


# --- effects without their execution


async def test_effects_on_no_execution(mill: Mill) -> None:
    verdicts = await mill.run(
        UpdateTask("COMPLETED", task_id="gone.1"),
        UpdateTask("COMPLETED", execution_id="gone", ref="a"),
        UpdateTask("COMPLETED"),
        TaskPolled("gone.1", "w"),
        TerminateExecution("gone"),
        UpdateVariables("gone", {}),
        TimerFired("gone.1", "gone", 1, "wait"),
        Published("gone.1", "t", 0, 0),
        Published("", "t", 0, 0),
        PublicationRefused("gone.1", "t", "no"),
    )
    errors = [type(verdict.error) for verdict in verdicts]
    assert errors == [NotFound, NotFound, BadInput, Conflict, NotFound, NotFound, *[type(None)] * 4]
    assert not any(verdict.is_retryable for verdict in verdicts)


async def test_what_changes_nothing_writes_nothing(mill: Mill) -> None:
    mill.register(plan(step("p", "publish", publish_to())))
    await mill.start()
    await mill.run(Published("x.1", "out", 0, 1))
    revision = mill.places.rows["x"].revision
    await mill.run(Published("x.1", "out", 0, 1), PublicationRefused("x.1", "out", "no"))
    assert mill.places.rows["x"].revision == revision


# --- failure workflows and limits


async def test_a_failure_workflow_is_part_of_the_same_changes(mill: Mill) -> None:
    failing = plan(step("t", "terminate", terminate_with("FAILED", "no stock")), failure_workflow=("repair", None))
    mill.register(failing, plan(step("p", "publish", publish_to()), name="repair"))
    execution = await mill.start(given={"order": 1})
    repair = mill.execution(execution.failure_execution or "")
    assert mill.places.writes == 1
    assert (repair.name, repair.hops, repair.input) == ("repair", 1, {"order": 1})
    assert [publication.origin for publication in mill.places.outbox] == [f"{repair.id}.1"]


async def test_a_failure_workflow_that_is_not_there_is_said(mill: Mill) -> None:
    mill.register(plan(step("t", "terminate", terminate_with("FAILED", "no")), failure_workflow=("gone", None)))
    execution = await mill.start()
    assert execution.failure_execution is None
    assert (execution.reason or "").startswith("no; its failure workflow did not start: no workflow gone")


async def test_a_failure_workflow_that_always_fails_comes_to_an_end(mill: Mill) -> None:
    mill.register(plan(step("t", "terminate", terminate_with("FAILED", "no")), failure_workflow=("wf", None)))
    await mill.start()
    assert len(mill.places.rows) == 17


async def test_an_execution_that_grows_too_large_fails_and_survives(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "DOCUMENT_BYTES_MAX", 10_000)
    monkeypatch.setattr("tidemill.workflows.engine.draft.DOCUMENT_BYTES_MAX", 10_000)
    mill.register(plan(step("a", "worker", to="b"), step("b", "wait", wait_for()), failure_workflow=("repair", None)))
    mill.register(plan(name="repair"))
    await mill.start(given={"small": 1})
    await mill.run(UpdateTask("COMPLETED", task_id="x.1", output={"big": "x" * 20_000}))
    execution = mill.execution()
    assert execution.status == "FAILED" and "10,000 is the limit" in (execution.reason or "")
    assert execution.input == {"small": 1}
    assert execution.tasks[0].output == {"omitted_bytes": 20_008}
    assert [task.status for task in execution.tasks] == ["COMPLETED", "CANCELED"]
    assert execution.failure_execution in mill.places.rows


async def test_numbers_beyond_64_bits_do_not_stop_an_execution(mill: Mill) -> None:
    mill.register(WAITING)
    execution = await mill.start(given={"n": 2**70, "l": [-(2**80), 10**400], "fine": 2**64 - 1})
    assert execution.input == {"n": float(2**70), "l": [-float(2**80), str(10**400)], "fine": 2**64 - 1}


async def test_a_task_queued_and_polled_in_one_batch_is_never_written_to_the_queue(mill: Mill) -> None:
    mill.register(plan(step("a", "worker", response_timeout_s=10)))
    await mill.run(StartWorkflow("x", "wf"), TaskPolled("x.1", "w"))
    assert not mill.places.waiting
    assert list(mill.places.timers) == ["x.1"]
    await mill.run(
        UpdateTask("IN_PROGRESS", task_id="x.1"), TaskPolled("x.1", "w"), UpdateTask("COMPLETED", task_id="x.1")
    )
    assert not mill.places.waiting and not mill.places.timers
    assert mill.execution().status == "COMPLETED"


async def test_a_switch_by_script_goes_its_way(mill: Mill) -> None:
    settings = switch_on("p", "yes")
    mill.register(
        plan(
            step("s", "switch", settings, {"yes": "y", "default": "n"}, {"p": "${workflow.input.p}"}),
            step("y"),
            step("n"),
        )
    )
    assert [task.ref for task in (await mill.start(given={"p": "yes"})).tasks] == ["s", "y"]
    assert [task.ref for task in (await mill.start(execution_id="z", given={})).tasks] == ["s", "n"]


async def test_a_publication_to_an_integration_that_is_not_there_fails_its_task(mill: Mill) -> None:
    """In the transaction that would have written it; an optional one lets the workflow go on, and stray again."""
    lost = step("p", "publish", publish_to(), "q", is_optional=True)
    mill.register(plan(lost, step("q", "publish", publish_to("other"))))
    mill.plans.missing_integrations.add("shop")
    execution = await mill.start()
    reason = "there is no integration 'shop'"
    assert [(task.status, task.reason) for task in execution.tasks] == [
        ("COMPLETED_WITH_ERRORS", reason),
        ("FAILED", reason),
    ]
    assert (execution.status, execution.reason) == ("FAILED", reason)
    assert not mill.places.outbox


async def test_that_an_integration_is_not_there_must_still_be_true_at_the_commit(mill: Mill) -> None:
    mill.register(plan(step("w", "wait", wait_for(), "p"), step("p", "publish", publish_to())))
    await mill.start()
    mill.plans.missing_integrations.add("shop")
    prepared = await mill.engine.prepare([EffectGroup((UpdateTask("COMPLETED", execution_id="x", ref="w"),))])
    mill.plans.missing_integrations.clear()
    mill.plans.revision += 1
    with pytest.raises(StaleWrite):
        await mill.write(prepared)
    await mill.run(UpdateTask("COMPLETED", execution_id="x", ref="w"))
    assert [publication.integration for publication in mill.places.outbox] == ["shop"]
