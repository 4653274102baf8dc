"""Which machines calls may reach. Asked for the address that is connected to, not for the name: a name can lie."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

import httpcore


class AddressRefused(OSError):
    """The name stands for a machine that is not to be called."""


def is_public(address: str) -> bool:
    """Whether it is neither this machine nor one of a private network, also where it is wrapped in an IPv6 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None) or _translated(ip)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _translated(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None


class PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects like the backend that it wraps, and to public addresses only."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        public = [address for address in await _resolved(host, port, timeout) if is_public(address)]
        if not public:
            raise AddressRefused(f"{host} is this machine or in a private network, and those are not to be called")
        error: Exception = httpcore.ConnectError("no address")
        for address in public:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


async def _resolved(host: str, port: int, timeout_s: float | None) -> list[str]:
    """In the order in which the resolver prefers them."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(f"no address of {host} in time") from error
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    return list(dict.fromkeys(str(sockaddr[0]) for _, _, _, _, sockaddr in found))
