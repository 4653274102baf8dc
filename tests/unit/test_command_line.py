"""All commands are there, and none imports what only others need."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tidemill import __version__
from tidemill.cli.main import COMMANDS, command_line

HEAVY = ("confluent_kafka", "httpx", "sqlalchemy", "fastapi")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_known_by_its_name(name: str) -> None:
    shown = CliRunner().invoke(command_line(COMMANDS), [name, "--help"])
    assert shown.exit_code == 0
    assert f" {name} [" in shown.output


def test_the_broker_starts_without_what_it_does_not_need() -> None:
    told = f"import sys, tidemill.cli.main as m; m.command_line(['broker']); print(*set({HEAVY!r}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_version_is_told_without_the_other_commands() -> None:
    told = (
        "import sys, tidemill.cli.main as m; sys.argv = ['tidemill', 'version']\n"
        "try: m.app()\n"
        f"finally: print(*{{*{HEAVY!r}, 'tidemill.cli.serve', 'rich'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [__version__, ""]
