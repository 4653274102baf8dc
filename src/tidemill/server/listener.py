"""The address that a server listens on. Serves nothing."""

from __future__ import annotations

import socket

from tidemill.core.errors import Unavailable

BACKLOG = 2048


class Listener:
    """Bound at once, so that a port that is taken is known before anything else starts."""

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind((host, port))
            self.socket.listen(BACKLOG)  # from now on a client waits instead of being refused
        except OSError as error:
            self.socket.close()
            raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror or error} (--host, --port)") from error
        self._host = f"[{host}]" if family == socket.AF_INET6 else host

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.socket.getsockname()[1]}"

    def close(self) -> None:
        self.socket.close()
