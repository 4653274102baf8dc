"""Which addresses are public."""

from __future__ import annotations

import httpcore
import pytest

from tidemill.web.addresses import AddressRefused, PublicOnly, is_public


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
    ],
)
def test_not_public(address: str) -> None:
    assert not is_public(address)


class _Connected(Exception):
    """`str` is the host."""


class _Backend(httpcore.AsyncNetworkBackend):
    async def connect_tcp(self, host: str, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        raise _Connected(host)


async def test_a_name_is_resolved_before_it_is_judged() -> None:
    with pytest.raises(AddressRefused, match="localhost is this machine"):
        await PublicOnly(_Backend()).connect_tcp("localhost", 80)
    with pytest.raises(_Connected, match="8\\.8\\.8\\.8"):
        await PublicOnly(_Backend()).connect_tcp("8.8.8.8", 80)


async def test_a_name_that_nobody_knows_is_no_connection() -> None:
    with pytest.raises(httpcore.ConnectError):
        await PublicOnly(_Backend()).connect_tcp("no-such-host.invalid", 80)
