"""The README's first own handler, typed in as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.parts.server import wait_for
from tidemill.cli.demo.process import ServerProcess

README = Path(__file__).parents[2] / "README.md"


def blocks(chapter: str) -> list[str]:
    """The commands of a chapter, block by block."""
    text = README.read_text().partition(f"## {chapter}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def typed(server: ServerProcess, commands: str) -> str:
    """What a terminal shows. Where it differs from the reader's: address, token, where the program is."""
    for written, here in {
        "localhost:8080": server.url,
        ".venv/bin/tidemill": f"{sys.executable} -m tidemill",
    }.items():
        commands = commands.replace(written, here)
    environment = {**os.environ, "T": server.token, "TIDEMILL_TOKEN": server.token, "TIDEMILL_URL": server.url}
    shell = ["bash", "-c", f"shopt -s expand_aliases\nset -e\n{commands}"]
    done = subprocess.run(shell, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_first_handler(server: ServerProcess) -> None:
    start, *definitions, record = blocks("Your first event handler")
    alias = next(line for line in start.splitlines() if line.startswith("alias api="))
    said = [typed(server, f"{alias}\n{commands}") for commands in definitions]
    assert not any("error" in answer.replace("bulkErrorResults", "") for answer in said), said
    *produce, trace = record.splitlines()
    promised = produce[-1].rpartition("# prints: ")[2]
    assert typed(server, "\n".join(produce)).strip() == promised

    def shown_once_published() -> str | None:
        shown = typed(server, trace)
        return shown if "greetings" in shown else None

    shown = wait_for(shown_once_published)
    assert "event_handler:big-orders: done, condition true" in shown
    assert "greet: COMPLETED → record shop greetings 0 0" in shown


def test_the_first_rule_chain(tmp_path: Path) -> None:
    """From a directory that has the examples, as a clone has."""
    (tmp_path / "examples").symlink_to(README.parent / "examples")
    (commands,) = blocks("Rule chains")
    command = commands.replace(".venv/bin/tidemill", f"{sys.executable} -m tidemill")
    done = subprocess.run(
        ["bash", "-ec", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert [json.loads(line)["node"] for line in done.stdout.splitlines()] == ["to_kafka"]
