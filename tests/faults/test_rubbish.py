"""Rubbish on the wire: every API and version with bytes bent, cut and added, and plain noise. `TIDEMILL_FRAMES` and
`TIDEMILL_SEED` set how much, and which; every fourth frame is a stranger's.
"""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.conformance.broker.socket_frames import SocketFrames
from tests.parts.broker import BrokerServer
from tests.parts.rubbish import Rubbish
from tidemill.broker.security.users import Users
from tidemill.broker.settings import Fsync

FRAMES = int(os.environ.get("TIDEMILL_FRAMES", "100000"))
SEED = int(os.environ.get("TIDEMILL_SEED", "20261121"))
OPEN_MAX = 60
GROWTH_MB_MAX = 40
API_VERSIONS = struct.pack(">hhih", 18, 0, 7, -1)
RESET = struct.pack("ii", 1, 0)  # no port stays behind for minutes


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BrokerServer]:
    # With few topics: what is made by mistake is not a leak.
    server = BrokerServer(tmp_path, fsync=Fsync.NEVER, topics_max=20, partitions_max=60)
    server.start()
    yield server
    server.kill()


@pytest.mark.timeout(180 + FRAMES // 20)
def test_rubbish(server: BrokerServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.create_topic("kept")
    grown_mb = flooded(server, FRAMES - FRAMES // 4)
    assert server.stop() == 0, tail(server)
    server.start()  # what it has kept does not hurt it either
    with SocketFrames(server.address) as other:
        assert other.ask(API_VERSIONS)
    with capsys.disabled():
        print(f"\n{FRAMES - FRAMES // 4} frames, seed {SEED}: all others answered, {grown_mb:+.1f} MB")  # noqa: T201


@pytest.mark.timeout(180 + FRAMES // 20)
def test_rubbish_of_strangers(tmp_path: Path) -> None:
    """Who has not logged in reaches little, and breaks nothing."""
    server = BrokerServer(tmp_path, authentication=True, greeting_timeout_s=600)
    Users(server.data).add("ann", "a password")
    server.start()
    try:
        flooded(server, FRAMES // 4)
        assert server.stop() == 0, tail(server)
    finally:
        server.kill()


def flooded(server: BrokerServer, frames: int) -> float:
    """By how many MB it grew."""
    rubbish = Rubbish(SEED, "kept")
    warm_mb = 0.0
    with SocketFrames(server.address) as other, closing(Senders(server.address)) as senders:
        for number in range(frames):
            if number == frames // 4:
                warm_mb = server.rss_mb
            frame = rubbish.frame()
            senders.send(frame)
            try:
                assert other.ask(API_VERSIONS)[:4] == API_VERSIONS[4:8]
            except OSError as error:
                pytest.fail(f"not answered after frame {number} of seed {SEED}: {frame.hex()}: {error}\n{tail(server)}")
        grown_mb = server.rss_mb - warm_mb
    is_calm = "request failed" not in server.log and "Traceback" not in server.log
    assert is_calm, tail(server)
    assert grown_mb < GROWTH_MB_MAX
    assert server.is_alive
    return grown_mb


class Senders:
    """A connection for each frame, left open for a while: some frames wait for what never comes."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._to = (host, int(port))
        self._open: deque[socket.socket] = deque()

    def send(self, frame: bytes) -> None:
        sender = socket.create_connection(self._to, 10)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        with suppress(OSError):  # closed while it was sent: that is an answer, too
            sender.sendall(frame)
        self._open.append(sender)
        if len(self._open) > OPEN_MAX:
            self._open.popleft().close()

    def close(self) -> None:
        for sender in self._open:
            sender.close()


def tail(server: BrokerServer) -> str:
    """The log from where something went wrong."""
    log = server.log
    wrong = [at for at in map(log.find, ("request failed", "Traceback")) if at >= 0]
    return log[max(min(wrong) - 200, 0) :][:6000] if wrong else log[-4000:]
