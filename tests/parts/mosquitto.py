"""Mosquitto for tests: MQTT servers of their own, that a test may stop and start again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.missing import missing

START_TIMEOUT_S = 60.0
USER, PASSWORD = "mill", "s3cret"


class Mosquitto:
    """One server. It takes whoever logs in as `USER`, and over TLS where `certificate` and key are given."""

    def __init__(self, binary: str, root: Path, tls: tuple[Path, Path] | None = None) -> None:
        self._binary = binary
        self._root = root
        self._tls = tls
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        passwords, log, conf = (self._root / name for name in ("passwords", "log", "conf"))
        passwords.write_text(f"{USER}:{PASSWORD}\n")
        passwords.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True, env={"PATH": _path()})
        lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous false", f"password_file {passwords}"]
        lines += [f"log_dest file {log}", "persistence false", "user root"]
        if self._tls is not None:
            lines += [f"certfile {self._tls[0]}", f"keyfile {self._tls[1]}"]
        conf.write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen([self._binary, "-c", str(conf)], stderr=subprocess.DEVNULL)
        _wait(self.port, self._process)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @property
    def connections(self) -> int:
        """How many there have been of clients that logged in."""
        return (self._root / "log").read_text().count("New client connected")


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    yield from _running(tmp_path, None)


@pytest.fixture
def mosquitto_tls(tmp_path: Path) -> Iterator[Mosquitto]:
    """Its certificate is `certificate.pem` in `tmp_path`."""
    from tests.parts.certificate import make_certificate

    yield from _running(tmp_path, make_certificate(tmp_path))


def _running(root: Path, tls: tuple[Path, Path] | None) -> Iterator[Mosquitto]:
    binary = shutil.which("mosquitto", path=_path())
    if binary is None:
        missing("Mosquitto is not here: install Debian's package `mosquitto`")
    server = Mosquitto(binary, root, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("Mosquitto did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _path() -> str:
    """Servers are where only an administrator's PATH looks."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
