"""What happens to the sandbox when scripts hang, eat memory or crash, and when somebody kills its children."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil
import pytest

from tidemill.core.clock import SystemClock
from tidemill.core.errors import Unavailable
from tidemill.core.metrics import REGISTRY
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.script import Script, Stage, Stages
from tidemill.sandbox.settings import SandboxSettings

SETTINGS = SandboxSettings(time_limit_s=1, time_limit_tight_s=0.05, memory_bytes=64 * 2**20)


@pytest.fixture
async def pool() -> AsyncIterator[SandboxPool]:
    pool = SandboxPool(SETTINGS, SystemClock())
    await pool.start()
    await pool.run(script("$"), NUMBERS[:1])
    yield pool
    await pool.close()


def script(source: str, engine: Literal["javascript", "jq"] = "javascript") -> Script:
    return Script(engine, source, "query" if engine == "jq" else "expression")


def given(body: Any) -> bytes:
    return json.dumps({"$": body}).encode()


NUMBERS = [given(n) for n in range(500)]
GUILTY = 321

BOMBS = [
    ("javascript", "if ($ == 321) while (true); $", "timeout"),
    ("javascript", "if ($ == 321) try { while (true); } finally { while (true); } $", "timeout"),
    ("javascript", "if ($ == 321) /^(a+)+$/.test('a'.repeat(40) + 'b'); $", "timeout"),
    ("javascript", "if ($ == 321) { let a = []; while (true) a.push('x'.repeat(1e6) + a.length); } $", "memory"),
    ("javascript", "if ($ == 321) { let a = []; while (true) a.push(new Uint8Array(1e7).fill(1)); } $", "memory"),
    ("javascript", "if ($ == 321) new Array(1e9).fill(1); $", "memory"),
    ("javascript", "if ($ == 321) { let a = [1]; while (true) a.push(a.slice(), a.slice()); } $", "memory"),
    ("javascript", "let a = 1; if ($ == 321) for (let i = 0; i < 5000; i++) a = [a]; $ == 321 ? a : $", "type"),
    ("jq", "def f: f; if . == 321 then f else . end", "timeout"),
    ("jq", 'if . == 321 then reduce range(1e9) as $i ("x"; . + .) else . end', "memory"),
]


@pytest.mark.parametrize(("engine", "source", "kind"), BOMBS)
async def test_the_guilty_message_alone_fails(
    pool: SandboxPool, engine: Literal["javascript", "jq"], source: str, kind: str
) -> None:
    if kind == "memory":  # on a busy machine a bomb may need more than the second that the others get
        await pool.close()
        pool = SandboxPool(msgspec.structs.replace(SETTINGS, time_limit_s=20), SystemClock())
        await pool.start()
    computed = await pool.run(script(source, engine), NUMBERS)
    await pool.close()
    values = [item.value[0] if isinstance(item.value, list) else item.value for item in computed]
    assert values == [None if n == GUILTY else n for n in range(500)]
    assert [(n, item.error.kind) for n, item in enumerate(computed) if item.error] == [(GUILTY, kind)]


@pytest.mark.parametrize(
    ("bomb", "kind", "count"),
    [
        ("while (true);", "timeout", 300),
        # V8 takes its process with it.
        ("let text = 'x'.repeat(5e8), all = []; while (true) all.push(text.split(''));", "memory", 300),
        ("let text = 'x'.repeat(5e8), all = []; while (true) all.push(text.split(''));", "memory", 1),
    ],
)
async def test_the_guilty_message_fails_at_the_guilty_stage(bomb: str, kind: str, count: int) -> None:
    last = count - 1
    stages = [
        Stage("return true;", "gate"),
        Stage("return {msg: msg + 1};", "map"),
        Stage(f"if (msg == {last + 1}) {{ {bomb} }} return msg;", "value"),
    ]
    pool = SandboxPool(msgspec.structs.replace(SETTINGS, time_limit_s=1 if kind == "timeout" else 20), SystemClock())
    await pool.start()
    answers = await pool.run_stages(Stages(stages).script(), [f'[{n},{{}},"T","JSON"]'.encode() for n in range(count)])
    await pool.close()
    ends = [(answer.stage, answer.error and answer.error.kind) for answer in answers]
    assert ends == [*[(2, None)] * last, (2, kind)]
    assert [bytes(answer.value) for answer in answers if answer.value] == [b"%d" % (n + 1) for n in range(last)]


@pytest.mark.parametrize("engine", ["javascript", "jq"])
async def test_kill_9_in_the_middle_of_a_call_costs_no_message(
    pool: SandboxPool, engine: Literal["javascript", "jq"]
) -> None:
    slow = "const end = Date.now() + 3; while (Date.now() < end); $" if engine == "javascript" else "[range(2000)] | 1"
    await pool.run(script(slow, engine), NUMBERS[:1])
    running = asyncio.create_task(pool.run(script(slow, engine), NUMBERS))
    await asyncio.sleep(0.2)
    victims = list(pool.pids)
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    computed = await running
    assert not running.cancelled()
    assert [item.error for item in computed] == [None] * 500
    assert not set(victims) & set(pool.pids[:1] if engine == "javascript" else pool.pids[1:])


async def test_a_child_that_was_killed_while_idle_is_replaced(pool: SandboxPool) -> None:
    os.kill(pool.pids[0], signal.SIGKILL)
    assert (await pool.run(script("$ + 1"), NUMBERS[:1]))[0].value == 1
    os.kill(pool.pids[0], signal.SIGKILL)
    assert await pool.check(script("$ + 1")) == []


async def test_a_stopped_child_is_killed_and_its_work_done_by_another(pool: SandboxPool) -> None:
    pid = pool.pids[0]
    os.kill(pid, signal.SIGSTOP)
    computed = await pool.run(script("$"), NUMBERS[:2])
    assert [item.value for item in computed] == [0, 1]
    assert pid not in pool.pids


async def test_a_script_that_always_hangs_gets_less_and_less_time(pool: SandboxPool) -> None:
    started = time.monotonic()
    computed = await pool.run(script("while (true);"), NUMBERS[:20])
    assert {item.error.kind for item in computed if item.error} == {"timeout"}
    assert len(computed) == 20
    assert time.monotonic() - started < 12
    assert [item.error for item in await pool.run(script("$"), NUMBERS)] == [None] * 500


async def test_promises_without_end_do_not_stop_the_others(pool: SandboxPool) -> None:
    endless = script("(function f() { Promise.resolve().then(f); })(); $")
    assert [item.value for item in await pool.run(endless, NUMBERS[:3])] == [0, 1, 2]
    assert [item.value for item in await pool.run(script("$"), NUMBERS)] == list(range(500))
    assert [item.value for item in await pool.run(endless, NUMBERS[:3])] == [0, 1, 2]


async def test_memory_that_a_script_keeps_does_not_hurt_the_next(pool: SandboxPool) -> None:
    hoarder = "Array.prototype.kept = (Array.prototype.kept || []).concat('x'.repeat(1e6) + $); $"
    for n in range(4):
        await pool.run(script(f"{hoarder} + {n}"), NUMBERS[:100])
    assert [item.value for item in await pool.run(script("$"), NUMBERS)] == list(range(500))


async def test_a_cancelled_call_leaves_no_answer_to_the_next(pool: SandboxPool) -> None:
    slow = script("const end = Date.now() + 3; while (Date.now() < end); 'slow'")
    running = asyncio.create_task(pool.run(slow, NUMBERS))
    await asyncio.sleep(0.1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [item.value for item in await pool.run(script("$"), NUMBERS[:3])] == [0, 1, 2]


async def test_a_call_that_is_cancelled_costs_the_one_behind_it_nothing(pool: SandboxPool) -> None:
    slow = script("const end = Date.now() + 3; while (Date.now() < end); 'slow'")
    running = [asyncio.create_task(pool.run(each, NUMBERS)) for each in (slow, script("$"))]
    await asyncio.sleep(0.1)
    running[0].cancel()
    assert [item.value for item in await running[1]] == list(range(500))
    assert running[0].cancelled()


async def test_a_call_behind_one_that_takes_the_child_with_it_is_blamed_for_nothing(pool: SandboxPool) -> None:
    endless, good = script("def f: f; f", "jq"), script(".", "jq")
    bad, *others = await asyncio.gather(*(pool.run(each, NUMBERS[:2]) for each in (endless, good, good)))
    assert [item.error and item.error.kind for item in bad] == ["timeout", "timeout"]
    assert [[item.value for item in other] for other in others] == [[[0], [1]]] * 2


async def test_calls_wait_for_a_child_and_too_many_are_refused() -> None:
    pool = SandboxPool(SandboxSettings(calls_waiting_max=5), SystemClock())
    await pool.start()
    try:
        calls = [pool.run(script("$"), NUMBERS[:2]) for _ in range(10)]
        results = await asyncio.gather(*calls, return_exceptions=True)
    finally:
        await pool.close()
    assert sum(isinstance(result, Unavailable) for result in results) == 4
    assert all(len(result) == 2 for result in results if not isinstance(result, BaseException))


async def test_a_child_sees_no_environment_and_opens_nothing(pool: SandboxPool) -> None:
    await pool.run(script(".", "jq"), NUMBERS[:1])
    for pid in pool.pids:
        proc = Path(f"/proc/{pid}")
        assert (proc / "environ").read_bytes().strip(b"\0") == b""
        assert os.listdir(proc / "cwd") == []  # noqa: PTH208
        limits = (proc / "limits").read_text()
        assert limits.count("Max open files            0") == 1
        assert limits.count("Max file size             0") == 1
        assert limits.count("Max core file size        0") == 1
        kinds = {os.readlink(entry).split(":")[0] for entry in (proc / "fd").iterdir()}  # noqa: PTH115
        assert kinds <= {"pipe", "socket", "anon_inode", "/dev/null", f"/proc/{pid}/statm"}


async def test_the_children_are_gone_when_the_pool_closes() -> None:
    pool = SandboxPool(SETTINGS, SystemClock())
    await pool.start()
    assert list(pool.pids) == [], "none before the first call"
    await pool.run(script(".", "jq"), NUMBERS[:1])
    await pool.run(script("$"), NUMBERS[:1])
    pids = list(pool.pids)
    assert len(pids) == 2
    running = asyncio.create_task(pool.run(script("while (true);"), NUMBERS))
    await asyncio.sleep(0.1)
    await pool.close()
    with pytest.raises(Unavailable):
        await running
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert list(pool.pids) == []
    with pytest.raises(Unavailable):
        await pool.run(script("$"), NUMBERS[:1])


_PARENT = """
import asyncio, json, sys
from tidemill.core.clock import SystemClock
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.script import Script, Stage, Stages
from tidemill.sandbox.settings import SandboxSettings

