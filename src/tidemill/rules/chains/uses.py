"""What a chain, or a shared node, makes use of that others have put there: secrets and integrations. Judges nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec

from tidemill.ingest.clusters import IntegrationInfo, integration_of

_SERVERS = ("integration", "server", "brokers", "Brokers", "bootstrapServers")


class Uses(msgspec.Struct, frozen=True):
    """`strangers` are clusters that it names by their servers and no integration has: saving it makes one."""

    secrets: frozenset[str] = frozenset()
    integrations: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()


Admit = Callable[[Uses], Awaitable[None]]
"""Raises `Forbidden` where whoever saves may not use these."""


async def admit_all(uses: Uses) -> None:
    return None


def uses_of(secrets: frozenset[str], servers: Iterable[str], known: Mapping[str, IntegrationInfo]) -> Uses:
    """`servers` as nodes and endpoints name them: an integration, there or yet to come, or bootstrap servers."""
    integrations, strangers = set[str](), set[str]()
    for server in servers:
        found = integration_of(known, server)
        if found is None and ":" in server:
            strangers.add(server)
        else:
            integrations.add(found or server)
    return Uses(secrets, frozenset(integrations), frozenset(strangers))


def servers_of_node(document: Mapping[str, Any]) -> list[str]:
    """Of a shared node, which may lack what its component needs: the cluster that chains get from it."""
    config = document.get("configuration")
    if "kafka" not in str(document.get("type")).lower() or not isinstance(config, dict):
        return []
    return [config[key] for key in _SERVERS if isinstance(config.get(key), str) and config[key]]
