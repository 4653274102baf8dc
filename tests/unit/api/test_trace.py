"""What became of a record: every state that a trace can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from tests.fakes.api import ApiRoom
from tidemill.api.trace_execution import execution_trace
from tidemill.expressions.template import compile_template
from tidemill.ingest.ports import DeadLetter, Gap, Parked, Position, Seen, SeenRun
from tidemill.ingest.record import PartitionKey, Record
from tidemill.ingest.route import Outcome
from tidemill.ingest.subscription import GroupKey, Subscription, SubscriptionSet
from tidemill.rules.endpoints.route import RecordMessages
from tidemill.workflows.plans.plan import Plan, Step
from tidemill.workflows.state.state import Execution, Task
from tidemill.workflows.tasks.publish import PublishSettings

ROUTE = "event_handler:take"
GROUP = GroupKey("shop", "g")
PARTITION = PartitionKey("orders", 0)


class NamedRoute:
    name = ROUTE
    is_foreseeable = False

    async def handle(self, records: Sequence[Record]) -> Sequence[Outcome]:
        return []


def record(offset: int = 7) -> Record:
    return Record("shop", "orders", "id1", 0, offset, 1_000, None, b"{}")


def subscribe(room: ApiRoom, next_offset: int | None) -> None:
    subscription = Subscription(frozenset({"orders"}), NamedRoute())
    room.subscriptions.set = SubscriptionSet(1, {GROUP: [subscription]})
    if next_offset is not None:
        room.places.listed_positions.by_group[GROUP] = {PARTITION: Position("id1", next_offset)}


def saw(room: ApiRoom, entry: Seen) -> None:
    room.places.listed_history.runs.append(SeenRun(ROUTE, "shop", PARTITION, "id1", [entry]))


async def trace(api: httpx.AsyncClient) -> dict[str, Any]:
    answer = await api.get("/api/tidemill/trace/shop/orders/0/7")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_nobody_reads_the_topic(api: httpx.AsyncClient, room: ApiRoom) -> None:
    room.integrations.by_name["shop"] = {"name": "shop"}
    assert (await trace(api))["state"] == "unread"


async def test_an_integration_that_is_not_there_is_said(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/tidemill/trace/shop/orders/0/7")
    assert (answer.status_code, answer.json()["message"]) == (404, "there is no integration 'shop'")


@pytest.mark.parametrize("next_offset", [None, 7])
async def test_not_read_yet(room: ApiRoom, api: httpx.AsyncClient, next_offset: int | None) -> None:
    subscribe(room, next_offset)
    found = await trace(api)
    assert (found["state"], found["groups"][0]["nextOffset"]) == ("not_read", next_offset)


async def test_parked(room: ApiRoom, api: httpx.AsyncClient) -> None:
    subscribe(room, 8)
    room.places.listed_parking.rows.append((GROUP, Parked(1, ROUTE, record(), 1, 1, 1, "away")))
    found = await trace(api)
    assert (found["state"], found["groups"][0]["parkedAt"]) == ("parked", [ROUTE])


async def test_parked_for_a_handler_that_is_switched_off(room: ApiRoom, api: httpx.AsyncClient) -> None:
    room.integrations.by_name["shop"] = {"name": "shop"}
    saw(room, Seen(7, "retry", 50, (), "away"))
    found = await trace(api)
    assert (found["state"], found["summary"]) == ("parked", f"waiting (parked): {ROUTE} is not at work")


async def test_a_route_that_is_done_is_not_parked_by_later_records(room: ApiRoom, api: httpx.AsyncClient) -> None:
    subscribe(room, 9)
    saw(room, Seen(7, "done", 50))
    room.places.listed_parking.rows.append((GROUP, Parked(1, ROUTE, record(8), 1, 1, 1, "away")))
    assert (await trace(api))["state"] == "handled"


async def test_in_a_gap(room: ApiRoom, api: httpx.AsyncClient) -> None:
    subscribe(room, 12)
    room.places.listed_gaps.gaps.append((GROUP, Gap(PARTITION, 3, 9, "retention", 5)))
    found = await trace(api)
    assert (found["state"], found["gap"]["last"]) == ("gap", 9)


async def test_forgotten(room: ApiRoom, api: httpx.AsyncClient) -> None:
    subscribe(room, 12)
    assert (await trace(api))["state"] == "forgotten"


async def test_dead_letter_with_its_reason(room: ApiRoom, api: httpx.AsyncClient) -> None:
    subscribe(room, 8)
    saw(room, Seen(7, "invalid", 50, (), "the body is not JSON", {"condition": None}))
    room.places.listed_letters.letters += [
        DeadLetter("d1", "g", ROUTE, record(), "the body is not JSON", {}, 50),
        DeadLetter("d2", "g", ROUTE, record(8), "another", {}, 60),
    ]
    found = await trace(api)
    assert found["state"] == "dead_letter"
    assert found["routes"][0]["deadLetter"]["id"] == "d1"


async def test_replayed_with_success_is_handled(room: ApiRoom, api: httpx.AsyncClient) -> None:
    subscribe(room, 8)
    saw(room, Seen(7, "invalid", 50, (), "no JSON"))
    saw(room, Seen(7, "done", 60))
    found = await trace(api)
    assert (found["state"], [route["outcome"] for route in found["routes"]]) == ("handled", ["invalid", "done"])


async def test_handled_with_executions_also_by_task_id(room: ApiRoom, api: httpx.AsyncClient) -> None:
    subscribe(room, 8)
    execution_id = (await api.post("/api/workflow", json={"name": "pick"})).text
    saw(room, Seen(7, "done", 50, [execution_id, f"{execution_id}.1", "gone"], None, {"condition": True}))
    found = await trace(api)
    (route,) = found["routes"]
    assert (found["state"], route["outcome"], route["detail"]) == ("handled", "done", {"condition": True})
    assert [each["status"] for each in route["executions"]] == ["RUNNING", None]


def test_publication_with_partition_and_offset() -> None:
    settings = PublishSettings(compile_template("kafka:shop:out"), ("shop", "out"))
    step = Step("send", "publish", "send", compile_template({}), settings, {"next": None}, source={"type": "EVENT"})
    plan = Plan("pick", 1, 1, "send", {"send": step})
    output = {"sink": "kafka:shop:out", "topic": "out", "partition": 3, "offset": 42}
    tasks = [Task(1, "send", "COMPLETED", 1, output=output), Task(2, "send", "SCHEDULED", 1)]
    done, waiting = execution_trace(Execution("e", "pick", 1, 1, "RUNNING", 1, tasks=tasks), plan)["tasks"]
    assert done["publication"] == {"integration": "shop", "topic": "out", "partition": 3, "offset": 42}
    assert ("publication" in waiting, waiting["type"]) == (False, "EVENT")


CHAIN_ROUTE = "endpoint:c:in:r"


async def test_what_a_chain_published_is_found_by_the_ids_that_it_gave(room: ApiRoom, api: httpx.AsyncClient) -> None:
    ends = {"ends": [{"way": [["out", "Success"]]}], "published": ["shop:out", "far:out"]}
    room.places.listed_history.runs.append(
        SeenRun(CHAIN_ROUTE, "shop", PARTITION, "id1", [Seen(7, "done", 50, (None,), None, ends)])
    )
    assert (await trace(api))["routes"][0]["publications"] == []  # the record is gone: nobody knows its id
    room.records.records[PARTITION, 7] = record()
    id_ = RecordMessages(CHAIN_ROUTE).of([record()])[0].id.encode()
    room.records.sent = {
        ("shop", "out", 0, 3): id_ + b":c:out:1",
        ("shop", "out", 0, 4): b"other:c:out:1",
        ("shop", "elsewhere", 0, 5): id_ + b":c:out:2",
        ("far", "out", 1, 6): id_ + b":response:0",
    }
    (route,) = (await trace(api))["routes"]
    assert [tuple(place.values()) for place in route["publications"]] == [("shop", "out", 0, 3), ("far", "out", 1, 6)]


async def test_attempts_that_came_to_the_same_are_there_once(room: ApiRoom, api: httpx.AsyncClient) -> None:
    outcomes = [("retry", "away"), ("retry", "away"), ("retry", "slow"), ("retry", "away"), ("done", None)]
    for at_ms, (outcome, reason) in enumerate(outcomes):
        saw(room, Seen(7, outcome, at_ms, (), reason))
        room.places.listed_history.runs.append(
            SeenRun("other", "shop", PARTITION, "id1", [Seen(7, "retry", at_ms, (), "idle")])
        )
    found = [(each["route"], each["outcome"], each["times"], each["at"]) for each in (await trace(api))["routes"]]
    ours = [(ROUTE, "retry", 2, 1), ("other", "retry", 5, 4), (ROUTE, "retry", 1, 2), (ROUTE, "retry", 1, 3)]
    assert found == [*ours, (ROUTE, "done", 1, 4)]
