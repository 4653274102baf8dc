"""MariaDB for tests: a server of its own in a temporary directory."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.missing import missing

START_TIMEOUT_S = 60.0
_DATABASE = "shop"


@pytest.fixture(scope="session")
def mariadb() -> Iterator[str]:
    """The address, as Go's driver reads it, of an empty database. The password has signs that mean something there."""
    server, install = shutil.which("mariadbd", path=_path()), shutil.which("mariadb-install-db", path=_path())
    if server is None or install is None:
        missing("MariaDB is not here: install Debian's package `mariadb-server`")
    root = Path(tempfile.mkdtemp(prefix="tidemill-mariadb-"))
    owner = ["--user=mysql"] if os.geteuid() == 0 else []
    if owner:
        shutil.chown(root, "mysql")
    data, port = root / "data", _free_port()
    first = root / "first.sql"
    first.write_text(
        f"CREATE DATABASE {_DATABASE};\n"
        "CREATE USER 'shop'@'127.0.0.1' IDENTIFIED BY 'p@ss:(w)/rd';\n"
        f"GRANT ALL ON {_DATABASE}.* TO 'shop'@'127.0.0.1';\n"
    )
    first.chmod(0o644)
    made = subprocess.run(
        [install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", *owner],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    places = [f"--datadir={data}", f"--socket={root / 'socket'}", f"--port={port}", f"--init-file={first}"]
    with (root / "log").open("wb") as output:
        process = subprocess.Popen(
            [server, "--no-defaults", *places, "--bind-address=127.0.0.1", "--skip-name-resolve", *owner],
            stdout=output,
            stderr=output,
        )
    try:
        _wait(port, process, root / "log")
        yield f"shop:p@ss:(w)/rd@tcp(127.0.0.1:{port})/{_DATABASE}"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(root, ignore_errors=True)


def _wait(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"MariaDB did not start:\n{output.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _path() -> str:
    """Servers are where only an administrator's PATH looks."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
