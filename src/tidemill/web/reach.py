"""Whether a server may be connected to at all, where the protocol's library makes the connection itself.

A name is asked for once more by the library; it could have changed by then (`addresses` closes that gap for HTTP).
"""

from __future__ import annotations

import asyncio
import socket

from tidemill.rules.ports import OutsideFailed


class Reach:
    """`is_private_allowed`: whether this machine and private networks may be reached."""

    def __init__(self, *, is_private_allowed: bool) -> None:
        self.is_private_allowed = is_private_allowed

    async def check(self, host: str, port: int) -> None:
        """Raises `OutsideFailed`."""
        if self.is_private_allowed:
            return
        if not host or host.startswith("/"):
            raise OutsideFailed("this machine is not to be reached")
        from tidemill.web.addresses import is_public  # with the client for HTTP, which is not small

        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise OutsideFailed(f"no address of {host}: {error}") from error
        if not all(is_public(str(address[0])) for *_, address in found):
            raise OutsideFailed(f"{host} is this machine or in a private network, and those are not to be reached")

    def check_file(self) -> None:
        """For what is a file of this machine. Raises `OutsideFailed`."""
        if not self.is_private_allowed:
            raise OutsideFailed("files of this machine are not to be reached")
