"""Which integration is meant by a cluster: its name, or the bootstrap servers that a definition gives instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec


class IntegrationInfo(msgspec.Struct, frozen=True):
    """What those who read and publish need to know of an integration."""

    name: str
    group: str
    sending_protocol: Literal["String", "JSON"]
    is_enabled: bool
    servers: frozenset[str] = frozenset()
    """`host:port` in lower case: its bootstrap servers."""


class IntegrationDirectory(Protocol):
    async def integrations(self) -> Mapping[str, IntegrationInfo]:
        """All of them, at the current revision of the definitions."""
        ...


def servers_of(text: str) -> frozenset[str]:
    """`host:port,host:port` as a set; protocols before them, as Java's listeners have them, do not count."""
    servers = (server.strip().rpartition("://")[2].lower() for server in text.split(","))
    return frozenset(server for server in servers if server)


def integration_of(integrations: Mapping[str, IntegrationInfo], cluster: str) -> str | None:
    """The name of the integration; None where there is none. One server in common is the same cluster: of several
    such integrations the one with most of them, at work rather than not, and first by name."""
    if cluster in integrations:
        return cluster
    wanted = servers_of(cluster)
    found = [
        (-len(common), not info.is_enabled, name)
        for name, info in integrations.items()
        if (common := info.servers & wanted)
    ]
    return min(found)[2] if found else None
