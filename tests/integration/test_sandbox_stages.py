"""Script nodes in a real child: what each kind does, and that a stage does not notice the others."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tidemill.core.clock import SystemClock
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.script import Script, Stage, Staged, Stages
from tidemill.sandbox.settings import SandboxSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool() -> AsyncIterator[SandboxPool]:
    pool = SandboxPool(SandboxSettings(time_limit_s=0.5), SystemClock())
    await pool.start()
    yield pool
    await pool.close()


def stages(*texts: str, **shared: Any) -> Script:
    """`kind: body`, as many as are wanted."""
    parts = [text.partition(":") for text in texts]
    return Stages([Stage(code.removeprefix(" "), kind) for kind, _, code in parts], shared).script()  # type: ignore[arg-type]


def given(msg: Any, metadata: dict[str, str] | None = None, kind: str = "T", data: str = "JSON") -> bytes:
    return json.dumps([msg, metadata or {}, kind, data]).encode()


def shown(staged: Staged) -> dict[str, Any]:
    """What there is of it, in plain values."""
    parts = {"stage": staged.stage, "value": _plain(staged.value), "error": staged.error and staged.error.kind}
    if staged.logs:
        parts["logs"] = list(staged.logs)
    changed = msgspec.json.decode(msgspec.json.encode(staged.changed))
    return {name: part for name, part in (parts | (changed or {})).items() if part is not None}


def _plain(value: msgspec.Raw | None) -> Any:
    return None if value is None else json.loads(bytes(value))


async def one(pool: SandboxPool, script: Script, *item: Any) -> dict[str, Any]:
    (staged,) = await pool.run_stages(script, [given(*item)])
    return shown(staged)


FILTER = "gate: return msg.temperature > 20;"
TRANSFORM = "map: metadata.seen = '1'; msg.unit = 'C'; return {msg: msg, metadata: metadata, msgType: msgType};"


async def test_a_filter_and_a_transform_share_a_call(pool: SandboxPool) -> None:
    inputs = [given({"temperature": n}, {"k": "v"}) for n in range(0, 41, 10)]
    stopped = {"stage": 0, "value": False}
    answers = [shown(staged) for staged in await pool.run_stages(stages(FILTER, TRANSFORM), inputs)]
    assert answers == [stopped] * 3 + [
        {"stage": 1, "msg": {"temperature": n, "unit": "C"}, "metadata": {"k": "v", "seen": "1"}} for n in (30, 40)
    ]
