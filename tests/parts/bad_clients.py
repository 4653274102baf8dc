"""Clients that a broker must live with: they come and die by the hundred, do not read, or stop in mid-frame.

Each kind runs on a thread of its own until it is left, and counts what it did.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

API_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 7, -1)
RESET = struct.pack("ii", 1, 0)
OPEN_AT_ONCE = 100
PAUSE_S = 0.005
"""Between two rounds: on a machine of two cores somebody has to be able to notice."""
HALF_FRAMES = (
    b"\0",
    API_VERSIONS[:4],
    API_VERSIONS[:7],
    API_VERSIONS[:-1],
    struct.pack(">ih", 90_000_000, 0),  # a large Produce of which nothing comes
    struct.pack(">ih", 5_000_000, 3) + b"\0" * 70_000,
)


class BadClients:
    def __init__(self, address: str, seed: int = 1) -> None:
        host, _, port = address.rpartition(":")
        self._to = (host, int(port))
        self._rng = random.Random(seed)
        self._stop = threading.Event()
        self.count = 0
        """Connections that came so far."""

    @contextmanager
    def at_work(self, kind: Callable[[BadClients], None]) -> Iterator[BadClients]:
        thread = threading.Thread(target=kind, args=(self,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def come_and_die(self) -> None:
        """A hundred at once, some after a question, some with a reset, and the next hundred."""
        while not self._stop.wait(PAUSE_S):
            opened = list(self._connected(OPEN_AT_ONCE))
            for client in opened:
                kind = self._rng.randrange(3)
                with suppress(OSError):
                    if kind:
                        client.sendall(API_VERSIONS * self._rng.choice((1, 50)))
                    if kind == 2:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                client.close()

    def do_not_read(self, question: bytes) -> None:
        """Ask as often as the broker takes it, and never look at an answer."""
        opened = list(self._connected(20))
        for client in opened:
            client.setblocking(False)
        while not self._stop.wait(PAUSE_S):
            for client in opened:
                with suppress(OSError):
                    client.send(question * 10)
        _close(opened)

    def stop_in_the_middle(self) -> None:
        """Half a frame each, and then silence; the oldest go as new ones come."""
        opened: list[socket.socket] = []
        while not self._stop.wait(PAUSE_S):
            for client in self._connected(10):
                with suppress(OSError):
                    client.sendall(self._rng.choice(HALF_FRAMES))
                opened.append(client)
            _close(opened[:-OPEN_AT_ONCE])
            del opened[:-OPEN_AT_ONCE]
        _close(opened)

    def _connected(self, count: int) -> Iterator[socket.socket]:
        for _ in range(count):
            with suppress(OSError):
                yield socket.create_connection(self._to, 10)
                self.count += 1


def _close(clients: list[socket.socket]) -> None:
    for client in clients:
        client.close()
