"""`tidemill serve`: the server in this process, until a signal stops it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

import tidemill.core.logs  # noqa: F401 - the first of ours: see there
from tidemill.cli.failure import fail
from tidemill.core.errors import TidemillError
from tidemill.core.logs import configure_logs
from tidemill.core.settings import read_settings


def serve(
    config: Annotated[Path | None, typer.Option(help="A TOML file; see docs/production.md")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder for everything that is kept")] = None,
    database: Annotated[str | None, typer.Option(help="postgresql://... ; SQLite if not given")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one")] = None,
    print_json: Annotated[
        bool, typer.Option("--print-json", help="Once serving, print one JSON line with url and an admin token")
    ] = False,
) -> None:
    """Serve the API and work on topics, until SIGTERM or Ctrl-C."""
    try:
        settings = read_settings(config, data=data, database=database, host=host, port=port)
        configure_logs(settings.log_format, settings.log_level)
        # Not at the top: the server takes a second to import, and every other command would wait for it.
        from tidemill.server.run import run

        is_clean = uvloop.run(run(settings, print_json=print_json))
    except TidemillError as error:
        fail(f"Tidemill cannot start: {error}")
    # All is closed. A call of the Kafka client that hangs in its own thread must not hold up the exit.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0 if is_clean else 1)
