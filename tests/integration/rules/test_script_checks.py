"""Scripts of a chain are compiled together when it is saved, and each finding has the path of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tidemill.core.clock import SystemClock
from tidemill.rules.scripts.checks import CHECKED_MAX, script_findings
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.script import Script, Stage, Stages
from tidemill.sandbox.settings import SandboxSettings


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxPool]:
    pool = SandboxPool(SandboxSettings(), SystemClock())
    await pool.start()
    yield pool
    await pool.close()


def script(code: str, **globals_: str) -> Script:
    return Stages([Stage(code, "gate")], {"vars": globals_}).script()


async def test_thousands_of_scripts_take_a_few_calls(sandbox: SandboxPool) -> None:
    many = [(f"nodes[{number}]", script(f"return {number};")) for number in range(20 * CHECKED_MAX)]
    many[7] = ("nodes[7]", script("return (7;"))
    many[-1] = ("last", script("return 1;\nlet let = 2;"))
    many += [("twin", script("return (7;")), ("other", script("return ]", a="1"))]
    found = await script_findings(sandbox, many)
    assert [(each.path, each.line, each.kind) for each in found] == [
        ("nodes[7]", 1, "compile"),
        ("twin", 1, "compile"),
        ("last", 2, "compile"),
        ("other", 1, "compile"),
    ]


async def test_a_script_of_a_megabyte_does_not_stand_in_the_way(sandbox: SandboxPool) -> None:
    large = f"return '{'x' * 2**20}'.length > 0;"
    found = await script_findings(
        sandbox, [("a", script(large)), ("b", script("return (;")), ("c", script("return 1;"))]
    )
    assert [each.path for each in found] == ["b"]
