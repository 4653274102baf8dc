"""Records that cannot be processed: each is a dead letter that says why, and costs no other record or handler.

All go in at once, so that good and bad share batches.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.acceptance.shop import Shop, outcomes, reasons, set_variable
from tests.parts.server import wait_for
from tidemill.cli.demo.process import ServerProcess

ENVIRONMENT = {"TIDEMILL_SCRIPT_TIMEOUT_S": "1", "TIDEMILL_SCRIPT_MEMORY_MB": "64"}

RECORDS: Mapping[str, bytes | None] = {
    "first": b'{"order": 1}',
    "no JSON": b'{"order": 2',
    "empty": b"",
    "tombstone": None,
    "broken UTF-8": b'{"order": "\xff"}',
    "bare NUL": b'{"order": "a\x00b"}',
    "escaped NUL": b'{"order": "a\\u0000b"}',
    "too deep": b"[" * 10_000,
    "5 MB": json.dumps({"order": 3, "ballast": "x" * 5_000_000}).encode(),
    "loop": b'{"order": 4, "loop": true}',
    "bomb": b'{"order": 5, "bomb": true}',
    "throw": b'{"order": 6, "throw": true}',
    "type": b'{"order": 7, "type": true}',
    "long key": json.dumps({"order": 8, "key": "k" * 501}).encode(),
    "NUL key": b'{"order": 9, "key": "a\\u0000b"}',
    "long domain": json.dumps({"order": 10, "taskToDomain": {"price": "d" * 501}}).encode(),
    "last": b'{"order": 11}',
}

UNREADABLE = {
    "no JSON": "the body is not JSON: ",
    "empty": "the body is empty, and the integration's sending protocol is JSON",
    "broken UTF-8": "the body is not UTF-8: invalid start byte at byte 11",
    "bare NUL": "the body is not JSON: JSON is malformed: invalid character (byte 12)",
    "too deep": "the JSON is nested deeper than 200 levels",
}
"""What every handler says of a record that nobody can read."""

SCRIPTS = {
    "loops": ("loop", "while ($ && $.loop) {} true", "condition: took longer than 1 s"),
    "bombs": (
        "bomb",
        "const all = []; while ($ && $.bomb) all.push(new Array(1e6).fill(1)); true",
        "condition: used more than 64 MB of memory",
    ),
    "throws": (
        "throw",
        "// a comment\n$ && $.throw ? $.order.not.there : true",
        "condition: TypeError: Cannot read properties of undefined (reading 'there') (line 2, column 28)",
    ),
    "types": ("type", "$ && $.type ? (() => 1) : true", "condition: a function is no JSON value"),
}
"""By handler: the record that its condition cannot take, the condition, and what is said."""

UNSTARTABLE = {"long domain": "taskToDomain.price: 501 characters; 500 is the limit"}

KEYS = {
    "long key": "actions[0].start_workflow.idempotencyKey: 501 characters; 500 is the limit",
    "NUL key": "actions[0].start_workflow.idempotencyKey: the text has a NUL character",
}

HEADERS: list[tuple[str, str | bytes | None]] = [("no-value", None), ("no-text", b"\xff"), ("traceparent", b"junk")]


@dataclass(frozen=True)
class Story:
    """The records went in; `traces` is what became of each, in their order."""

    shop: Shop
    offsets: Mapping[str, int]
    traces: Mapping[str, dict[str, Any]]
    workflow: str

    def said(self, record: str) -> dict[str, str | None]:
        return reasons(self.traces[record], self.shop.mark)

    def letter(self, record: str, handler: str) -> dict[str, Any]:
        name = f"event_handler:{handler}-{self.shop.mark}"
        return next(each["deadLetter"] for each in self.traces[record]["routes"] if each["route"] == name)


@pytest.fixture(scope="module")
def story(server: ServerProcess) -> Iterator[Story]:
    with Shop(server) as shop:
        shop.create_topic("orders", max_message_bytes=20_000_000)
        workflow = shop.workflow("note", set_variable(seen="${workflow.input.order}"))
        shop.handler("good", workflow)
        shop.handler("keys", workflow, idempotencyKey="${key}")
        shop.handler("missing", f"nobody-{shop.mark}")
        shop.handler("version", workflow, version=9)
        for name, (_, condition, _) in SCRIPTS.items():
            shop.handler(name, workflow, condition)
        offsets = dict(zip(RECORDS, shop.produce(*RECORDS.values(), headers=HEADERS), strict=True))
        routes = 4 + len(SCRIPTS)
        traces = {name: shop.settled(offset, routes, timeout_s=60) for name, offset in offsets.items()}
        yield Story(shop, offsets, traces, workflow)


@pytest.mark.parametrize("record", UNREADABLE)
def test_a_body_that_nobody_can_read(story: Story, record: str) -> None:
    assert story.traces[record]["state"] == "dead_letter"
    for said in story.said(record).values():
        assert (said or "").startswith(UNREADABLE[record])


@pytest.mark.parametrize("handler", SCRIPTS)
def test_a_script_that_fails_costs_only_its_own_record(story: Story, handler: str) -> None:
    guilty, _, reason = SCRIPTS[handler]
    unfit = {*UNREADABLE, *UNSTARTABLE}
    expected = {record: None for record in RECORDS if record not in unfit} | {guilty: reason}
    assert {record: story.said(record)[handler] for record in expected} == expected


def test_good_records_are_started_once_each(story: Story) -> None:
    """Also the 5 MB one, the tombstone and those that other handlers could not take."""
    good = [name for name in RECORDS if name not in UNREADABLE and name not in UNSTARTABLE]
    assert outcomes([story.traces[name] for name in good], f"good-{story.shop.mark}") == ["done"] * len(good)
    executions = {
        execution["workflowId"]: execution["status"]
        for name in good
        for route in story.traces[name]["routes"]
        for execution in route["executions"]
    }
    assert set(executions.values()) == {"COMPLETED"}
    assert story.shop.started(story.workflow) == len(executions)


@pytest.mark.parametrize("record", [*KEYS, *UNSTARTABLE])
def test_what_no_index_takes_is_said(story: Story, record: str) -> None:
    assert story.said(record)["keys"] == {**KEYS, **UNSTARTABLE}[record]


def test_a_missing_workflow_or_version(story: Story) -> None:
    mark = story.shop.mark
    assert (story.said("first")["missing"] or "").startswith(f"no workflow 'nobody-{mark}' is registered")
    assert story.said("first")["version"] == f"the workflow {story.workflow!r} has no version 9; the highest is 1"


@pytest.mark.parametrize("record", ["no JSON", "bare NUL", "broken UTF-8", "empty", "too deep"])
def test_a_dead_letter_keeps_every_byte(story: Story, record: str) -> None:
    whole = story.shop.server.api.get(f"/api/tidemill/dead-letters/{story.letter(record, 'good')['id']}")
    assert base64.b64decode(whole["value"]["base64"]) == RECORDS[record]
    assert whole["key"]["text"] == "k"
    kept = {each["name"]: each["value"] and each["value"]["base64"] for each in whole["headers"]}
    assert kept == {"no-value": None, "no-text": "/w==", "traceparent": base64.b64encode(b"junk").decode()}


def test_a_header_without_value_is_seen_as_null(story: Story) -> None:
    shop = story.shop
    workflow = shop.workflow("headers", set_variable(seen="${workflow.input.headers}"))
    shop.handler(
        "headers", workflow, "$record.headers['no-value'] === null", "heads", input={"headers": "${$record.headers}"}
    )
    (offset,) = shop.produce(b"{}", topic="heads", headers=HEADERS)
    (execution,) = shop.settled(offset, 1, "heads")["routes"][0]["executions"]
    seen = shop.finished(execution["workflowId"])["variables"]["seen"]
    assert seen == {"no-value": None, "no-text": "/w==", "traceparent": "junk"}


@pytest.mark.parametrize(
    ("handler", "record", "changes"),
    [("throws", "throw", {"condition": "true"}), ("loops", "loop", {"condition": "$.loop"})],
)
def test_a_script_is_mended_and_its_record_replayed(
    story: Story, handler: str, record: str, changes: dict[str, Any]
) -> None:
    shop, letter = story.shop, story.letter(record, handler)
    before = shop.started(story.workflow)
    again = shop.replay(letter["id"])
    assert (again["state"], again["reason"]) == ("open", SCRIPTS[handler][2])
    shop.mend(f"{handler}-{shop.mark}", **changes)
    assert shop.replay(letter["id"])["state"] == "replayed"
    assert shop.started(story.workflow) == before + 1
    assert shop.http.post(f"/api/tidemill/dead-letters/{letter['id']}/replay").status_code == 409


def test_the_missing_workflow_is_registered_and_its_records_replayed(story: Story) -> None:
    shop = story.shop
    workflow = shop.workflow("nobody", set_variable(seen=True))
    for record in ("first", "tombstone", "5 MB", "last"):
        assert shop.replay(story.letter(record, "missing")["id"])["state"] == "replayed"
    assert wait_for(lambda: shop.started(workflow)) == 4


def test_the_pump_goes_on(story: Story) -> None:
    (offset,) = story.shop.produce(b'{"order": 12}')
    settled = story.shop.settled(offset, 4 + len(SCRIPTS))
    assert outcomes([settled], f"good-{story.shop.mark}") == ["done"]
    assert story.shop.ready()["ok"] is True


def test_what_is_parked_for_a_handler_that_is_switched_off(story: Story) -> None:
    """It waits for a task that never comes; with its handler gone somebody has to decide."""
    shop = story.shop
    hold = {"name": "hold", "taskReferenceName": "hold", "type": "WAIT", "inputParameters": {}}
    workflow = shop.workflow("holds", hold, {**hold, "taskReferenceName": "late"})
    execution_id = shop.server.api.post("/api/workflow", {"name": workflow})
    complete = {"action": "complete_task", "complete_task": {"workflowId": "${id}", "taskRefName": "late"}}
    handler = shop.handler("replies", workflow, topic="replies")
    shop.mend(handler, actions=[complete])
    (offset,) = shop.produce(json.dumps({"id": execution_id}).encode(), topic="replies")
    at = f"/api/tidemill/trace/{shop.name}/replies/0/{offset}"
    wait_for(lambda: shop.server.api.get(at)["state"] == "parked")
    shop.mend(handler, active=False)
    trace = shop.settled(offset, 1, "replies")
    assert trace["state"] == "dead_letter"
    assert trace["routes"][-1]["reason"] == f"event_handler:{handler} no longer reads this topic"
