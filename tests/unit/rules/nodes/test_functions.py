"""Python functions as nodes."""

from __future__ import annotations

from typing import Any

import pytest

import tidemill
from tests.fakes.rules import RulesRoom, chain, message
from tidemill.core.errors import Unavailable
from tidemill.graph.message import Message
from tidemill.rules.chains.examination import examine


@tidemill.function("test-double")
def double(given: Message) -> Message:
    return given.told(data=given.data * 2)


@tidemill.function("test-sort")
async def sort(given: Message, param: str) -> list[tuple[str, Message]]:
    return [(param, given), ("Other", given.told(data=b"other"))]


@tidemill.function("test-quiet")
def quiet(given: Message) -> None: ...


@tidemill.function("test-drop")
def drop(given: Message) -> list[tuple[str, Message]]:
    return []


@tidemill.function("test-bad")
def bad(given: Message) -> Any:
    if given.data == b"1":
        raise KeyError("rubbish")
    return 7


@tidemill.function("test-away")
def away(given: Message) -> Any:
    raise Unavailable("the service is away")


async def ends(name: str, *sent: Message, param: str = "") -> list[list[tuple[str, str]]]:
    room = RulesRoom()
    configuration = {"functionName": name, "param": param}
    await room.save("c", [{"id": "n", "type": "functions", "configuration": configuration}])
    results = await room.run("c", *sent)
    return [[(end.relation, end.error or end.message.text) for end in result.ends] for result in results]


async def test_what_a_function_returns_is_told() -> None:
    assert await ends("test-double", message(b"1"), message(b"2")) == [[("Success", "11")], [("Success", "22")]]
    assert await ends("test-sort", message(b"1"), param="hot") == [[("hot", "1"), ("Other", "other")]]
    assert await ends("test-quiet", message(b"1")) == [[("Success", "1")]]
    assert await ends("test-drop", message(b"1")) == [[]]


async def test_a_function_that_fails_fails_its_own_message() -> None:
    reason = "the function returned int, and no message, pair of relation and message, or list of pairs"
    assert await ends("test-bad", message(b"1"), message(b"2")) == [
        [("Failure", "KeyError: 'rubbish'")],
        [("Failure", reason)],
    ]


async def test_a_world_that_is_away_is_for_the_whole_batch() -> None:
    with pytest.raises(Unavailable):
        await ends("test-away", message(b"1"))


async def test_the_name_may_be_the_messages() -> None:
    sent = [message(b"1", do="test-double"), message(b"2", do="test-nope"), message(b"3")]
    assert await ends("${metadata.do}", *sent) == [
        [("Success", "11")],
        [("Failure", "there is no function 'test-nope'")],
        [("Failure", "there is no function ''")],
    ]


async def test_a_name_that_nobody_has_is_found_when_the_chain_is_saved() -> None:
    nodes = [{"id": "n", "type": "functions", "configuration": {"functionName": "test-dubble"}}]
    _, (finding,) = await examine(chain(nodes), RulesRoom().parts.chains.setup, "c")
    assert finding.path == "metadata.nodes[0].configuration.functionName"
    assert finding.message == "there is no function 'test-dubble'; did you mean 'test-double'?"


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="there is a function 'test-quiet' already"):
        tidemill.function("test-quiet")(double)
    with pytest.raises(TypeError, match="has a name"):
        tidemill.function("")
