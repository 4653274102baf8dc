"""A part of the server that dies by a bug takes the process along, and whoever started it can tell."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tidemill.cli.demo.process import ServerProcess


def test_a_part_that_died_is_no_clean_end(tmp_path: Path) -> None:
    server = ServerProcess(
        tmp_path,
        options=["--port", "0"],
        environment={"TIDEMILL_EMBEDDED_BROKER": "false"},
        log=tmp_path / "server.log",
    )
    try:
        with closing(sqlite3.connect(tmp_path / "tidemill.db", timeout=10)) as database:
            database.execute("DROP TABLE timers")
            database.commit()
        assert server.wait(20) == 1, "a process manager would not start it again"
    finally:
        server.kill()
    assert "background task died" in (tmp_path / "server.log").read_text()
