"""The examples in ThingsBoard's form, over messages in a real sandbox: branches end where they should."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tidemill.core.clock import SystemClock
from tidemill.core.codec import from_json
from tidemill.core.findings import errors
from tidemill.graph.message import Message
from tidemill.rules.trial import Trial, Tried
from tidemill.server.trial import open_trial

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLDER = Path(__file__).parents[3] / "examples" / "thingsboard"
METADATA = {"deviceType": "thermometer", "deviceName": "SN-111"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trial() -> AsyncIterator[Trial]:
    async with AsyncExitStack() as stack:
        trial = await open_trial(SystemClock(), stack)
        for path in sorted(FOLDER.glob("*.json")):
            id_, findings = await trial.add(from_json(path.read_text()), path.stem)
            assert id_ == path.stem
            assert errors(findings) == []
            assert {finding.kind for finding in findings} <= {"tbel"}
        yield trial


async def tried(trial: Trial, chain: str, type_: str, data: str) -> Tried:
    return await trial.run(chain, Message("m", 1_000, type_, data.encode(), METADATA))


def ends(result: Tried) -> list[tuple[str, str]]:
    return sorted((end.node, end.relation) for end in result.ends)


async def test_telemetry_becomes_a_record(trial: Trial) -> None:
    reading = '{"temperature": 30, "serial": "SN-111"}'
    result = await tried(trial, "telemetry-to-kafka", "POST_TELEMETRY_REQUEST", reading)
    (effect,) = result.effects
    record = effect.publication
    assert (record.integration, record.topic, record.key) == ("embedded", "readings-thermometer", b"SN-111")
    assert from_json(record.value) == {"temperature": 30, "serial": "SN-111", "fahrenheit": 86}
    assert record.headers == tuple((f"tb_msg_md_{key}", value.encode()) for key, value in METADATA.items())


async def test_what_is_not_whole_is_logged(trial: Trial) -> None:
    result = await tried(trial, "telemetry-to-kafka", "POST_TELEMETRY_REQUEST", '{"temperature": 30}')
    assert ends(result) == [("node4", "Success")]
    assert [logged.line for logged in result.logs] == [
        '\nIncoming message:\n{"temperature":30}\nIncoming metadata:\n'
        '{"deviceType":"thermometer","deviceName":"SN-111"}'
    ]


async def test_the_root_chain_divides_by_type_and_into_several(trial: Trial) -> None:
    many = '{"temperature": 30, "readings": [{"a": 1}, {"a": 2}]}'
    split = await tried(trial, "root", "POST_TELEMETRY_REQUEST", many)
    assert [(end.node, end.message.type, end.message.value()) for end in split.ends] == [
        ("node4", "READING", {"a": 1}),
        ("node4", "READING", {"a": 2}),
    ]
    state = await tried(trial, "root", "ATTRIBUTES_UPDATED", '{"powerState": "on"}')
    assert ends(state) == [("node5", "All"), ("node6", "Success")]
    assert ends(await tried(trial, "root", "ALARM", "{}")) == [("node2", "Success")]


async def test_a_chain_comes_back_by_its_outputs(trial: Trial) -> None:
    assert ends(await tried(trial, "checks-first", "T", '{"temperature": 3}')) == [("node0", "Plausible")]
    assert ends(await tried(trial, "checks-first", "T", '{"temperature": 300}')) == [("node1", "Success")]
