"""What a start may load. A library that comes in by an import at the top of some module costs every start its time and
memory: whoever adds one here has measured it, or imports it where it is first needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

OTHERS_MAX = 880
"""Modules that are not Tidemill's own, of libraries and of Python's."""

SERVE = """
import asyncio, sys
from contextlib import AsyncExitStack
from pathlib import Path

import tidemill.cli.main, tidemill.cli.serve
from tidemill.core.clock import SystemClock
from tidemill.core.settings import read_settings

async def serve():
    from tidemill.server.run import run
    from tidemill.server.build import build
    from tidemill.server.http import HttpServer
    async with AsyncExitStack() as stack:
        await build(read_settings(data=Path(sys.argv[1]), embedded_broker=False), SystemClock(), stack, None)

asyncio.run(serve())
print(*sys.modules)
"""

NOT_WHEN_SERVING = {
    "aiomysql",
    "alembic",
    "asyncpg",
    "attr",
    "confluent_kafka.schema_registry",
    "croniter",
    "httpcore",
    "httpx",
    "jq",
    "jwt",
    "lark",
    "paho",
    "psutil",
    "py_mini_racer",
    "pygments",
    "re2",
    "rich",
    "sqlalchemy.dialects.mysql",
    "sqlalchemy.dialects.postgresql",
    "tidemill.broker.broker",
    "tidemill.rules.nodes",
    "tidemill.web.client",
    "websockets",
}
NOT_IN_THE_BROKER = NOT_WHEN_SERVING - {"tidemill.broker.broker"} | {
    "confluent_kafka",
    "cryptography",
    "fastapi",
    "prometheus_client",
    "pydantic",
    "sqlalchemy",
    "tidemill.server",
    "tidemill.storage",
    "typer",
}


def loaded(told: str, *arguments: str) -> set[str]:
    command = [sys.executable, "-c", told, *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_a_server_with_nothing_to_do_loads_only_what_it_needs(tmp_path: Path) -> None:
    """Also at the first start, which makes the tables."""
    found = loaded(SERVE, str(tmp_path))
    assert found & NOT_WHEN_SERVING == set()
    assert {"fastapi", "sqlalchemy", "uvicorn"} <= found
    assert len({name for name in found if not name.startswith("tidemill")}) <= OTHERS_MAX


def test_the_brokers_process_loads_only_what_it_needs() -> None:
    found = loaded("import sys, tidemill.broker.child; print(*sys.modules)")
    assert found & NOT_IN_THE_BROKER == set()
    assert "tidemill.broker.broker" in found
