"""Each action: the effect that a record gives it, and the reason where it gives none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.workflows.handlers.parts import document, effect, outcome, record, route, start
from tidemill.core.ids import derived_id
from tidemill.workflows.effects import StartWorkflow, TerminateExecution, UpdateTask, UpdateVariables

ORIGIN = {"conductor.event.messageId": "orders-in-3-7", "conductor.event.name": "kafka:shop:orders-in"}


def action(name: str, **parameters: Any) -> dict[str, Any]:
    return {"action": name, name: parameters}


async def test_start_workflow_with_everything() -> None:
    started = await effect(
        start(
            name="fulfil-${kind}",
            version="${v}",
            input={"order": "${$}", "where": "${$record.topic}/${$record.partition}", "nested": [{"id": "${id}"}]},
            correlationId="order-${id}",
            idempotencyKey="${id}",
            idempotencyStrategy="FAIL_ON_RUNNING",
            taskToDomain={"pack": "north"},
        ),
        {"id": 17, "kind": "fast", "v": "4"},
    )
    assert started == StartWorkflow(
        execution_id=derived_id(1_700_000_000_000, "shop", "T1", 3, 7, "orders", 0),
        name="fulfil-fast",
        version=4,
        input={
            "order": {"id": 17, "kind": "fast", "v": "4"},
            "where": "orders-in/3",
            "nested": [{"id": 17}],
            **ORIGIN,
        },
        correlation_id="order-17",
        task_to_domain={"pack": "north"},
        idempotency_key="17",
        idempotency_strategy="FAIL_ON_RUNNING",
        event="kafka:shop:orders-in",
        created_by="event_handler:orders",
    )


async def test_start_workflow_as_in_the_documents_sample_passes_only_where_it_comes_from() -> None:
    started = await effect(start(version=1), {"id": 17})
    assert started.input == ORIGIN
    assert (started.version, started.correlation_id, started.idempotency_key) == (1, None, None)


async def test_the_same_record_gives_the_same_id_and_any_other_another() -> None:
    handler = route(document(start(), start()))
    same, again, other_offset, other_topic = await handler.handle(
        [record({}), record({"x": 1}), record({}, offset=8), record({}, topic_id="T2")]
    )
    ids = [[each.execution_id for each in result.effects] for result in (same, again, other_offset, other_topic)]
    assert ids[0] == ids[1]
    assert len({*ids[0], *ids[2], *ids[3]}) == 6


async def test_domains_come_from_the_body_where_the_definition_has_none() -> None:
    body = {"taskToDomain": {"a": "x", "b": 1}}
    assert (await effect(start(), body)).task_to_domain == {"a": "x"}
    assert (await effect(start(taskToDomain={"c": "y"}), body)).task_to_domain == {"c": "y"}


async def test_rendered_input_is_not_shared_between_records() -> None:
    handler = route(document(start(input={"list": [1]})))
    first, second = await handler.handle([record({}), record({}, offset=8)])
    assert first.effects[0].input is not second.effects[0].input


async def test_complete_task_by_reference() -> None:
    completed = await effect(
        action(
            "complete_task",
            workflowId="${wf}",
            taskRefName="wait_for_${what}",
            output={"answer": "${$}"},
            reasonForIncompletion="none",
        ),
        {"wf": "E1", "what": "payment"},
    )
    assert completed == UpdateTask(
        "COMPLETED",
        execution_id="E1",
        ref="wait_for_payment",
        reason="none",
        output={
            "workflowId": "E1",
            "taskRefName": "wait_for_payment",
            "reasonForIncompletion": "none",
            "answer": {"wf": "E1", "what": "payment"},
            **ORIGIN,
        },
    )


async def test_fail_task_by_id() -> None:
    failed = await effect(action("fail_task", taskId="${t}", reasonForIncompletion="because ${why}"), {"t": "E1.2"})
    assert failed == UpdateTask(
        "FAILED",
        task_id="E1.2",
        reason="because null",
        output={"taskId": "E1.2", "reasonForIncompletion": "because null", **ORIGIN},
    )


async def test_terminate_workflow() -> None:
    terminated = await effect(action("terminate_workflow", workflowId="${wf}", terminationReason="${r}"), {"wf": "E1"})
    assert terminated == TerminateExecution("E1", None)


@pytest.mark.parametrize("appends", [True, False])
async def test_update_workflow_variables(appends: bool) -> None:
    updated = await effect(
        action("update_workflow_variables", workflowId="E1", variables={"n": "${n}"}, appendArray=appends), {"n": [1]}
    )
    assert updated == UpdateVariables("E1", {"n": [1]}, appends)


async def test_expand_inline_json() -> None:
    body = {"text": json.dumps({"id": 17, "inner": "[1]"})}
    inputs = {"id": "${text.id}", "inner": "${text.inner}"}
    assert (await effect(start(True, input=inputs), body)).input == {"id": 17, "inner": [1], **ORIGIN}
    assert (await effect(start(False, input=inputs), body)).input == {"id": None, "inner": None, **ORIGIN}


async def test_the_record_beside_the_body() -> None:
    started = await effect(start(input={"r": "${$record}", "h": "${$record.headers.h}"}), {})
    assert started.input["r"] == {
        "integration": "shop",
        "topic": "orders-in",
        "partition": 3,
        "offset": 7,
        "timestamp": 1_700_000_000_000,
        "key": "k1",
        "headers": {"h": "2", "empty": None, "bin": "/w=="},
    }
    assert started.input["h"] == "2"


async def test_a_tombstone_is_null() -> None:
    result = await outcome(document(start(input={"all": "${$}", "part": "${a.b}"})), value=None)
    assert result.effects[0].input == {"all": None, "part": None, **ORIGIN}


@pytest.mark.parametrize(
    ("bad", "body", "reason"),
    [
        (start(name="${kind}"), {}, "actions[0].start_workflow.name: '${kind}' gave no value"),
        (start(name="${kind}"), {"kind": {}}, "actions[0].start_workflow.name: '${kind}' gave an object where a text"),
        (start(version="${v}"), {"v": "new"}, "start_workflow.version: '${v}' gave 'new', which is no version"),
        (start(version="${v}"), {"v": 2**31}, "start_workflow.version: '${v}' gave 2147483648, which is no version"),
        (start(version="${v}"), {"v": True}, "start_workflow.version: '${v}' gave True, which is no version"),
        (start(correlationId="${c}"), {"c": "x" * 501}, "actions[0].start_workflow.correlationId: 501 characters"),
        (start(idempotencyKey="${c}"), {"c": "a\x00"}, "actions[0].start_workflow.idempotencyKey: the text has a NUL"),
        (
            action("complete_task", workflowId="${wf}", taskRefName="r"),
            {},
            "actions[0].complete_task.workflowId: '${wf}' gave no value",
        ),
        (
            action("terminate_workflow", workflowId="${wf}"),
            {"wf": []},
            "actions[0].terminate_workflow.workflowId: '${wf}' gave a list where a text is needed",
        ),
    ],
)
async def test_what_cannot_be_used_makes_the_record_invalid(bad: dict[str, Any], body: Any, reason: str) -> None:
    result = await outcome(document(bad), body)
    assert result.kind == "invalid" and not result.effects
    assert result.reason is not None and result.reason.startswith(reason)


async def test_one_bad_action_takes_the_others_of_its_record_with_it() -> None:
    result = await outcome(document(start(), start(name="${kind}")), {})
    assert result.kind == "invalid" and not result.effects
