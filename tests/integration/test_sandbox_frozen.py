"""A machine that stops for longer than any limit, and goes on, blames no script: nothing ran in the meantime."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import psutil
import pytest

FROZEN_S = 4.0  # the limit is 1 s, and the grace of the child's own limit 2 s
_PROGRAM = """
import asyncio, sys
from tidemill.core.clock import SystemClock
from tidemill.sandbox.pool import SandboxPool
from tidemill.sandbox.script import Script
from tidemill.sandbox.settings import SandboxSettings

async def main():
    pool = SandboxPool(SandboxSettings(time_limit_s=1.0), SystemClock())
    await pool.start()
    script = Script(*sys.argv[1:4])
    await pool.run(Script(script.engine, "1", script.form), [b'{"$": 0}'])
    print("begun", flush=True)
    (computed,) = await pool.run(script, [b'{"$": 7}'])
    print("answered", computed.value, computed.error, flush=True)
    await pool.close()

asyncio.run(main())
"""
BUSY = [
    ["javascript", "var end = Date.now() + 500; while (Date.now() < end); $", "expression"],
    ["jq", ". as $x | last(range(1500000)) | $x", "query"],
]


@pytest.mark.parametrize("who", ["server", "all"])
@pytest.mark.parametrize("script", BUSY, ids=["javascript", "jq"])
def test_frozen_in_the_middle_of_a_call(script: Sequence[str], who: str) -> None:
    command = [sys.executable, "-c", _PROGRAM, *script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "begun\n":
            assert process.poll() is None
        time.sleep(0.02)
        frozen = [process.pid]
        if who == "all":
            frozen += [child.pid for child in psutil.Process(process.pid).children()]
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(FROZEN_S)
        for pid in reversed(frozen):
            os.kill(pid, signal.SIGCONT)
        (*_, answer) = process.stdout.read().splitlines()
    assert answer in ("answered 7 None", "answered [7] None")