async def main():
    pool = SandboxPool(SandboxSettings(), SystemClock())
    await pool.start()
    await pool.run(Script("jq", ".", "query"), [b'{"$":1}'])
    print(json.dumps(pool.pids), file=sys.stderr, flush=True)
    await pool.run(Script("javascript", "while (true);", "expression"), [b'{"$":1}'])

asyncio.run(main())
"""


async def test_the_children_die_with_their_parent() -> None:
    with subprocess.Popen(  # noqa: ASYNC220 - the test has nothing else to do
        [sys.executable, "-c", _PARENT], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as parent:
        assert parent.stderr is not None
        pids = json.loads(parent.stderr.readline())
        await asyncio.sleep(0.2)
        assert all(psutil.pid_exists(pid) for pid in pids)
        parent.kill()
    deadline = time.monotonic() + 5
    while any(psutil.pid_exists(pid) and _is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a child outlived its parent"
        await asyncio.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_what_was_done_is_counted(pool: SandboxPool) -> None:
    def messages() -> float:
        return REGISTRY.get_sample_value("tidemill_sandbox_messages_total", {"engine": "javascript"}) or 0

    before = messages()
    await pool.run(script("$"), NUMBERS)
    assert messages() - before == 500


async def test_a_sandbox_that_cannot_start_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    pool = SandboxPool(SETTINGS, SystemClock())
    await pool.start()
    with pytest.raises(Unavailable):
        await pool.run(script("$"), NUMBERS)
    await pool.close()
