"""The example chains, each over a message of its own in a real sandbox: every branch ends where the example says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tidemill.core.clock import SystemClock
from tidemill.core.codec import from_json
from tidemill.core.findings import errors
from tidemill.graph.message import Message
from tidemill.rules.trial import Trial
from tidemill.server.trial import open_trial

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLDER = Path(__file__).parents[3] / "examples" / "rulego"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


class Case(msgspec.Struct, frozen=True):
    """`ends` are pairs of a node and its data; a dict of data has what must be among them."""

    data: str
    ends: list[tuple[str, Any]]
    type: str = "T"
    metadata: dict[str, str] = {}
    publications: int = 0


CASES: dict[str, list[Case]] = {
    "kafka-endpoint": [
        Case('{"device": "a", "temperature": 30}', [("to_kafka", {"unit": "C"})], publications=1),
        Case('{"device": "a", "temperature": 3}', [("log_cold", {"temperature": 3})]),
    ],
    "request-response": [
        Case('{"method": "getTime"}', [("time", {"server": "17"})], metadata={"timestamp": "17"}),
        Case('{"method": "dance"}', [("unknown", {"error": "unknown method"})]),
    ],
    "fork-and-join": [Case('{"temperature": 20}', [("done", {"f": 68, "k": 293})])],
    "loops": [Case('{"items": [{"item": "a", "count": 2}, {"item": "b", "count": 1}]}', [("grow", {"n": 144})])],
    "find-first": [
        Case(
            '{"readings": [{"temperature": 3}, {"temperature": 95}, {"temperature": 4}]}',
            [("each", [{"temperature": 3}, {"temperature": 95}])],
        )
    ],
    "groups": [
        Case('{"device": "d", "value": 8}', [("original", {"value": 8})]),
        Case('{"value": 8}', [("checks", {"value": 8})]),
    ],
    "by-type": [
        Case('{"value": 3}', [("marked", {"checked": True})], type="EVENT"),
        Case("{}", [("other", {})]),
    ],
    "checks": [Case('{"value": 3}', [("mark", {"checked": True})]), Case("{}", [("is_number", {})])],
    "last-value": [Case('{"value": 3}', [("out", {"value": 3})], metadata={"device": "d"}, publications=1)],
    "alarms": [Case('{"temperature": 3}', [("is_hot", {"temperature": 3})])],
    "call-and-store": [],
}
"""`call-and-store` needs a service and a database: that it can run is tested, and its nodes elsewhere."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trial() -> AsyncIterator[Trial]:
    async with AsyncExitStack() as stack:
        trial = await open_trial(SystemClock(), stack)
        for name in NAMES:
            id_, findings = await trial.add(from_json((FOLDER / f"{name}.json").read_text()), name)
            assert errors(findings) == [], id_
        yield trial


async def test_every_example_is_run() -> None:
    assert sorted(CASES) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_messages_end_where_they_should(trial: Trial, name: str) -> None:
    id_ = from_json((FOLDER / f"{name}.json").read_text())["ruleChain"]["id"]
    for number, case in enumerate(CASES[name]):
        message = Message(f"m{number}", 1_000, case.type, case.data.encode(), case.metadata)
        tried = await trial.run(id_, message)
        assert [end.node for end in tried.ends] == [node for node, _ in case.ends]
        for end, (_, wanted) in zip(tried.ends, case.ends, strict=True):
            assert part(end.message.value(), wanted) == wanted
        published = [effect for effect in tried.effects if type(effect).__name__ == "Publish"]
        assert len(published) == case.publications


def part(value: Any, wanted: Any) -> Any:
    """Of an object what is wanted of it."""
    if isinstance(value, dict) and isinstance(wanted, dict):
        return {name: value.get(name) for name in wanted}
    return value
