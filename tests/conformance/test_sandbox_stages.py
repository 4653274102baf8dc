"""What whoever has script nodes may rely on: V8 in its child and the fake give the same answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.fakes.sandbox import FakeSandbox
from tidemill.core.clock import SystemClock
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.script import Sandbox, Script, Stage, Stages
from tidemill.sandbox.settings import SandboxSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")

BODIES = {
    "return msg.n > 1;": lambda msg, metadata, kind, data: msg["n"] > 1,
    "return 1;": lambda msg, metadata, kind, data: 1,
    "msg.n = 0; return true;": lambda msg, metadata, kind, data: not msg.update(n=0),
    "return {msg: {n: msg.n + 1}};": lambda msg, metadata, kind, data: {"msg": {"n": msg["n"] + 1}},
    "return {metadata: {n: msg.n, gone: null, of: [msgType]}, msgType: 'U'};": lambda msg, metadata, kind, data: {
        "metadata": {"n": msg["n"], "gone": None, "of": [kind]},
        "msgType": "U",
    },
    "metadata.lost = '1'; return {};": lambda msg, metadata, kind, data: metadata.update(lost="1") or {},
    "return {msg: '{\"n\":7}'};": lambda msg, metadata, kind, data: {"msg": '{"n":7}'},
    "return {dataType: 'TEXT'};": lambda msg, metadata, kind, data: {"dataType": "TEXT"},
    "return [{msg: 1}];": lambda msg, metadata, kind, data: [{"msg": 1}],
    "return 'text';": lambda msg, metadata, kind, data: "text",
    "return [msg, metadata, msgType, dataType];": lambda msg, metadata, kind, data: [msg, metadata, kind, data],
    "return msg.no.thing;": lambda msg, metadata, kind, data: msg["no"]["thing"],
}
TELLING = "value: return [msg, metadata, msgType, dataType];"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["fake", "V8"])
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    if request.param == "fake":
        fake = FakeSandbox()
        fake.bodies.update(BODIES)
        yield fake
        return
    pool = SandboxPool(SandboxSettings(), SystemClock())
    await pool.start()
    yield pool
    await pool.close()


def stages(*texts: str) -> Script:
    """`kind: body`, as many as are wanted."""
    return Stages(
        [msgspec.convert({"kind": text.split(": ")[0], "code": text.split(": ", 1)[1]}, Stage) for text in texts]
    ).script()


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        (["gate: return msg.n > 1;"], [0, None, None, [], True]),
        (["gate: return 1;", TELLING], [0, None, None, [], 1]),
        (["gate: msg.n = 0; return true;", TELLING], [1, None, None, [], [{"n": 2}, {"k": "v"}, "T", "JSON"]]),
        (["map: return {msg: {n: msg.n + 1}};", "map: return {msg: {n: msg.n + 1}};"], [1, {"msg": {"n": 4}}]),
        (
            ["map: return {metadata: {n: msg.n, gone: null, of: [msgType]}, msgType: 'U'};", TELLING],
            [
                1,
                {"metadata": {"n": "2", "of": '["T"]'}, "msgType": "U"},
                None,
                [],
                [{"n": 2}, {"n": "2", "of": '["T"]'}, "U", "JSON"],
            ],
        ),
        (["map: metadata.lost = '1'; return {};", TELLING], [1, {}, None, [], [{"n": 2}, {"k": "v"}, "T", "JSON"]]),
        (
            ["map: return {msg: '{\"n\":7}'};", TELLING],
            [1, {"msg": '{"n":7}'}, None, [], [{"n": 7}, {"k": "v"}, "T", "JSON"]],
        ),
        (
            ["map: return {dataType: 'TEXT'};", TELLING],
            [1, {"dataType": "TEXT"}, None, [], ['{"n":2}', {"k": "v"}, "T", "TEXT"]],
        ),
        (["map: return [{msg: 1}];", TELLING], [0, None, None, [], [{"msg": 1}]]),
        (["gate: return msg.n > 1;", "map: return 'text';", TELLING], [1, None, "type"]),
        (["map: return {msg: {n: msg.n + 1}};", "value: return msg.no.thing;"], [1, {"msg": {"n": 3}}, "throw"]),
    ],
)
async def test_stages(sandbox: Sandbox, texts: list[str], answer: list[Any]) -> None:
    assert await sandbox.check(stages(*texts)) == []
    (staged,) = await sandbox.run_stages(stages(*texts), [b'[{"n":2},{"k":"v"},"T","JSON"]'])
    changed = json.loads(msgspec.json.encode(staged.changed))
    value = [] if staged.value is None else [json.loads(bytes(staged.value))]
    shown = [staged.stage, changed, staged.error and staged.error.kind, list(staged.logs), *value]
    assert shown == answer + [None, None, None, []][len(answer) : 4]


async def test_what_does_not_compile_is_found_in_its_stage(sandbox: Sandbox) -> None:
    findings = await sandbox.check(stages("gate: return msg.n > 1;", "map: return ((1);"))
    assert [(finding.path, finding.line) for finding in findings] == [("stages[1]", 1)]
