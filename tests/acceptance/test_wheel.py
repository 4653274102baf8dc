"""The wheel, as a package index would have it: all that is needed is in it. Built and installed without the network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*command: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, (command, done)
    return done.stdout


def test_the_demo_runs_from_the_wheel_alone(tmp_path: Path) -> None:
    """From a directory with nothing in it; the server that it starts is the installed one, too."""
    installed, empty = tmp_path / "installed", tmp_path / "empty"
    empty.mkdir()
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(tmp_path), str(ROOT), cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run(*pip, "install", "--no-deps", "--no-index", "--target", str(installed), str(wheel), cwd=tmp_path)
    where = run("-c", "import tidemill; print(tidemill.__file__)", cwd=empty, PYTHONPATH=str(installed))
    assert Path(where.strip()) == installed / "tidemill" / "__init__.py"
    said = run("-m", "tidemill", "demo", "--once", "--json", "--records", "20", cwd=empty, PYTHONPATH=str(installed))
    counted = json.loads(said)
    assert (counted["records"], counted["lost"], counted["doubled"]) == (20, 0, 0)
    package = installed / "tidemill"
    shown = sorted(path.relative_to(package).as_posix() for path in package.rglob("*.json"))
    assert shown == sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "examples").rglob("*.json"))
    assert list(empty.iterdir()) == []
