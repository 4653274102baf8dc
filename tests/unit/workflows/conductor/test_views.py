"""Executions and tasks as the real SDK reads them: every key is one of its models', every value fits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conductor.client.http.api_client import ApiClient
from conductor.client.http.models.task import Task as SdkTask
from conductor.client.http.models.workflow import Workflow as SdkWorkflow
from conductor.client.http.models.workflow_summary import WorkflowSummary as SdkSummary

from tests.unit.workflows.conductor.parts import plan_of, task, workflow
from tidemill.workflows.formats.conductor.views import execution_json, handed_json, summary_json, task_json
from tidemill.workflows.state.scope import workflow_view
from tidemill.workflows.state.state import Execution, Task

PLAN = plan_of(workflow(task("a"), task("e", "EVENT", sink="kafka:shop:out"), task("z", startDelay=3), name="fulfil"))


def execution(**changes: Any) -> Execution:
    fields: dict[str, Any] = {
        "id": "E1",
        "name": "fulfil",
        "version": 1,
        "save": 1,
        "status": "FAILED",
        "created_ms": 1_700_000_000_123,
        "updated_ms": 1_700_000_004_000,
        "ended_ms": 1_700_000_005_000,
        "input": {"order": 17},
        "output": {"x": 1},
        "variables": {"v": 1},
        "reason": "no stock",
        "correlation_id": "c",
        "event": "kafka:shop:orders-in",
        "idempotency_key": "k",
        "task_to_domain": {"a": "north"},
        "created_by": "event_handler:orders",
        "priority": 3,
        "failed_refs": ["a"],
        "tasks": [
            Task(1, "a", "FAILED", 1_000, {"i": 1}, {"o": 2}, 1_200, 1_300, 1_400, "boom", is_retried=True),
            Task(2, "a", "IN_PROGRESS", 2_000, {"i": 1}, None, 2_500, 2_600, retry_count=1, retried_seq=1, worker="w1"),
            Task(3, "e", "COMPLETED", 3_000),
        ],
    }
    return Execution(**{**fields, **changes})


def read_by_sdk(value: dict[str, Any], model: Any) -> Any:
    return ApiClient().deserialize_class(json.loads(json.dumps(value)), model)


def keys_of(model: Any) -> set[str]:
    return set(model.attribute_map.values())


def test_an_execution() -> None:
    shown = execution_json(execution(retried_ms=1_700_000_002_000), PLAN)
    assert shown.keys() <= keys_of(SdkWorkflow)
    assert shown["lastRetriedTime"] == 1_700_000_002_000
    waiting = execution_json(execution(awaits_turn=True, rate_key="north"), PLAN)
    assert (shown["rateLimited"], waiting["rateLimited"], waiting["rateLimitKey"]) == (False, True, "north")
    read = read_by_sdk(shown, SdkWorkflow)
    assert (read.workflow_id, read.workflow_name, read.status) == ("E1", "fulfil", "FAILED")
    assert (read.input, read.output, read.variables) == ({"order": 17}, {"x": 1}, {"v": 1})
    assert (read.start_time, read.end_time) == (1_700_000_000_123, 1_700_000_005_000)
    assert (read.correlation_id, read.idempotency_key, read.priority) == ("c", "k", 3)
    assert (read.reason_for_incompletion, read.event) == ("no stock", "kafka:shop:orders-in")
    assert (set(read.failed_reference_task_names), set(read.failed_task_names)) == ({"a"}, {"a_name"})
    assert [each.task_id for each in read.tasks] == ["E1.1", "E1.2", "E1.3"]
    assert read.workflow_definition.name == "fulfil"
    assert not read.is_running()


def test_an_execution_without_its_tasks() -> None:
    assert "tasks" not in execution_json(execution(), PLAN, include_tasks=False)


def test_a_running_execution_has_no_nulls() -> None:
    shown = execution_json(execution(reason=None, output=None, correlation_id=None, ended_ms=0), PLAN)
    assert None not in shown.values()
    assert (shown["output"], shown["endTime"]) == ({}, 0)
    assert "correlationId" not in shown


def test_tasks() -> None:
    run = execution()
    first, second, event = (task_json(run, each, PLAN) for each in run.tasks)
    assert first.keys() | second.keys() <= keys_of(SdkTask)
    assert (first["taskType"], first["taskDefName"], first["referenceTaskName"]) == ("a_name", "a_name", "a")
    assert (first["retried"], first["executed"], first["reasonForIncompletion"]) == (True, True, "boom")
    assert (second["retriedTaskId"], second["retryCount"], second["executed"]) == ("E1.1", 1, False)
    assert (second["queueWaitTime"], second["outputData"], second["workerId"]) == (500, {}, "w1")
    assert (event["taskType"], event["taskDefName"]) == ("EVENT", "e_name")
    assert event["workflowTask"]["sink"] == "kafka:shop:out"
    read = read_by_sdk(first, SdkTask)
    assert (read.task_id, read.workflow_instance_id, read.status) == ("E1.1", "E1", "FAILED")
    assert (read.input_data, read.output_data) == ({"i": 1}, {"o": 2})


def test_start_delay_and_response_timeout() -> None:
    run = execution(tasks=[Task(1, "z", "SCHEDULED", 1)])
    assert task_json(run, run.tasks[0], PLAN)["startDelayInSeconds"] == 3


@pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")  # the SDK's own, about `outputSize`
def test_a_summary() -> None:
    shown = summary_json(execution(), PLAN)
    assert shown.keys() <= keys_of(SdkSummary)
    assert shown["startTime"] == "2023-11-14T22:13:20.123Z"
    assert (shown["input"], shown["inputSize"]) == ('{"order":17}', 12)
    assert (shown["executionTime"], shown["failedReferenceTaskNames"]) == (4_877, "a")
    assert read_by_sdk(shown, SdkSummary).workflow_id == "E1"


def test_a_summary_without_its_plan() -> None:
    shown = summary_json(execution(ended_ms=0), None)
    assert (shown["failedTaskNames"], shown["executionTime"]) == (["a"], 0)
    assert "endTime" not in shown


@pytest.mark.parametrize("status", ["RUNNING", "PAUSED", "COMPLETED", "FAILED", "TIMED_OUT", "TERMINATED"])
def test_every_status_is_one_that_the_sdk_takes(status: str) -> None:
    assert read_by_sdk(execution_json(execution(status=status), PLAN), SdkWorkflow).status == status


def loop(ref: str, *tasks: Any) -> dict[str, Any]:
    return task(ref, "DO_WHILE", loopOver=list(tasks), loopCondition="false")


def test_tasks_in_loops_have_the_iteration_of_each_in_their_names() -> None:
    fork = task("f", "FORK_JOIN", forkTasks=[[loop("m", task("x"))], [task("y")]])
    plan = plan_of(workflow(loop("l", fork, task("j", "JOIN", joinOn=["m", "y"]))))
    tasks = [
        Task(1, "l", "IN_PROGRESS", 1, iterations=3),
        Task(2, "f", "COMPLETED", 1, path="1.3", iteration=3),
        Task(3, "m", "IN_PROGRESS", 1, path="1.3/2.0", iteration=3, iterations=2),
        Task(4, "y", "IN_PROGRESS", 1, path="1.3/2.1", iteration=3),
        Task(5, "x", "IN_PROGRESS", 1, path="1.3/2.0/3.2", iteration=2),
        Task(6, "j", "IN_PROGRESS", 1, path="1.3", iteration=3, fork=2),
    ]
    run = execution(tasks=tasks, status="RUNNING")
    shown = execution_json(run, plan)["tasks"]
    names = [each["referenceTaskName"] for each in shown]
    assert names == ["l", "f__3", "m__3", "y__3", "x__3__2", "j__3"]
    assert [each["iteration"] for each in shown] == [3, 3, 2, 3, 2, 3]
    assert [each["loopOverTask"] for each in shown] == [False, True, True, True, True, True]
    assert [each["taskType"] for each in shown] == ["DO_WHILE", "FORK", "DO_WHILE", "y_name", "x_name", "JOIN"]
    assert shown[5]["inputData"] == {"joinOn": ["m", "y"]}
    read = read_by_sdk(execution_json(run, plan), SdkWorkflow)
    assert [each.task_def_name for each in read.tasks] == ["l_name", "FORK", "m_name", "y_name", "x_name", "JOIN"]


def test_tasks_that_were_made_at_run_time() -> None:
    fork = task("f", "FORK_JOIN_DYNAMIC", {"forkTaskInputs": "${workflow.input.x}"})
    plan = plan_of(workflow(fork, task("j", "JOIN"), task("d", "DYNAMIC", {"n": "pack"}, dynamicTaskNameParam="n")))
    tasks = [
        Task(1, "f", "COMPLETED", 1, {"forkTaskName": "pack", "forkTaskInputs": [{"a": 1}, {"a": 2}]}),
        Task(2, "_pack_0", "COMPLETED", 1, {"a": 1}, path="1.0"),
        Task(3, "_pack_1", "SCHEDULED", 1, {"a": 2}, path="1.1"),
        Task(4, "j", "IN_PROGRESS", 1, {}, fork=1),
        Task(5, "d", "SCHEDULED", 1, {"n": "pack"}, name="pack"),
    ]
    run = execution(tasks=tasks, status="RUNNING")
    shown = execution_json(run, plan)["tasks"]
    assert [each["taskType"] for each in shown] == ["FORK", "pack", "pack", "JOIN", "pack"]
    assert [each["referenceTaskName"] for each in shown] == ["f", "_pack_0", "_pack_1", "j", "d"]
    assert shown[0]["inputData"]["forkedTasks"] == shown[3]["inputData"]["joinOn"] == ["_pack_0", "_pack_1"]
    assert shown[2]["workflowTask"]["name"] == "pack"
    assert read_by_sdk(shown[2], SdkTask).task_type == "pack"


def test_a_task_whose_maker_is_no_longer_at_hand_is_still_shown() -> None:
    run = execution(tasks=[Task(9, "_pack_1", "SCHEDULED", 1, {"a": 2}, path="1.1", name="pack")], status="RUNNING")
    shown = task_json(run, run.tasks[0], PLAN)
    assert (shown["taskType"], shown["referenceTaskName"], shown["inputData"]) == ("pack", "_pack_1", {"a": 2})


def test_a_switch_shows_its_case_and_a_worker_its_rate_limit() -> None:
    embedded = {"rateLimitPerFrequency": 5, "rateLimitFrequencyInSeconds": 60}
    plan = plan_of(
        workflow(task("s", "SWITCH", {"v": 1}, expression="v"), task("a", taskDefinition=embedded)),
    )
    tasks = [Task(1, "s", "COMPLETED", 1, {"v": 1}, {"selectedCase": "1"}), Task(2, "a", "SCHEDULED", 1)]
    switch, worker = execution_json(execution(tasks=tasks), plan)["tasks"]
    assert (switch["inputData"], switch["taskDefName"]) == ({"v": 1, "case": "1"}, "SWITCH")
    assert (worker["rateLimitPerFrequency"], worker["rateLimitFrequencyInSeconds"]) == (5, 60)


def test_an_execution_names_its_parent_and_the_task_that_started_it() -> None:
    shown = execution_json(execution(parent="E0.7"), PLAN)
    assert (shown["parentWorkflowId"], shown["parentWorkflowTaskId"]) == ("E0", "E0.7")
    view = workflow_view(execution(parent="E0.7"))
    assert (view["parentWorkflowId"], view["parentWorkflowTaskId"]) == ("E0", "E0.7")
    alone = workflow_view(execution())
    assert (alone["parentWorkflowId"], alone["parentWorkflowTaskId"]) == (None, None)


@pytest.mark.parametrize(
    "status",
    ["SCHEDULED", "IN_PROGRESS", "COMPLETED", "COMPLETED_WITH_ERRORS", "SKIPPED", "CANCELED", "FAILED",
     "FAILED_WITH_TERMINAL_ERROR", "TIMED_OUT"],
)  # fmt: skip
def test_every_status_of_a_task_is_one_that_the_sdk_takes(status: Any) -> None:
    run = execution(tasks=[Task(1, "a", status, 1)])
    assert read_by_sdk(execution_json(run, PLAN), SdkWorkflow).tasks[0].status == status


def test_values_of_masked_fields_are_shown_to_workers_only() -> None:
    plan = plan_of(workflow(task("a"), name="fulfil", maskedFields=["card", "pin"]))
    value = {"card": {"number": 1}, "n": [{"pin": 2, "city": "x"}, "pin"], "card_holder": "y"}
    shown = {"card": "***", "n": [{"pin": "***", "city": "x"}, "pin"], "card_holder": "y"}
    of = execution(input=value, output=value, variables=value, tasks=[Task(1, "a", "FAILED", 1, value, value)])
    seen = execution_json(of, plan)
    assert [seen[key] for key in ("input", "output", "variables")] == [shown] * 3
    (task_seen,) = seen["tasks"]
    assert (task_seen["inputData"], task_seen["outputData"]) == (shown, shown)
    line = summary_json(of, plan)
    assert (json.loads(line["input"]), json.loads(line["output"])) == (shown, shown)
    handed = handed_json(of, of.tasks[0], plan)
    assert (handed["inputData"], handed["outputData"]) == (value, value)
    assert task_seen.keys() == handed.keys() and of.input == value
