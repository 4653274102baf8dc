"""PostgreSQL for tests: a cluster of its own in a temporary directory, that a test may stop, kill and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.parts.folder import new_folder
from tests.parts.missing import missing

_USER = "postgres"


class Postgres:
    """One cluster. It refuses to run as root, so everything is run as another user then."""

    def __init__(self, binaries: Path, root: Path, owner: str | None) -> None:
        self._binaries = binaries
        self._root = root
        self._data = root / "data"
        self._owner = owner
        self._databases: set[str] = set()
        self.port = _free_port()

    def make(self) -> None:
        self._run("initdb", "-D", str(self._data), "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    def start(self, timeout_s: float = 30) -> None:
        """Returns when it takes connections. After `kill` the old one's shared memory may still be on its way out."""
        options = f"-p {self.port} -k {self._root} -c listen_addresses=127.0.0.1 -c max_connections=200"
        deadline = time.monotonic() + timeout_s
        while not self._try(
            "pg_ctl", "-D", str(self._data), "-l", str(self._root / "log"), "-o", options, "-w", "start"
        ):
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self._root / 'log').read_text()[-2000:]}")
            time.sleep(0.2)

    def stop(self) -> None:
        """As an administrator does: sessions are cut, everything is written."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "fast", "-w", "stop")

    def kill(self) -> None:
        """As a power cut does: kill -9 to the server and all its sessions at once."""
        psutil.wait_procs(self._signal(signal.SIGKILL), timeout=10)

    def freeze(self) -> None:
        """Nobody is refused and nobody gets an answer, as with a network that swallows everything."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        return self._try("pg_ctl", "-D", str(self._data), "status")

    def url(self, database: str) -> str:
        """The address of a database of that name; made empty at the first call."""
        if database not in self._databases:
            self.sql(f'CREATE DATABASE "{database}"')
            self._databases.add(database)
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}"

    def copy(self, source: str, database: str) -> str:
        """The address of a new database with all that `source` has; nobody may be connected to `source`."""
        self.sql(f'CREATE DATABASE "{database}" TEMPLATE "{source}"')
        self._databases.add(database)
        return self.url(database)

    def sql(self, text: str, database: str = "postgres") -> str:
        where = ("-h", str(self._root), "-p", str(self.port), "-U", _USER, "-d", database)
        return self._run("psql", *where, "-v", "ON_ERROR_STOP=1", "-Atqc", text)

    def _signal(self, number: signal.Signals) -> list[psutil.Process]:
        """To the server and all its sessions."""
        server = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        processes = [server, *server.children(recursive=True)]
        for process in processes:
            try:
                process.send_signal(number)
            except psutil.NoSuchProcess:
                continue
        return processes

    def _run(self, binary: str, *arguments: str) -> str:
        done = self._call(binary, arguments)
        if done.returncode != 0:
            raise RuntimeError(f"{binary}: {done.stderr or done.stdout}")
        return done.stdout

    def _try(self, binary: str, *arguments: str) -> bool:
        return self._call(binary, arguments).returncode == 0

    def _call(self, binary: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        as_owner = ("runuser", "-u", self._owner, "--") if self._owner else ()
        # Files, not pipes: the server that pg_ctl leaves behind would hold a pipe open for ever.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            command = (*as_owner, str(self._binaries / binary), *arguments)
            code = subprocess.run(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=self._root).returncode
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(command, code, out.read(), err.read())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _binaries() -> Path | None:
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parent.parent.name), reverse=True
    )
    if found:
        return found[0].parent
    in_path = shutil.which("postgres")
    return Path(in_path).parent if in_path else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running cluster for the whole session. A test that stops it starts it again."""
    with postgres_cluster() as cluster:
        yield cluster


@contextmanager
def postgres_cluster() -> Iterator[Postgres]:
    """A running cluster; the test ends here where PostgreSQL is not installed."""
    binaries = _binaries()
    if binaries is None:
        missing("PostgreSQL is not here: install Debian's package `postgresql`")
    root = new_folder("tidemill-postgres-")
    owner = None
    if os.geteuid() == 0:
        owner = _USER
        shutil.chown(root, owner)
    cluster = Postgres(binaries, root, owner)
    try:
        cluster.make()
        cluster.start()
        yield cluster
    finally:
        if cluster.is_running:
            cluster.stop()
        shutil.rmtree(root, ignore_errors=True)
