"""delay: for how long, how many, and what waits at a time. How it goes on: `test_resuming`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.rules import RulesRoom, message
from tests.unit.rules.nodes.ends import node, ran, shown


async def waits_ms(configuration: dict[str, Any], **metadata: str) -> int | str | None:
    """For how long; None where it goes on at once, and the reason where it fails."""
    room = RulesRoom()
    (result,) = await ran(room, [node("d", "delay", **configuration)], [], message(b'{"n":7}', **metadata))
    if result.held:
        assert result.ends == []
        return result.held[0].hold.due_ms - room.clock.now_ms()
    return result.ends[0].error if result.failures else None


@pytest.mark.parametrize(
    ("configuration", "delay_ms"),
    [
        ({"delayMs": 5000}, 5_000),
        ({"delayMs": " 5000 "}, 5_000),
        ({"delayMs": "${msg.n * 1000}"}, 7_000),
        ({"delayMs": "${metadata.pause}"}, 9_000),
        ({"delayMs": "${pause}"}, 9_000),
        ({"periodInSeconds": 3}, 3_000),
        ({"periodInSeconds": 3, "periodInSecondsPattern": "${metadata.seconds}"}, 4_000),
        ({"delayMs": 5000, "periodInSeconds": 3}, 5_000),
        ({}, 60_000),
        ({"delayMs": ""}, 60_000),
        ({"delayMs": 0}, None),
        ({"delayMs": -5}, None),
    ],
)
async def test_how_long(configuration: dict[str, Any], delay_ms: int | None) -> None:
    assert await waits_ms(configuration, pause="9000", seconds="4") == delay_ms


async def test_what_is_over_already_is_subtracted() -> None:
    assert await waits_ms({"delayMs": 5000}, _delayOffsetMs="2000") == 3_000
    assert await waits_ms({"delayMs": 5000}, _delayOffsetMs="5000") is None
    assert await waits_ms({"delayMs": 5000}, _delayOffsetMs="a while") == (
        "_delayOffsetMs must be a whole number, not 'a while'"
    )


async def test_a_delay_that_is_none_fails_that_message() -> None:
    assert await waits_ms({"delayMs": "${metadata.pause}"}, pause="soon") == (
        "the delay must be a whole number, not 'soon'"
    )
    assert "longer than a year" in str(await waits_ms({"delayMs": "${metadata.pause}"}, pause="9" * 15))


async def test_what_is_wrong_is_found_when_it_is_saved() -> None:
    for configuration, key in (
        ({"delayMs": "soon"}, "delayMs"),
        ({"delayMs": "${msg.}"}, "delayMs"),
        ({"periodInSecondsPattern": "${"}, "periodInSecondsPattern"),
        ({"maxPendingMsgs": "many"}, "maxPendingMsgs"),
    ):
        saved = await RulesRoom().save("main", [node("d", "delay", **configuration)])
        assert [finding.path for finding in saved.findings] == [f"metadata.nodes[0].configuration.{key}"]


async def test_no_more_wait_than_may() -> None:
    room = RulesRoom()
    await room.save("main", [node("d", "delay", delayMs=5000, maxPendingMsgs=3)])
    for _ in range(2):
        await room.hand.run("main", message())
    results = await room.run("main", message(), message())
    assert [bool(result.held) for result in results] == [True, False]
    assert results[1].failures[0].error == "3 messages wait here already"
    assert shown(results[1].ends) == [("d", "Failure")]
