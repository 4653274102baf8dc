"""The `timeout` of groups: what is not done by then is given up, each message's own, and the rest goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.fakes.rules import RulesRoom, message
from tests.unit.rules.nodes.ends import Node, node, ran, shown, value
from tidemill.core.http import HttpRequest, HttpResponse
from tidemill.graph.message import Message
from tidemill.rules.functions import FUNCTIONS, function
from tidemill.rules.nowhere import NOWHERE
from tidemill.rules.ports import World

OVER = "the group g waits 1 s, and they are over"


class HalfAWorld:
    """What is slow never answers."""

    def __init__(self) -> None:
        self.under_way = 0
        self.given_up = 0
        self.most = 0

    async def call(self, request: HttpRequest) -> HttpResponse:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await (asyncio.Event().wait() if "slow" in request.uri else asyncio.sleep(0.05))
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        finally:
            self.under_way -= 1
        return HttpResponse(200, "OK", (), b'{"who":"quick"}')


@pytest.fixture
def outside() -> HalfAWorld:
    return HalfAWorld()


@pytest.fixture
def room(outside: HalfAWorld) -> RulesRoom:
    return RulesRoom(world=World(outside, NOWHERE.databases, NOWHERE.mailer, NOWHERE.mqtt))


@pytest.fixture
def sleeper() -> Iterator[str]:
    @function("sleeper")
    async def sleeper(message: Message) -> Message:
        await asyncio.Event().wait()
        return message

    yield "sleeper"
    FUNCTIONS._registered.pop("sleeper")


def call(id_: str, **configuration: object) -> Node:
    url = f"http://{id_}.example" if "slow" in id_ else "http://quick.example/${msg.to}"
    return node(id_, "restApiCall", restEndpointUrlPattern=url, readTimeoutMs=0, **configuration)


CALLS = [call("slow"), call("quick")]
GIVEN = message(b'{"to":"x"}')


async def test_a_slow_call_is_given_up_and_the_others_are_kept(room: RulesRoom, outside: HalfAWorld) -> None:
    (result,) = await ran(room, [node("g", "groupAction", nodeIds="slow,quick", timeout=1), *CALLS], [], GIVEN)
    (end,) = result.ends
    assert (end.relation, end.error) == ("Failure", f"1 of 2 nodes told Success, 2 are to: slow: {OVER}")
    assert [(part["nodeId"], part["err"]) for part in value(end)] == [("slow", OVER), ("quick", "")]
    assert (outside.given_up, outside.under_way) == (1, 0)
    assert outside.most == 2, "they are to run at once"


@pytest.mark.parametrize(("relation", "told"), [("Success", "Success"), ("Failure", "Failure")])
async def test_what_is_given_up_matches_nothing(room: RulesRoom, relation: str, told: str) -> None:
    group = node("g", "groupAction", nodeIds="slow,quick", matchNum=1, matchRelationType=relation, timeout=1)
    (result,) = await ran(room, [group, *CALLS], [], GIVEN)
    assert shown(result.ends) == [("g", told)]


async def test_what_a_message_waits_behind_others_does_not_count(room: RulesRoom, outside: HalfAWorld) -> None:
    """25 calls of 50 ms, one at a time, take longer than the second that each of them has."""
    nodes = [node("g", "groupAction", nodeIds="quick", timeout=1), call("quick", maxParallelRequestsCount=1)]
    results = await ran(room, nodes, [], *[GIVEN] * 25, message(b'{"to":"slow"}'))
    told = [end.relation for result in results for end in result.ends]
    assert told == ["Success"] * 25 + ["Failure"]
    assert outside.most == 1


async def test_a_chain_inside_has_no_more_time(room: RulesRoom) -> None:
    await room.save("inner", [call("slow")])
    nodes = [node("g", "groupAction", nodeIds="f", timeout=1), node("f", "flow", targetId="inner")]
    (result,) = await ran(room, nodes, [], GIVEN)
    assert OVER in (result.ends[0].error or "")


async def test_a_group_inside_says_whose_time_is_over(room: RulesRoom) -> None:
    nodes = [
        node("g", "groupAction", nodeIds="h", timeout=1),
        node("h", "groupAction", nodeIds="slow", timeout=0),
        *CALLS,
    ]
    (result,) = await ran(room, nodes, [], GIVEN)
    assert OVER in (result.ends[0].error or "")


async def test_a_function_is_given_up(room: RulesRoom, sleeper: str) -> None:
    nodes = [node("g", "groupAction", nodeIds="f", timeout=1), node("f", "functions", functionName=sleeper)]
    (result,) = await ran(room, nodes, [], GIVEN)
    assert OVER in (result.ends[0].error or "")


@pytest.mark.parametrize(
    ("also", "is_all", "told"),
    [("yes", False, "True"), ("no", False, "Failure"), ("no", True, "False"), ("yes", True, "Failure")],
)
async def test_a_filter_fails_where_it_depends_on_it(room: RulesRoom, also: str, is_all: bool, told: str) -> None:
    room.sandbox.bodies = {"yes": lambda *_: True, "no": lambda *_: False}
    nodes = [
        node("g", "groupFilter", nodeIds=f"slow,{also}", allMatches=is_all, timeout=1),
        node(also, "jsFilter", jsScript=also),
        *CALLS,
    ]
    (result,) = await ran(room, nodes, [], GIVEN)
    assert shown(result.ends) == [("g", told)]
    assert (OVER in (result.ends[0].error or "")) is (told == "Failure")
